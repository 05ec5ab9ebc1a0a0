"""The process's one Valkey client: short time-outs, because everything it carries may be lost."""

from __future__ import annotations

from functools import cache

from django.conf import settings
from redis import Redis


@cache
def client() -> Redis:
    """A connection pool to Valkey that gives up quickly."""
    return Redis.from_url(
        settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2, health_check_interval=30
    )
