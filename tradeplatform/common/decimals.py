"""How a number is written at every door, by clients and by operators: digits and a point, nothing clever."""

from __future__ import annotations

import re
from decimal import Decimal

#: As a JSON schema says it: below 10^18, which no price, quantity or amount may reach, in units of 10^-18.
PATTERN = r"^-?[0-9]{1,18}(\.[0-9]{1,18})?$"
SENTENCE = "Write a decimal number: up to 18 digits, a point, up to 18 digits; no exponent."

_FIXED_POINT = re.compile(PATTERN[1:-1], re.ASCII)


def read_decimal(text: str) -> Decimal | None:
    """The number that is written, exactly; None for what Python would read and a person would not mean.

    `1e5`, `5_0`, `+5`, digits of other alphabets and blanks are not how numbers are written here.
    """
    return Decimal(text) if _FIXED_POINT.fullmatch(text) else None
