"""Open orders as the engine's records, by columns: a book of a million orders is no million objects.

Nearly all orders of a book rest in a queue and have no terms. PostgreSQL counts their ticks and lots and
sends them in COPY's binary form, which numpy reads as it stands. The few that are parked, linked, dated, or
show a slice are read one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import numpy as np
from django.db import connections
from tradeengine import codec

from instruments.scaling import steps
from instruments.selectors import Rules
from orders.models import (
    RESTING,
    Order,
    OrderStatus,
    OrderType,
    Side,
    StpMode,
    TimeInForce,
)
from orders.services import engine_codes
from orders.services.journal import microseconds

_PLACE = {
    OrderStatus.OPEN: codec.Place.RESTING,
    OrderStatus.PARTIALLY_FILLED: codec.Place.RESTING,
    OrderStatus.PENDING_TRIGGER: codec.Place.ARMED,
    OrderStatus.WAITING: codec.Place.WAITING,
}
_BYTES = 1 << 22
_CHUNK = 10_000


def _case(column: str, codes: Mapping[Any, int]) -> str:
    """The engine's code of a column's word."""
    return " ".join(
        [f"CASE {column}", *(f"WHEN '{word}' THEN {int(code)}" for word, code in codes.items()), "END"]
    )


def _words(words: tuple[OrderStatus, ...]) -> str:
    return ", ".join(f"'{word}'" for word in words)


#: What is read of an order, by the names of the engine's record, `plain` and `whole` first.
_COLUMNS = {
    "plain": f"(status IN ({_words(RESTING)}) AND display_quantity IS NULL AND expires_at IS NULL"
    " AND partner_id = 0)::int",
    "whole": "(mod(coalesce(price, protection_price), %(tick)s) = 0 AND mod(leaves, %(lot)s) = 0"
    " AND mod(filled + prevented, %(lot)s) = 0)::int",
    "side": _case("side", engine_codes.SIDE),
    "flags": f"CASE WHEN post_only THEN {engine_codes.POST_ONLY} ELSE 0 END",
    "stp": _case("stp_mode", engine_codes.STP_MODE),
    "order_type": _case("type", engine_codes.ORDER_TYPE),
    "tif": _case("time_in_force", engine_codes.TIME_IN_FORCE),
    "order_id": "id",
    "account": "account_id",
    "stp_group": "stp_group",
    "price": "div(coalesce(price, protection_price), %(tick)s)",
    "leaves": "div(leaves, %(lot)s)",
    "executed": "div(filled + prevented, %(lot)s)",
    "priority": "priority",
}
# The stages are written out, so that the partial indexes of what rests and what is parked serve it.
_COPY = (
    f"COPY (SELECT {', '.join(f'({sql})::bigint' for sql in _COLUMNS.values())} FROM orders_order"  # noqa: S608 - our own words
    f" WHERE instrument_id = %(instrument)s AND (stage = 'parked'"
    f" OR stage = 'active' AND status IN ({_words(RESTING)}))) TO STDOUT (FORMAT binary)"
)
#: A row of that: how many fields, then the length and the big-endian number of each.
_ROW = np.dtype(
    [("fields", ">i2")] + [field for name in _COLUMNS for field in ((f"{name} length", ">i4"), (name, ">i8"))]
)
_HEADER, _TRAILER = 19, b"\xff\xff"
#: codec.OPEN by field, of an order without terms.
_OPEN = np.dtype(
    [(name, "u1") for name in ("side", "flags", "stp", "version", "place", "order_type", "tif", "unused")]
    + [(name, "<i8") for name in ("order_id", "account", "stp_group", "price", "leaves", "executed")]
    + [(name, "<i8") for name in ("priority", "shown", "padding")]
)
#: Whatever they do not say, all plain orders have as this one.
_PLAIN = codec.encode_open(
    codec.OpenOrder(
        side=1, post_only=False, stp=0, place=codec.Place.RESTING, order_type=1, tif=1, order_id=1, account=1,
        stp_group=0, price=1, leaves=1, executed=0, priority=1, shown=1,
    )
)  # fmt: skip


def open_orders(rules: Rules, *, using: str = "default") -> bytes:
    """The records of all orders of a book that are not final, in no order, for `Engine.restore`.

    Raises ValueError for a price or quantity that is no whole number of steps.
    """
    records: list[bytes] = []
    special: list[int] = []
    for rows in _rows(rules, using):
        plain = rows["plain"] == 1
        if not np.all(rows["whole"][plain] == 1):
            raise ValueError(f"{rules.symbol} has open orders that are not multiples of its tick or lot")
        records.append(_packed(rows[plain]))
        special += rows["order_id"][~plain].tolist()
    for at in range(0, len(special), _CHUNK):
        orders = Order.objects.using(using).filter(id__in=special[at : at + _CHUNK])
        records += [_record(order, rules) for order in orders.in_engine()]
    return b"".join(records)


def _rows(rules: Rules, using: str) -> Iterator[Any]:
    """The orders as arrays of _ROW, a few megabytes at a time."""
    values = {"instrument": rules.id, "tick": rules.tick_size, "lot": rules.lot_size}
    connection = connections[using]
    with connection.wrap_database_errors, connection.cursor() as cursor:
        buffer = bytearray()
        header = _HEADER
        # Django's cursor that remembers its statements takes one without parameters.
        with cursor.copy(cursor.mogrify(_COPY, values)) as copy:
            for block in copy:
                buffer += block
                if header:
                    del buffer[:header]
                    header = 0
                if len(buffer) >= _BYTES:
                    whole = len(buffer) // _ROW.itemsize * _ROW.itemsize
                    yield np.frombuffer(bytes(buffer[:whole]), _ROW)
                    del buffer[:whole]
    yield np.frombuffer(bytes(buffer.removesuffix(_TRAILER)), _ROW)


def _packed(rows: Any) -> bytes:
    """Resting orders without terms."""
    packed = np.repeat(np.frombuffer(_PLAIN, _OPEN), len(rows))
    for name in _COLUMNS.keys() & (_OPEN.names or ()):
        packed[name] = rows[name]
    packed["shown"] = rows["leaves"]
    return bytes(packed.tobytes())


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
