"""The drain: the only writer of events and of an order's state.

One transaction: lock the shard's row, read pending commands in id order and what the kill switch says of
them, let the engine apply them, write events and every projection, move the books and the shard forward. If
anything fails, nothing happened and the engine in memory is thrown away. After the commit the feed is told.
"""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog
from django.db import OperationalError, transaction
from psycopg.errors import IdleInTransactionSessionTimeout
from tradeengine import codec

from accounts.models import LedgerKind
from accounts.services.posting import Ledger
from instruments.selectors import rules_by_id
from orders import metrics
from orders.models import Book, CommandKind, Shard, ShardStatus
from orders.services import books, frames, quarantining, wake
from orders.services.killing import Standing, read_standing
from orders.services.order_state import OrderState
from orders.services.pending import PendingCommand, mark_done, read_pending
from orders.services.projecting import Projection, writing_events
from tradeplatform.common import tracing
from tradeplatform.common.db import execute, read
from tradeplatform.config import load_config

logger = structlog.get_logger(__name__)

BATCH = 1_000
_LOGGED_IDS = 50
# Whoever is there to drain a shard, unlike one who only passes by, such as who presses the kill switch.
WORKER = "shard@"
# This process, as the owner of the shards it drains: its role, its host, and itself.
OWNER = f"{load_config().role}@{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


def is_elsewhere(has_it: str, owner: str) -> bool:
    """Whether the owner of a shard is another worker than `owner`."""
    return has_it != owner and has_it.startswith(WORKER)


class Fenced(Exception):  # noqa: N818 - a state of affairs
    """Another worker has taken the shard over: what this one computed must not be written."""


class Elsewhere(Fenced):
    """A worker on another host has the shard, and this one was only woken: it has nothing to do with it."""


class ShardStopped(Exception):  # noqa: N818 - a state of affairs
    """The shard was stopped, and says why; nothing is applied until an operator starts it again."""


@dataclass(frozen=True, slots=True)
class Drained:
    """What one drain did."""

    commands: int = 0
    events: int = 0
    trades: int = 0


def drain_all(
    *,
    shard_id: int,
    clock: Callable[[], datetime],
    owner: str = OWNER,
    batch: int = BATCH,
    yielding: bool = False,
) -> Drained:
    """Drain until nothing is pending; what cannot be applied is set aside. Raises ShardStopped.

    One that is `yielding` takes the shard from no other worker, and raises Elsewhere.
    """
    wake.woken(shard_id)
    total = Drained()
    while True:
        done = _tried(shard_id, clock(), owner, batch, yielding=yielding)
        narrowed = isinstance(done, Exception)
        if isinstance(done, Exception):
            done = _drain_around(shard_id, clock, owner, done, yielding=yielding)
        total = Drained(
            total.commands + done.commands, total.events + done.events, total.trades + done.trades
        )
        if done.commands < batch and not narrowed:
            return total


def _tried(shard_id: int, now: datetime, owner: str, batch: int, *, yielding: bool) -> Drained | Exception:
    """What a drain did, or what went wrong where a command may be to blame."""
    try:
        return drain(shard_id=shard_id, now=now, owner=owner, batch=batch, yielding=yielding)
    except (*quarantining.OF_THE_SURROUNDINGS, Fenced, ShardStopped, Shard.DoesNotExist):
        raise
    except Exception as error:
        if isinstance(error.__cause__, IdleInTransactionSessionTimeout):
            # This process was frozen for longer than the database waits for one that holds a shard.
            raise OperationalError(str(error)) from error
        logger.exception("drain_failed", shard=shard_id, batch=batch)
        return error


