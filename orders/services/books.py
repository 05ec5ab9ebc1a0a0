"""The engine in this process's memory: a cache of the open orders in the database, never a second truth.

It is thrown away after any exception and whenever its position differs from the shard's row, and rebuilt
from the open orders. The rebuilt state hash must equal the one stored with the book; otherwise the shard
must stop, because somebody's order is not where the journal says it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import structlog
from tradeengine import Engine, codec

from instruments.scaling import steps
from instruments.selectors import Rules, rules_by_id
from orders.models import Book, Order, OrderStatus, OrderType, Side, StpMode, TimeInForce
from orders.services import engine_codes
from orders.services.journal import microseconds

logger = structlog.get_logger(__name__)

_PLACE = {
    OrderStatus.OPEN: codec.Place.RESTING,
    OrderStatus.PARTIALLY_FILLED: codec.Place.RESTING,
    OrderStatus.PENDING_TRIGGER: codec.Place.ARMED,
    OrderStatus.WAITING: codec.Place.WAITING,
}


class StateMismatch(Exception):  # noqa: N818 - a state of affairs
    """A rebuilt book differs from the book the journal left behind."""

    def __init__(self, *, instrument_id: int, stored: str, rebuilt: str) -> None:
        super().__init__(
            f"Book {instrument_id}: the open orders give state {rebuilt}, but {stored} is stored. "
            "Compare with a replay of the journal before starting this shard again."
        )
        self.instrument_id = instrument_id


@dataclass(slots=True)
class ShardEngine:
    """An engine and the shard position it has reached; None while it is ahead of what is written.

    Another thread may hold the shard's lock before the one that failed has thrown its engine away.
    """

    engine: Engine
    position: int | None


_engines: dict[int, ShardEngine] = {}


def engine_at(*, shard_id: int, position: int, books: list[Book]) -> ShardEngine:
    """The shard's engine at `position`, from memory if it is there, else rebuilt and checked.

    Must be called with the shard's row locked. Raises StateMismatch.
    """
    cached = _engines.get(shard_id)
    if cached is None or cached.position != position:
        cached = _engines[shard_id] = ShardEngine(rebuild(books), position)
        logger.info("engine_rebuilt", shard=shard_id, position=position, books=len(books))
    known = set(cached.engine.books())
    for book in books:
        if book.instrument_id not in known:
            cached.engine.add_book(book.instrument_id)
    return cached


def forget(shard_id: int) -> None:
    """Throw the shard's engine away; the next drain rebuilds it."""
    _engines.pop(shard_id, None)


def rebuild(books: list[Book], *, using: str = "default") -> Engine:
    """A fresh engine holding these books as their open orders describe them. Raises StateMismatch.

    `using` names the database connection, so that a check can look through the read-only one.
    """
    engine = Engine()
    rules = rules_by_id((book.instrument_id for book in books), using=using)
    found: dict[int, list[bytes]] = {book.instrument_id: [] for book in books}
    orders = Order.objects.using(using).in_engine().filter(instrument_id__in=list(found))
    for order in orders.order_by("instrument_id", "priority").iterator(chunk_size=10_000):
        found[order.instrument_id].append(_record(order, rules[order.instrument_id]))
    for book in books:
        engine.add_book(book.instrument_id)
        engine.restore(
            book.instrument_id,
            b"".join(found[book.instrument_id]),
            seq=book.seq,
            last_time=book.last_time,
            last_price=book.last_price_ticks,
            phase=book.phase,
        )
        rebuilt = engine.state_hash(book.instrument_id)
        if book.state_hash and rebuilt != book.state_hash:
            raise StateMismatch(instrument_id=book.instrument_id, stored=book.state_hash, rebuilt=rebuilt)
    engine.level_changes()  # a rebuilt book is not a change
    return engine


def _record(order: Order, rules: Rules) -> bytes:
    """An order that is not final as the engine restores it: see Records in docs/engine.md."""
    place = _PLACE[OrderStatus(order.status)]
    resting, leaves = place == codec.Place.RESTING, _whole(order.leaves, rules.lot_size)
    slice_ = leaves if order.display_quantity is None else _whole(order.shown, rules.lot_size)
    return codec.encode_open(
        codec.OpenOrder(
            side=engine_codes.SIDE[Side(order.side)],
            post_only=order.post_only,
            stp=engine_codes.STP_MODE[StpMode(order.stp_mode)],
            place=place,
            order_type=engine_codes.ORDER_TYPE[OrderType(order.type)],
            tif=engine_codes.TIME_IN_FORCE[TimeInForce(order.time_in_force)],
            order_id=order.id,
            account=order.account_id,
            stp_group=order.stp_group,
            price=_whole(order.price or order.protection_price, rules.tick_size),
            leaves=leaves,
            executed=_whole(order.filled + order.prevented, rules.lot_size),
            priority=order.priority,
            shown=slice_ if resting else 0,
            terms=_resting_terms(order, rules) if resting else _parked_terms(order, rules),
        )
    )


def _resting_terms(order: Order, rules: Rules) -> codec.Terms:
    """What of its terms still matters to an order in a queue."""
    return codec.Terms(
        flags=0 if order.display_quantity is None else codec.TermsFlag.HAS_DISPLAY,
        display=_whole(order.display_quantity, rules.lot_size),
        expires=0 if order.expires_at is None else microseconds(order.expires_at),
        partner=order.partner_id,
    )


def _parked_terms(order: Order, rules: Rules) -> codec.Terms:
    """The terms a parked order came with, its trigger where it is by now."""
    distance = order.trail_bps or _whole(order.trail_amount, rules.tick_size)
    return _resting_terms(order, rules)._replace(
        trigger=engine_codes.trigger_kind(OrderType(order.type), by_bps=order.trail_bps is not None),
        source=engine_codes.TRIGGER_SOURCE[order.trigger_by],
        link=engine_codes.LINK[order.link],
        trigger_price=_whole(order.trigger_price, rules.tick_size),
        distance=distance,
        step=_whole(order.trail_step, rules.tick_size),
        min_quantity=_whole(order.min_quantity, rules.lot_size),
        parent=order.parent_id,
    )


def _whole(value: Decimal | None, step: Decimal) -> int:
    """A stored price or quantity in steps; the database has only whole ones in a book."""
    count = steps(value or Decimal(0), step)
    if count is None:
        raise ValueError(f"{value} is not a multiple of {step}")
    return count
