"""The process's one Valkey client: short time-outs, because everything it carries may be lost."""

from __future__ import annotations

from functools import cache

import structlog
from django.conf import settings
from redis import Redis
from redis.exceptions import RedisError

logger = structlog.get_logger(__name__)


@cache
def client() -> Redis:
    """A connection pool to Valkey that gives up quickly."""
    return Redis.from_url(
        settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2, health_check_interval=30
    )


def account_channel(account_id: int) -> str:
    """The channel of an account's private frames."""
    return f"acct:{account_id}"


def tell_balances_moved(account_id: int) -> None:
    """Let the feed read an account's balances again: money moved without an order. May be lost."""
    try:
        client().publish(account_channel(account_id), b'{"type":"refresh"}')
    except (RedisError, OSError) as error:
        logger.warning("feed_lost", frames=1, error=str(error))
