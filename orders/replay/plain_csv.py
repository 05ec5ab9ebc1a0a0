"""The platform's own format: a header line and the columns time, kind, id, side, price, quantity.

`time` is in seconds with up to six digits after the point, from any origin; `kind` is new, change, cancel
or trade, meaning what orders.replay.actions says; `side` is buy or sell, of the order that `id` names.
A cancel may leave price and quantity empty.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from orders.models import Side
from orders.replay.actions import ActionKind, MalformedLineError, RecordedAction, number
from orders.replay.rows import NumberedRow, by_name

_KINDS = {kind.value: kind for kind in ActionKind if kind != ActionKind.IGNORED}
_SIDES = {side.value: side for side in Side}


def read(rows: Iterator[NumberedRow]) -> Iterator[RecordedAction]:
    """The actions of a file with a header line. Raises MalformedLineError."""
    for line, row in by_name(rows, ("time", "kind", "id", "side", "price", "quantity")):
        kind, side = _KINDS.get(row["kind"]), _SIDES.get(row["side"])
        if kind is None:
            raise MalformedLineError(line, f"kind is {row['kind']!r}, not new, change, cancel or trade")
        if side is None:
            raise MalformedLineError(line, f"side is {row['side']!r}, not buy or sell")
        if not row["id"]:
            raise MalformedLineError(line, "id is empty")
        cancel = kind == ActionKind.CANCEL
        yield RecordedAction(
            line=line,
            time_us=int(number(row["time"], line=line, name="time") * 1_000_000),
            kind=kind,
            id=row["id"],
            side=side,
            price=Decimal(0) if cancel else number(row["price"], line=line, name="price"),
            quantity=Decimal(0) if cancel else number(row["quantity"], line=line, name="quantity"),
        )
