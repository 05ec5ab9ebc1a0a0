"""Records for tests of the boundary, and everything that can be read of an engine."""

from __future__ import annotations

from typing import Any

from tradeengine import Engine
from tradeengine.codec import (
    CommandKind,
    OpenOrder,
    OrderType,
    Place,
    Side,
    Terms,
    TermsFlag,
    TimeInForce,
    TriggerKind,
    encode_command,
)

from tests.engine.desk import BOOK

OTHER = 2

STOP = Terms(trigger=TriggerKind.STOP, trigger_price=110)
TRAIL = STOP._replace(trigger=TriggerKind.TRAILING, distance=5, step=1)
HIDDEN = Terms(flags=TermsFlag.HAS_DISPLAY)


def limit(order_id: int, side: Side, quantity: int, price: int, *, instrument: int = BOOK) -> bytes:
    return encode_command(
        kind=CommandKind.NEW,
        instrument=instrument,
        command_id=order_id,
        time=order_id,
        order_id=order_id,
        account=order_id,
        side=side,
        order_type=OrderType.LIMIT,
        tif=TimeInForce.GTC,
        price=price,
        quantity=quantity,
    )


def resting(order_id: int, side: Side | int = Side.BUY, price: int = 100, **fields: Any) -> OpenOrder:
    """A plain order of 5 lots that shows all of itself, or what `fields` make of it."""
    order = OpenOrder(
        side=side, post_only=False, stp=0, place=Place.RESTING, order_type=OrderType.LIMIT,
        tif=TimeInForce.GTC, order_id=order_id, account=9, stp_group=0, price=price, leaves=5, executed=0,
        priority=order_id, shown=5,
    )  # fmt: skip
    order = order._replace(**fields)
    return order if "shown" in fields else order._replace(shown=order.leaves)


def with_byte(record: bytes, at: int, value: int) -> bytes:
    return record[:at] + bytes([value]) + record[at + 1 :]


def snapshot(engine: Engine) -> dict[int, tuple[object, ...]]:
    """Everything that can be read of every book."""
    return {
        book: (
            engine.open_orders(book),
            engine.depth(book),
            engine.state_hash(book),
            engine.seq(book),
            engine.last_time(book),
            engine.last_price(book),
            engine.phase(book),
            engine.indicative(book),
        )
        for book in engine.books()
    }


def rebuilt(engine: Engine) -> Engine:
    copy = Engine()
    for book in engine.books():
        copy.restore(
            book,
            engine.open_orders(book),
            seq=engine.seq(book),
            last_time=engine.last_time(book),
            last_price=engine.last_price(book),
            phase=engine.phase(book),
        )
    return copy
