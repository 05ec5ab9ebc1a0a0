"""How numbers and moments look in this dialect: decimal strings with at least eight digits, integer times."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from accounts.models import LedgerAccount
from instruments.scaling import text
from instruments.selectors import Rules
from orders.services.journal import microseconds
from tradeplatform.gateways.binance import errors

#: What every client of this dialect is used to; more where an asset has more.
DIGITS = 8
ZERO = text(Decimal(0), DIGITS)


def padding(decimals: int) -> str:
    """What a number printed with so many decimals lacks to have eight."""
    return ("" if decimals else ".") + "0" * (DIGITS - decimals) if decimals < DIGITS else ""


def price(value: Decimal | None, rules: Rules) -> str:
    """A price; zero where there is none."""
    return ZERO if value is None else text(value, max(DIGITS, rules.price_decimals))


def quantity(value: Decimal | None, rules: Rules) -> str:
    """An amount of the base asset; zero where there is none."""
    return ZERO if value is None else text(value, max(DIGITS, rules.quantity_decimals))


def quote(value: Decimal | None, rules: Rules) -> str:
    """An amount of the quote asset; zero where there is none."""
    return ZERO if value is None else text(value, max(DIGITS, rules.quote_decimals))


def rate(value: Decimal) -> str:
    """A share, such as a fee."""
    return text(value, DIGITS)


def amount(value: Decimal, decimals: int) -> str:
    """An amount of an asset with so many decimals."""
    return text(value, max(DIGITS, decimals))


def balance(row: LedgerAccount) -> dict[str, str]:
    """What is owned of an asset; what is promised to orders, requests and open positions counts as locked."""
    free = max(Decimal(0), row.available)
    return {
        "asset": row.asset.code,
        "free": amount(free, row.asset.decimals),
        "locked": amount(row.balance - free, row.asset.decimals),
    }


class Clock:
    """Moments in the unit that the caller wants: milliseconds, or microseconds."""

    __slots__ = ("_per_unit",)
    MILLISECOND, MICROSECOND = "MILLISECOND", "MICROSECOND"

    @classmethod
    def named(cls, unit: str) -> Clock:
        """The clock of a unit's name. Raises -1194."""
        if unit.upper() not in {cls.MILLISECOND, cls.MICROSECOND}:
            raise errors.bad_time_unit()
        return cls(in_microseconds=unit.upper() == cls.MICROSECOND)

    def __init__(self, *, in_microseconds: bool) -> None:
        self._per_unit = 1 if in_microseconds else 1_000

    @property
    def unit(self) -> str:
        """What the numbers count."""
        return "us" if self._per_unit == 1 else "ms"

    def time(self, moment: datetime) -> int:
        """A moment as a number."""
        return microseconds(moment) // self._per_unit

    def of(self, count: int) -> int:
        """A moment in microseconds as a number."""
        return count // self._per_unit
