"""How much of a door's pool of connections is in use."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import connection

from tradeplatform.common.metrics import gauge
from tradeplatform.config import load_config

IN_USE = gauge("pool_in_use", "Connections to PostgreSQL lent out, by the role of the process.", ("role",))
MOST = gauge("pool_size_limit", "Connections to PostgreSQL that there may be at most.", ("role",))
WAITING = gauge("pool_waiting", "Threads that wait for a connection.", ("role",))


def watch_pool() -> None:
    """Tell of this process's pool from now on; of a process without one there is nothing to tell."""
    if not connection.settings_dict["OPTIONS"].get("pool"):
        return
    role = load_config().role
    IN_USE.labels(role).set_function(lambda: _in_use(_stats()))
    MOST.labels(role).set_function(lambda: _stats().get("pool_max", 0))
    WAITING.labels(role).set_function(lambda: _stats().get("requests_waiting", 0))


def _stats() -> Mapping[str, int]:
    # The pool is the process's, whichever thread asks.
    pool = connection.pool  # type: ignore[attr-defined]
    return pool.get_stats() if pool else {}


def _in_use(stats: Mapping[str, int]) -> int:
    return stats.get("pool_size", 0) - stats.get("pool_available", 0)
