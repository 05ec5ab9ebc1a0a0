"""What a recording says, in one shape for all formats. Readers turn rows into these and decide nothing."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum

from orders.models import Side


class ActionKind(StrEnum):
    """What happened to an order of the recording."""

    NEW = "new"
    CHANGE = "change"
    CANCEL = "cancel"
    TRADE = "trade"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class RecordedAction:
    """One row of a recording.

    NEW: an order of `quantity` appears. CHANGE: it stands at `price` with `quantity` still open.
    CANCEL: it is gone; a `note` of "filled" says that a fill took it. TRADE: a taker who is not in the
    recording took `quantity` from it at `price`. IGNORED: nothing to replay; `note` says what it was.
    `time_us` counts microseconds from any origin.
    """

    line: int
    time_us: int
    kind: ActionKind
    id: str = ""
    side: Side = Side.BUY
    price: Decimal = Decimal(0)
    quantity: Decimal = Decimal(0)
    note: str = ""


class MalformedLineError(ValueError):
    """A row that is not what its format says, with the number of its line."""

    def __init__(self, line: int, message: str) -> None:
        """`message` is a sentence about the row."""
        super().__init__(f"line {line}: {message}")
        self.line = line


def number(text: str, *, line: int, name: str) -> Decimal:
    """A finite decimal number that is not negative. Raises MalformedLineError."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or value < 0:
        raise MalformedLineError(line, f"{name} is {text!r}, not a number from zero up")
    return value


def whole(text: str, *, line: int, name: str) -> int:
    """A whole number that is not negative. Raises MalformedLineError."""
    if not (text.isascii() and text.isdigit()):
        raise MalformedLineError(line, f"{name} is {text!r}, not a whole number from zero up")
    return int(text)
