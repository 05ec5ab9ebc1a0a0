"""The process's one Valkey client: short time-outs, because everything it carries may be lost."""

from __future__ import annotations

from functools import cache

import structlog
from django.conf import settings
from django.db import transaction
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

logger = structlog.get_logger(__name__)


@cache
def client() -> Redis:
    """A connection pool to Valkey that gives up quickly."""
    return Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=2,
        socket_connect_timeout=2,
        health_check_interval=30,
        # By itself it would try for seconds, with a door's thread waiting.
        retry=Retry(NoBackoff(), 1),
    )


#: The channel that says whose right of access may have changed.
ACCESS_CHANNEL = "access"


def account_channel(account_id: int) -> str:
    """The channel of an account's private frames."""
    return f"acct:{account_id}"


def tell_balances_moved(account_id: int) -> None:
    """Let the feed read an account's balances again: money moved without an order. May be lost."""
    _tell(account_channel(account_id), b'{"type":"refresh"}')


def tell_access_changed(user_id: int) -> None:
    """Once this is committed, let sockets ask again whether this person may go on. May be lost."""
    transaction.on_commit(lambda: _tell(ACCESS_CHANNEL, b'{"user":%d}' % user_id))


def _tell(channel: str, message: bytes) -> None:
    try:
        client().publish(channel, message)
    except (RedisError, OSError) as error:
        logger.warning("feed_lost", frames=1, error=str(error))
