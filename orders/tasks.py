"""Celery's way in. Tasks tolerate unknown arguments, so that old and new workers can coexist."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Any, TypeVar

import structlog
from celery import shared_task
from django.db import InterfaceError, OperationalError, connections
from django.utils import timezone

from orders.selectors import waiting_shards
from orders.services import standby
from orders.services.cancel_timers import fire_due
from orders.services.drain import Elsewhere, ShardStopped, drain_all
from orders.services.expiring import expire_due
from orders.services.pacing import Pace
from orders.services.phases import end_due_auctions
from orders.services.private_events import number
from orders.services.quoting import quote_books
from orders.services.wake import wake

logger = structlog.get_logger(__name__)
T = TypeVar("T")

_POLL_SECONDS = 1.0
# A process has one engine for each shard: whoever was woken and whoever polls take turns.
_turn = threading.Lock()
_ending = threading.Event()
# The shard whose wake-up came is another's: there is no use in listening for another second.
_look_now = threading.Event()
_pace = Pace(_ending.wait)


#: Told, of a shard, whether to listen to its queue.
Listen = Callable[[int, bool], None]


def _ignore(_shard_id: int, _wanted: bool) -> None:  # noqa: FBT001 - a Listen
    """Of whoever has no queue."""


@shared_task(name="orders.drain_shard")
def drain_shard(*, shard_id: int, **_extra: Any) -> None:
    """Apply what is pending on a shard, unless it is another worker's by now."""
    # The wake-up stays pending meanwhile: whoever commits needs to send no other.
    _pace.wait()
    with _turn:
        try:
            with _pace:
                drain_all(shard_id=shard_id, clock=timezone.now, yielding=True)
        except Elsewhere:
            _look_now.set()
        except ShardStopped as stopped:
            # Whoever stopped it says why, once; who is woken after that has nothing to add.
            if stopped.__cause__ is not None:
                raise


def poll(shard_ids: Collection[int], listen: Listen = _ignore) -> list[int]:
    """Drain those of the shards that wait for this process, unless it is at it; listen to those it has.

    Returns those that other workers have.
    """
    elsewhere = []
    for seen in standby.look(shard_ids, now=timezone.now()):
        mine = not seen.elsewhere
        if seen.due and _turn.acquire(blocking=False):
            try:
                drain_all(shard_id=seen.shard_id, clock=timezone.now, yielding=mine)
                mine = True
            except Elsewhere:
                mine = False
            finally:
                _turn.release()
        listen(seen.shard_id, mine)
        if not mine:
            elsewhere.append(seen.shard_id)
    return elsewhere


def keep_polling(shard_ids: Collection[int], listen: Listen) -> None:
    """Take the shards, then poll until the process ends: with the broker gone no wake-ups arrive."""
    _surviving(lambda: _take(shard_ids))
    while not _ending.is_set():
        woken_in_vain = _look_now.wait(_POLL_SECONDS)
        _look_now.clear()
        elsewhere = _surviving(lambda: poll(shard_ids, listen))
        if woken_in_vain and elsewhere:
            # For the one that has them, now that this one does not listen any more.
            wake(elsewhere)


def leave() -> None:
    """Give up the shards that this process has, because it ends; it polls no more."""
    _ending.set()
    _look_now.set()
    with _turn:
        _surviving(standby.leave)


def _take(shard_ids: Collection[int]) -> None:
    with _turn:
        standby.take(shard_ids)


def _surviving(act: Callable[[], T]) -> T | None:
    try:
        return act()
    except (OperationalError, InterfaceError) as error:
        logger.warning("database_away", task="poll", error=str(error))
        connections.close_all()
    except Exception:
        logger.exception("poll_failed")
        connections.close_all()
    return None


@shared_task(name="orders.sweep_waiting_shards")
def sweep_waiting_shards(**_extra: Any) -> None:
    """Wake the shards whose wake-up was lost."""
    wake_shards_waiting(longer_than=standby.WAITED_TOO_LONG)


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
