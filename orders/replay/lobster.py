"""LOBSTER message files: time, type, order id, size, price x 10000, direction; no header line.

Types: 1 new, 2 partial cancel, 3 delete, 4 execution of a visible order, 5 execution of a hidden order,
6 cross, 7 halt. Takers are not in the file: an execution is a TRADE against the order that it names.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from orders.models import Side
from orders.replay.actions import ActionKind, MalformedLineError, RecordedAction, number, whole
from orders.replay.rows import NumberedRow

_COLUMNS = 6
_KINDS = _NEW, _PARTIAL_CANCEL, _DELETE, _EXECUTION = "1", "2", "3", "4"
_IGNORED = {"5": "hidden execution", "6": "cross trade", "7": "trading halt"}
_SIDES = {"1": Side.BUY, "-1": Side.SELL}
_PRICE_UNIT = Decimal("0.0001")


def read(rows: Iterator[NumberedRow]) -> Iterator[RecordedAction]:
    """The actions of a message file. Raises MalformedLineError.

    Sizes of orders that stood before the file begins are unknown, so what happens to those is ignored.
    """
    open_sizes: dict[str, int] = {}
    for line, row in rows:
        # The file's own documentation lets a seventh column, the market participant, be appended.
        if len(row) not in (_COLUMNS, _COLUMNS + 1):
            raise MalformedLineError(line, f"{len(row)} columns, not time, type, id, size, price, direction")
        time, kind, order_id, size_text, price_text, direction = row[:_COLUMNS]
        time_us = int(number(time, line=line, name="time") * 1_000_000)
        if kind in _IGNORED:
            yield RecordedAction(line, time_us, ActionKind.IGNORED, note=_IGNORED[kind])
            continue
        if kind not in _KINDS:
            raise MalformedLineError(line, f"type is {kind!r}, not one of 1 to 7")
        size = whole(size_text, line=line, name="size")
        if direction not in _SIDES:
            raise MalformedLineError(line, f"direction is {direction!r}, not 1 or -1")
        if kind != _NEW and order_id not in open_sizes:
            yield RecordedAction(line, time_us, ActionKind.IGNORED, note="order from before the recording")
            continue
        action, quantity = _effect(kind, order_id, size, open_sizes, line)
        yield RecordedAction(
            line=line,
            time_us=time_us,
            kind=action,
            id=order_id,
            side=_SIDES[direction],
            price=whole(price_text, line=line, name="price") * _PRICE_UNIT,
            quantity=Decimal(quantity),
        )


def _effect(
    kind: str, order_id: str, size: int, open_sizes: dict[str, int], line: int
) -> tuple[ActionKind, int]:
    """The action, and its quantity as RecordedAction means it; keeps the open sizes."""
    if kind == _NEW:
        open_sizes[order_id] = size
        return ActionKind.NEW, size
    left = open_sizes[order_id] - size
    if kind == _DELETE:
        del open_sizes[order_id]
        return ActionKind.CANCEL, 0
    if left < 0:
        raise MalformedLineError(line, f"takes {size} from an order of which {left + size} is open")
    if left:
        open_sizes[order_id] = left
    else:
        del open_sizes[order_id]
    if kind == _EXECUTION:
        return ActionKind.TRADE, size
    return (ActionKind.CHANGE, left) if left else (ActionKind.CANCEL, 0)
