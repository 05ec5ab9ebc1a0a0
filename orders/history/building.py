"""The position of one account in one instrument, built from its executions in the order of time.

Pure: no database, no clock. A position is a signed quantity and what the open part of it cost. Its average
price is cost / quantity, which no decimal may hold, so cost is what is kept: a close takes the share of the
cost that belongs to what it closes, rounded half to even at 18 digits, and the last close takes the rest.
So `cost - realised` is the sum of quantity x price of all executions, exactly, however often it was rounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from instruments.scaling import EXACT

_ZERO = Decimal(0)
_DIGITS = 18  # after the point, as NUMERIC(38, 18) has them


class NotSortedError(ValueError):
    """An execution that is older than the one before it."""


class InstrumentMismatchError(ValueError):
    """An execution of another instrument."""


@dataclass(frozen=True, slots=True)
class Execution:
    """What changed a position: `quantity` of the base asset (negative: sold) at `price`.

    `at` is when it counts; `true_at` differs from it only where a frozen period made it a correction.
    `origin` and `id` name it: executions of the same microsecond are ordered by them.
    """

    at: datetime
    origin: int
    id: int
    account_id: int
    instrument_id: int
    quantity: Decimal
    price: Decimal
    fee: Decimal = _ZERO
    true_at: datetime | None = None

    @property
    def place(self) -> tuple[datetime, int, int]:
        """Where it stands in the order of executions."""
        return self.at, self.origin, self.id


@dataclass(frozen=True, slots=True)
class Standing:
    """A position: base held; in quote what the open part cost, what closing earned before fees, and fees."""

    quantity: Decimal = _ZERO
    cost: Decimal = _ZERO
    realised: Decimal = _ZERO
    fees: Decimal = _ZERO

    @property
    def average_price(self) -> Decimal | None:
        """Cost / quantity, rounded half to even at 18 digits; nothing is open: None."""
        return _share(self.cost, Decimal(1), self.quantity) if self.quantity else None

    def after(self, execution: Execution) -> Standing:
        """The position once this execution is part of it."""
        change, price = execution.quantity, execution.price
        fees = EXACT.add(self.fees, execution.fee)
        if self.quantity * change >= 0:
            cost = EXACT.add(self.cost, EXACT.multiply(change, price))
            return Standing(EXACT.add(self.quantity, change), cost, self.realised, fees)
        rest = EXACT.add(self.quantity, change)
        if rest * change > 0:  # through zero: all of it closes, the rest opens on the other side
            released, closed, cost = self.cost, self.quantity, EXACT.multiply(rest, price)
        else:
            closed = change.copy_negate()
            released = _share(self.cost, closed, self.quantity) if rest else self.cost
            cost = EXACT.subtract(self.cost, released)
        earned = EXACT.subtract(EXACT.multiply(closed, price), released)
        return Standing(rest, cost, EXACT.add(self.realised, earned), fees)


FLAT = Standing()


class PositionBuilder:
    """Takes executions of one account in one instrument, oldest first."""

    def __init__(self, instrument_id: int, standing: Standing = FLAT) -> None:
        """Start from a position, or from none."""
        self.instrument_id = instrument_id
        self.standing = standing
        self._last: datetime | None = None

    def add(self, execution: Execution) -> Standing:
        """The position after it. Equal times are in order.

        Raises NotSortedError, InstrumentMismatchError; the position is then as it was.
        """
        if execution.instrument_id != self.instrument_id:
            raise InstrumentMismatchError(
                f"an execution of instrument {execution.instrument_id} among those of {self.instrument_id}"
            )
        if self._last is not None and execution.at < self._last:
            raise NotSortedError(f"{execution.at.isoformat()} comes after {self._last.isoformat()}")
        self._last = execution.at
        self.standing = self.standing.after(execution)
        return self.standing


def build(
    instrument_id: int, executions: Iterable[Execution], standing: Standing = FLAT
) -> Iterator[tuple[Execution, Standing]]:
    """Each execution with the position after it."""
    builder = PositionBuilder(instrument_id, standing)
    for execution in executions:
        yield execution, builder.add(execution)


def _share(cost: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    """Cost x part / whole, rounded once: half to even at 18 digits."""
    numerator, denominator = _whole(cost) * _whole(part), _whole(whole)
    if denominator < 0:
        numerator, denominator = -numerator, -denominator
    quotient, rest = divmod(numerator, denominator)
    if 2 * rest > denominator or (2 * rest == denominator and quotient % 2):
        quotient += 1
    return Decimal(quotient).scaleb(-_DIGITS, context=EXACT)


def _whole(value: Decimal) -> int:
    """In units of 10^-18; a value that is finer has no place here."""
    return int(EXACT.multiply(value, Decimal(10**_DIGITS)).to_integral_exact(context=EXACT))
