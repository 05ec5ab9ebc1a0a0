"""The one place where decimals become engine integers, where money is rounded, and where numbers become text.

Inside the engine a price is a number of ticks and a quantity a number of lots; in the database and
outside both are exact decimals. Nothing here is ever a float.
"""

from __future__ import annotations

import decimal
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal, Inexact
from functools import cache, lru_cache
from zlib import crc32

# Python computes decimals to 28 digits unless told otherwise; NUMERIC(38, 18) has 38 and sums have more.
# The default context is what every new thread copies; the current thread has its own already.
decimal.DefaultContext.prec = 80
decimal.getcontext().prec = 80

# Enough digits that no product of two NUMERIC(38, 18) values is ever rounded silently.
EXACT = Context(prec=100, traps=[Inexact])
# The same for rounding, which is meant to be inexact.
_ROUNDING = Context(prec=100)
I64_MAX = 2**63 - 1


def steps(value: Decimal, step: Decimal) -> int | None:
    """How many steps `value` is, or None when it is not a whole number of them."""
    count, rest = EXACT.divmod(value, step)
    return int(count) if not rest else None


def steps_below(value: Decimal, step: Decimal) -> int:
    """The greatest number of steps that is not above `value`."""
    return int(EXACT.divide_int(value, step))


def steps_above(value: Decimal, step: Decimal) -> int:
    """The smallest number of steps that is not below `value`."""
    count, rest = EXACT.divmod(value, step)
    return int(count) + bool(rest)


def times(count: int, step: Decimal) -> Decimal:
    """`count` steps as a decimal: ticks to a price, lots to a quantity."""
    return EXACT.multiply(Decimal(count), step)


def product(left: Decimal, right: Decimal) -> Decimal:
    """The exact product, such as price x quantity."""
    return EXACT.multiply(left, right)


@cache
def unit(decimals: int) -> Decimal:
    """The smallest step with so many digits after the point."""
    return Decimal(1).scaleb(-decimals)


def round_up(amount: Decimal, decimals: int) -> Decimal:
    """The smallest multiple of the asset's unit that is not below `amount`."""
    return amount.quantize(unit(decimals), rounding=ROUND_CEILING, context=_ROUNDING)


def round_down(amount: Decimal, decimals: int) -> Decimal:
    """The greatest multiple of the asset's unit that is not above `amount`."""
    return amount.quantize(unit(decimals), rounding=ROUND_FLOOR, context=_ROUNDING)


def round_half_even(amount: Decimal, decimals: int) -> Decimal:
    """The nearest multiple of the asset's unit; of two as near, the even one. Nothing is never negative."""
    rounded = amount.quantize(unit(decimals), rounding=ROUND_HALF_EVEN, context=_ROUNDING)
    return rounded or rounded.copy_abs()


def quotient(above: Decimal, below: Decimal, decimals: int) -> Decimal:
    """The fraction above / below, rounded half to even to so many digits after the point."""
    return round_half_even(_ROUNDING.divide(above, below), decimals)


@lru_cache(maxsize=1024)
def decimals_of(step: Decimal) -> int:
    """Digits after the point that a multiple of `step` needs."""
    exponent = step.normalize().as_tuple().exponent
    return max(0, -int(exponent))


def text(value: Decimal, decimals: int) -> str:
    """Fixed-point text with exactly `decimals` digits after the point: how numbers look outside."""
    return f"{value:.{decimals}f}"


def short_text(value: Decimal) -> str:
    """Fixed-point text without trailing zeros, for people and error contexts."""
    plain = f"{value:f}"
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def grouped(digits: str) -> str:
    """Fixed-point text with narrow no-break spaces between thousands of the whole part, for people."""
    whole, point, rest = digits.partition(".")
    sign, whole = ("-", whole[1:]) if whole.startswith("-") else ("", whole)
    thousands = f"{int(whole):,}".replace(",", "\u202f")
    return f"{sign}{thousands}{point}{rest}"


def book_checksum(asks: list[tuple[int, int]], bids: list[tuple[int, int]]) -> int:
    """CRC-32 of the ten best asks (low to high) then the ten best bids (high to low).

    Each level is (price, quantity) as integers in units of the last printed digit, which is the fixed-point
    text without its point and leading zeros: the shape of Kraken's WebSocket v2 book checksum.
    """
    parts = [f"{price}{quantity}" for side in (asks[:10], bids[:10]) for price, quantity in side]
    return crc32("".join(parts).encode())
