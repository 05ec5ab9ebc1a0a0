"""Lets a door tell of itself: what it counts, and how much of its pool of connections is in use."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import connection

from tradeplatform.common.metrics import PUBLISHER, gauge
from tradeplatform.config import Role, load_config

IN_USE = gauge("pool_in_use", "Connections to PostgreSQL lent out, by the role of the process.", ("role",))
MOST = gauge("pool_size_limit", "Connections to PostgreSQL that there may be at most.", ("role",))
WAITING = gauge("pool_waiting", "Threads that wait for a connection.", ("role",))


def tell_of(role: Role) -> None:
    """Begin to publish what this process counts, if it is a door of this role and does not yet."""
    if load_config().role != role or not PUBLISHER.keep_on():
        return
    IN_USE.labels(role).set_function(lambda: _in_use(_stats()))
    MOST.labels(role).set_function(lambda: _stats().get("pool_max", 0))
    WAITING.labels(role).set_function(lambda: _stats().get("requests_waiting", 0))


def _stats() -> Mapping[str, int]:
    # The pool is the process's, whichever thread asks.
    pool = connection.pool  # type: ignore[attr-defined]
    return pool.get_stats() if pool else {}


def _in_use(stats: Mapping[str, int]) -> int:
    return stats.get("pool_size", 0) - stats.get("pool_available", 0)
