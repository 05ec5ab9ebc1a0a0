"""Celery's way in. Tasks tolerate unknown arguments, so that old and new workers can coexist."""

from __future__ import annotations

import threading
from collections.abc import Collection
from datetime import timedelta
from typing import Any

import structlog
from celery import shared_task
from django.db import InterfaceError, OperationalError, connections
from django.utils import timezone

from orders.selectors import waiting_shards
from orders.services.cancel_timers import fire_due
from orders.services.drain import drain_all
from orders.services.expiring import expire_due
from orders.services.phases import end_due_auctions
from orders.services.private_events import number
from orders.services.quoting import quote_books
from orders.services.wake import wake

logger = structlog.get_logger(__name__)

_WAITED_TOO_LONG = timedelta(seconds=1)
_POLL_SECONDS = 1.0
# A process has one engine for each shard: whoever was woken and whoever polls take turns.
_turn = threading.Lock()


@shared_task(name="orders.drain_shard")
def drain_shard(*, shard_id: int, **_extra: Any) -> None:
    """Apply what is pending on a shard."""
    with _turn:
        drain_all(shard_id=shard_id, clock=timezone.now)


def poll(shard_ids: Collection[int]) -> None:
    """Drain those of the shards on which a command has waited too long, unless this process is at it."""
    for shard_id in waiting_shards(now=timezone.now(), longer_than=_WAITED_TOO_LONG):
        if shard_id in shard_ids and _turn.acquire(blocking=False):
            try:
                drain_all(shard_id=shard_id, clock=timezone.now)
            finally:
                _turn.release()


def keep_polling(shard_ids: Collection[int]) -> None:
    """Poll until the process ends: with the broker gone, the sweep's wake-ups do not arrive either."""
    pause = threading.Event()
    while not pause.wait(_POLL_SECONDS):
        try:
            poll(shard_ids)
        except (OperationalError, InterfaceError) as error:
            logger.warning("database_away", task="poll", error=str(error))
            connections.close_all()
        except Exception:
            logger.exception("poll_failed", shards=sorted(shard_ids))
            connections.close_all()


@shared_task(name="orders.sweep_waiting_shards")
def sweep_waiting_shards(**_extra: Any) -> None:
    """Wake the shards whose wake-up was lost."""
    wake_shards_waiting(longer_than=_WAITED_TOO_LONG)


def wake_shards_waiting(*, longer_than: timedelta) -> None:
    """Wake the shards on which a command has waited longer than this."""
    wake(waiting_shards(now=timezone.now(), longer_than=longer_than))


@shared_task(name="orders.expire_due")
def expire_due_orders(**_extra: Any) -> None:
    """Let time pass in the books that hold orders whose time is over."""
    expire_due(now=timezone.now())


@shared_task(name="orders.end_due_auctions")
def end_auctions_now(**_extra: Any) -> None:
    """Open the instruments whose auction's time has come."""
    end_due_auctions(now=timezone.now())


@shared_task(name="orders.fire_cancel_timers")
def fire_cancel_timers(**_extra: Any) -> None:
    """Cancel the orders of the accounts whose timers were not renewed in time."""
    fire_due(now=timezone.now())


@shared_task(name="orders.number_private_events")
def number_private_events(**_extra: Any) -> None:
    """Number what happened to the orders of the accounts whose owners follow them."""
    number(now=timezone.now())


@shared_task(name="orders.quote_books")
def quote_moved_books(**_extra: Any) -> None:
    """Keep the quotes of the instruments that trade here as their books stand."""
    quote_books(now=timezone.now())
