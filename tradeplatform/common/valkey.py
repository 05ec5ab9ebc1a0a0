"""The process's one Valkey client: short time-outs, because everything it carries may be lost.

Of a Valkey that did not answer nobody asks again for a moment, and then one does while the others go without:
with one that is frozen each question would wait for its time-out, and an order that is committed would be
acknowledged seconds later.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import cache
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from redis import ConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as Unreachable
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as TimedOut
from redis.retry import Retry

logger = structlog.get_logger(__name__)


ASK_AGAIN_SECONDS = 0.5
_TIMEOUT_SECONDS = 2.0
_clock = time.monotonic
_away_until = 0.0


class _Once(Retry):
    """Tries once more, on a new connection, where one broke, and remembers what was in vain.

    Who did not answer in time does so no sooner on another connection, and may have done what was asked.
    """

    def __init__(self) -> None:
        super().__init__(NoBackoff(), 1, (Unreachable,))

    def call_with_retry(self, *args: Any, **how: Any) -> Any:
        """As it does."""
        global _away_until  # noqa: PLW0603 - the process has one memory of it
        try:
            found = super().call_with_retry(*args, **how)
        except (Unreachable, TimedOut):
            _away_until = _clock() + ASK_AGAIN_SECONDS
            raise
        _away_until = 0.0
        return found


class _Pool(ConnectionPool):
    """Hands out no connection to a Valkey that did not answer a moment ago, then one, to find out."""

    def get_connection(self, *args: Any, **how: Any) -> Any:
        """As it does."""
        global _away_until  # noqa: PLW0603 - see above
        now = _clock()
        if now < _away_until:
            raise Unreachable("Valkey did not answer a moment ago.")
        if _away_until:
            _away_until = now + _TIMEOUT_SECONDS
        return super().get_connection(*args, **how)


def make_client(url: str, *, timeout: float = _TIMEOUT_SECONDS) -> Redis:
    """A pool of connections that gives up quickly, after `timeout` seconds."""
    pool = _Pool.from_url(
        url,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        health_check_interval=30,
        # By itself it would try for seconds, with a door's thread waiting.
        retry=_Once(),
    )
    return Redis(connection_pool=pool)


@cache
def client() -> Redis:
    """The one of this process."""
    return make_client(settings.REDIS_URL)


#: The channel that says whose right of access may have changed.
ACCESS_CHANNEL = "access"


def account_channel(account_id: int) -> str:
    """The channel of an account's private frames."""
    return f"acct:{account_id}"


def tell_balances_moved(*account_ids: int) -> None:
    """Let the feeds read accounts' balances again: money moved without an order. May be lost."""
    _tell([account_channel(number) for number in account_ids], b'{"type":"refresh"}')


def tell_access_changed(user_id: int) -> None:
    """Once this is committed, let sockets ask again whether this person may go on. May be lost."""
    transaction.on_commit(lambda: _tell([ACCESS_CHANNEL], b'{"user":%d}' % user_id))


def _tell(channels: Sequence[str], message: bytes) -> None:
    try:
        with client().pipeline(transaction=False) as pipeline:
            for channel in channels:
                pipeline.publish(channel, message)
            pipeline.execute()
    except (RedisError, OSError) as error:
        logger.warning("feed_lost", frames=len(channels), error=str(error))
