"""Bitstamp order events as phil8192/ob-analytics keeps them: id, timestamp, price, volume, action, direction.

Times are milliseconds; volumes are satoshi still open. A market order appears as an order whose price
moves: each `changed` row says where it stands now.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from orders.models import Side
from orders.replay.actions import ActionKind, MalformedLineError, RecordedAction, number, whole
from orders.replay.rows import NumberedRow, by_name

_KINDS = {"created": ActionKind.NEW, "changed": ActionKind.CHANGE, "deleted": ActionKind.CANCEL}
_SIDES = {"bid": Side.BUY, "ask": Side.SELL}
_SATOSHI = Decimal("0.00000001")


def read(rows: Iterator[NumberedRow]) -> Iterator[RecordedAction]:
    """The actions of a file with a header line. Raises MalformedLineError."""
    for line, row in by_name(rows, ("id", "timestamp", "price", "volume", "action", "direction")):
        kind, side = _KINDS.get(row["action"]), _SIDES.get(row["direction"])
        if kind is None:
            raise MalformedLineError(line, f"action is {row['action']!r}, not created, changed or deleted")
        if side is None:
            raise MalformedLineError(line, f"direction is {row['direction']!r}, not bid or ask")
        satoshi = whole(row["volume"], line=line, name="volume")
        yield RecordedAction(
            line=line,
            time_us=whole(row["timestamp"], line=line, name="timestamp") * 1_000,
            kind=kind,
            id=row["id"],
            side=side,
            price=number(row["price"], line=line, name="price"),
            quantity=satoshi * _SATOSHI,
            note="filled" if kind == ActionKind.CANCEL and not satoshi else "",
        )