def _drain_around(
    shard_id: int, clock: Callable[[], datetime], owner: str, error: Exception, *, yielding: bool
) -> Drained:
    """Apply what waits before a command that cannot be applied or, when it is the next, set it aside.

    Raises ShardStopped where that does not help, and the error where it is no command's.
    """
    size = len(read_pending(shard_id, BATCH))
    if size == 0:
        raise error
    while True:
        size = max(size // 2, 1)
        done = _tried(shard_id, clock(), owner, size, yielding=yielding)
        if isinstance(done, Drained):
            return done
        error = done
        if size == 1:
            break
    # What the kill switch has to do comes before every command, and fails with the next one if it fails.
    drain(shard_id=shard_id, now=clock(), owner=owner, batch=0, yielding=yielding)
    try:
        for _step in quarantining.set_aside(shard_id=shard_id, owner=owner, error=error, now=clock()):
            done = _tried(shard_id, clock(), owner, 1, yielding=yielding)
            if isinstance(done, Drained):
                return done
    except quarantining.NothingHelps as why:
        _stop(shard_id, str(why))
        raise ShardStopped(str(why)) from error
    return Drained()


def drain(
    *,
    shard_id: int,
    now: datetime,
    owner: str = OWNER,
    batch: int = BATCH,
    yielding: bool = False,
    tell: Callable[[frames.Batch], None] = frames.tell,
) -> Drained:
    """Apply at most `batch` pending commands of a shard; callable from anywhere, any number of times.

    What was pressed of the kill switch is applied first, whatever `batch` is; `tell` gets what was committed.
    Raises ShardStopped, Fenced (Elsewhere, if `yielding`), or what else went wrong, after forgetting the
    engine.
    """
    began = time.time_ns()
    try:
        with transaction.atomic():
            shard = _take(shard_id, owner, now, yielding=yielding)
            pending = read_pending(shard_id, batch)
            kills = read_standing(shard_id)
            if not pending and not kills.due:
                return Drained()
            commands = kills.write_commands(shard_id=shard_id, position=shard.position, now=now)
            commands += kills.refuse(pending)
            if not commands:
                # A release changes what is taken from here on, and no book.
                kills.note_effects(())
                return Drained()
            batch_done = _apply(shard, commands, kills, now)
    except books.StateMismatch as mismatch:
        books.forget(shard_id)
        _stop(shard_id, str(mismatch))
        raise ShardStopped(str(mismatch)) from mismatch
    except BaseException:
        books.forget(shard_id)
        raise
    metrics.count_applied([command.time_us for command in commands])
    tell(batch_done)
    result = Drained(len(commands), len(batch_done.events), len(batch_done.projection.trades))
    # So that a request can be followed by its id from the door's log into the worker's.
    ids = sorted({command.correlation_id for command in commands} - {""})[:_LOGGED_IDS]
    logger.info(
        "drained",
        shard=shard_id,
        commands=result.commands,
        trades=result.trades,
        correlation_ids=ids,
    )
    tracing.record(
        "drain",
        began=began,
        correlation_ids=ids,
        shard=shard_id,
        commands=result.commands,
        events=result.events,
        trades=result.trades,
    )
    return result


def _take(shard_id: int, owner: str, now: datetime, *, yielding: bool) -> Shard:
    """Lock the shard's row; a new owner opens a new epoch.

    Whose the shard is is asked under the lock: who waited for it may have waited for another's taking.
    """
    shard = next(iter(read(Shard, "WHERE id = %s FOR NO KEY UPDATE", [shard_id])), None)
    if shard is None:
        raise Shard.DoesNotExist(f"There is no shard {shard_id}.")
    if yielding and is_elsewhere(shard.owner, owner):
        raise Elsewhere(f"shard {shard_id} is another worker's")
    if shard.status == ShardStatus.STOPPED:
        raise ShardStopped(shard.stop_reason)
    if shard.owner != owner:
        shard.owner, shard.epoch = owner, shard.epoch + 1
        Shard.objects.filter(id=shard_id).update(owner=shard.owner, epoch=shard.epoch, taken_at=now)
        transaction.on_commit(metrics.TAKEOVERS.inc, robust=True)
        logger.info("shard_taken", shard=shard_id, owner=owner, epoch=shard.epoch)
    return shard


def _apply(shard: Shard, commands: list[PendingCommand], kills: Standing, now: datetime) -> frames.Batch:
    rows = read(Book, "WHERE shard_id = %s ORDER BY instrument_id", [shard.id])
    cached = books.engine_at(shard_id=shard.id, position=shard.position, books=rows)
    engine = cached.engine
    before = {book.instrument_id: book for book in rows}

    cached.position = None
    records = engine.apply(b"".join(command.encode() for command in commands))
    events = list(codec.iter_events(records))
    levels = list(codec.iter_levels(engine.level_changes()))

    amends = [(c.order_id, c.held) for c in commands if c.kind == CommandKind.AMEND and c.held]
    touched = {e.order_id for e in events} | {e.maker_order_id for e in events} | {a[0] for a in amends}
    orders = OrderState.load(touched - {0})
    orders |= OrderState.load_rest_of_lists(orders)
    rules = rules_by_id({command.instrument_id for command in commands})
    quotes = {found.quote_id for found in rules.values()}
    ledger = Ledger.look(
        clients={
            (order.account_id, asset)
            for order in orders.values()
            for asset in (rules[order.instrument_id].base_id, rules[order.instrument_id].quote_id)
        },
        system={(kind, quote) for quote in quotes for kind in (LedgerKind.FEE, LedgerKind.ROUNDING)},
    )
    projection = Projection(rules=rules, orders=orders, ledger=ledger, now=now)
    with writing_events(records, shard.epoch):
        projection.apply(events)
        projection.release_amend_holds(amends)
        projection.settle_holds()
    projection.write()

    last_seq = {event.command_id: event.seq for event in events}
    mark_done(commands, first_position=shard.position + 1, last_seq=last_seq)
    _move_books(cached, sorted(rules))
    kills.note_effects(events)
    projection.post()
    _move_shard(shard, len(commands), now)
    cached.position = shard.position + len(commands)
    return frames.Batch(
        step=frames.Step(shard.id, shard.position + 1, shard.position + len(commands)),
        projection=projection,
        events=events,
        levels=levels,
        engine=engine,
        before=before,
        balances=ledger.accounts(),
        correlation_ids=_correlation_ids(commands, orders),
    )


def _correlation_ids(commands: list[PendingCommand], orders: dict[int, OrderState]) -> dict[int, list[str]]:
    """The ids of the requests behind a batch, by the account whose orders each was about."""
    found: dict[int, set[str]] = {}
    for command in commands:
        order = orders.get(command.order_id)
        account_id = order.account_id if order is not None else command.account_id
        if command.correlation_id and account_id:
            found.setdefault(account_id, set()).add(command.correlation_id)
    return {account_id: sorted(ids)[:_LOGGED_IDS] for account_id, ids in found.items()}


def _move_books(cached: books.ShardEngine, instrument_ids: list[int]) -> None:
    """Store where each touched book stands: seq, time, last price, phase, state hash."""
    engine = cached.engine
    execute(
        "UPDATE orders_book SET seq = n.seq, last_time = n.last_time, last_price_ticks = n.last_price,"
        " phase = n.phase, state_hash = n.state_hash"
        " FROM unnest(%s::int[], %s::bigint[], %s::bigint[], %s::bigint[], %s::smallint[], %s::text[])"
        " AS n(instrument_id, seq, last_time, last_price, phase, state_hash)"
        " WHERE orders_book.instrument_id = n.instrument_id",
        [
            instrument_ids,
            [engine.seq(number) for number in instrument_ids],
            [engine.last_time(number) for number in instrument_ids],
            [engine.last_price(number) for number in instrument_ids],
            [engine.phase(number) for number in instrument_ids],
            [engine.state_hash(number) for number in instrument_ids],
        ],
        prepared=True,
    )


def _move_shard(shard: Shard, applied: int, now: datetime) -> None:
    """Advance the shard with the effects; a worker whose epoch has passed rolls back."""
    moved = execute(
        "UPDATE orders_shard SET position = %s, drained_at = %s"
        " WHERE id = %s AND epoch = %s AND position = %s",
        [shard.position + applied, now, shard.id, shard.epoch, shard.position],
        prepared=True,
    )
    if moved != 1:
        metrics.FENCED.inc()
        raise Fenced(f"shard {shard.id} has left epoch {shard.epoch} or position {shard.position}")


def _stop(shard_id: int, reason: str) -> None:
    logger.error("shard_stopped", shard=shard_id, reason=reason)
    Shard.objects.filter(id=shard_id).update(status=ShardStatus.STOPPED, stop_reason=reason)
