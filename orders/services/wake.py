"""Wake a shard's worker. A wake-up is a hint: losing, repeating or reordering it changes only latency."""

from __future__ import annotations

from collections.abc import Iterable

import structlog
from celery import current_app
from django.conf import settings
from django.db import transaction
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from tradeplatform.common import broker
from tradeplatform.common.valkey import client

logger = structlog.get_logger(__name__)

# One pending wake-up for each shard is enough; the mark lapses by itself should its message be lost.
_PENDING_MS = 1_000


def _key(shard_id: int) -> str:
    return f"wake:{shard_id}"


def wake_after_commit(shard_ids: Iterable[int]) -> None:
    """Wake the shards once the surrounding transaction has committed.

    Whatever goes wrong with it is logged: raised, it would say of what is committed that it failed.
    """
    wanted = sorted(set(shard_ids))
    transaction.on_commit(lambda: wake(wanted), robust=True)


def wake(shard_ids: Iterable[int]) -> None:
    """Ask each shard's worker to drain, unless a request is already on its way."""
    for shard_id in shard_ids:
        try:
            if client().set(_key(shard_id), 1, nx=True, px=_PENDING_MS):
                _send(shard_id)
        except (RedisError, OperationalError, OSError) as error:
            # The commands are safe in their table; the sweep finds them.
            logger.warning("wake_failed", shard=shard_id, error=str(error))


def _send(shard_id: int) -> None:
    task, what = "orders.drain_shard", {"shard_id": shard_id}
    if settings.BROKER_IS_RABBITMQ:
        broker.send(task, kwargs=what, queue=f"shard-{shard_id}")
    else:
        current_app.send_task(task, kwargs=what, queue=f"shard-{shard_id}", retry=False)


def woken(shard_id: int) -> None:
    """Take the pending mark away before reading: whoever commits from now on must wake again."""
    try:
        client().delete(_key(shard_id))
    except (RedisError, OSError) as error:
        logger.warning("wake_mark_failed", shard=shard_id, error=str(error))
