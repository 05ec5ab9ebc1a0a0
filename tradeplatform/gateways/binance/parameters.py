"""Parameters as this dialect sends them: text in the query or in a form, read one by one into exact values.

Every reader raises BinanceError with the code and text that clients know. Times are integers in milliseconds,
or in microseconds: no moment of this century looks like both.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar
from urllib.parse import parse_qsl

import orjson

from tradeplatform.gateways.binance import errors

_MOST_PARAMETERS = 100
_INTEGER = "^[0-9]{1,20}$"
_DECIMAL = "^([0-9]{1,20})(\\.[0-9]{1,20})?$"
_SYMBOL = "^[A-Z0-9-_.]{1,20}$"
_ZONE = "^[+-]?[0-9]{1,2}(:[0-9]{2})?$"
_ZONE_HOURS = (-12, 14)
CLIENT_ID = "^[.A-Z:/a-z0-9_-]{1,36}$"
_I64_MAX = 2**63 - 1
I32_MAX = 2**31 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: The first number that is read as microseconds: in milliseconds it would be a moment of the year 5138.
_MICROSECONDS_FROM = 10**14
_LATEST = 4 * 10**15

Word = TypeVar("Word", bound=StrEnum)
Value = TypeVar("Value")


def read_pairs(query: str, body: bytes) -> dict[str, str]:
    """The parameters of a request. What is in both counts as the query has it; within one, once only."""
    found: dict[str, str] = {}
    try:
        for text in (body.decode("ascii"), query):
            pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MOST_PARAMETERS)
            once = dict(pairs)
            if len(once) != len(pairs):
                raise errors.given_twice()
            found |= once
    except UnicodeError:
        raise errors.unreadable() from None
    except ValueError:
        raise errors.too_many_parameters() from None
    return found


class Parameters:
    """What was sent to one endpoint."""

    def __init__(self, sent: Mapping[str, str]) -> None:
        self._sent = sent

    def check_known(self, known: Collection[str]) -> None:
        """Refuse what the endpoint does not know. Raises -1104."""
        unknown = [name for name in self._sent if name not in known]
        if unknown:
            raise errors.not_all_read(read=len(self._sent) - len(unknown), sent=len(self._sent))

    def has(self, name: str) -> bool:
        """Whether it was sent at all."""
        return name in self._sent

    def text(self, name: str) -> str | None:
        """As it came; None if it did not. Raises -1105 where it is there and empty."""
        value = self._sent.get(name)
        if value == "":
            raise errors.empty(name)
        return value

    def matching(self, name: str, legal: str) -> str | None:
        """Text that a pattern describes whole. Raises -1100."""
        value = self.text(name)
        if value is not None and not re.fullmatch(legal, value, re.ASCII):
            raise errors.illegal_characters(name, legal)
        return value

    def symbol(self, name: str = "symbol") -> str:
        """One instrument's name. Raises -1102, -1100."""
        return must(self.matching(name, _SYMBOL), name)

    def symbols(self) -> list[str] | None:
        """The instruments asked for by `symbol`, or by `symbols` as a JSON list; None for all."""
        listed = self.text("symbols")
        if listed is None:
            one = self.matching("symbol", _SYMBOL)
            return None if one is None else [one]
        if self.has("symbol"):
            raise errors.bad_combination()
        try:
            names = orjson.loads(listed)
        except ValueError:
            raise errors.bad_json("symbols") from None
        if not isinstance(names, list) or not names:
            raise errors.bad_json("symbols")
        for name in names:
            if not isinstance(name, str) or not re.fullmatch(_SYMBOL, name, re.ASCII):
                raise errors.illegal_characters("symbols", _SYMBOL)
        if len(set(names)) != len(names):
            raise errors.repeated_symbol()
        return names

    def client_id(self, name: str) -> str | None:
        """A name that a client gives. Raises -1100."""
        return self.matching(name, CLIENT_ID)

    def integer(self, name: str, *, most: int = _I64_MAX) -> int | None:
        """A whole number that is not negative; beyond `most` it overflows. Raises -1100, -1108."""
        value = self.matching(name, _INTEGER)
        if value is None:
            return None
        number = int(value)
        if number > most:
            raise errors.overflow(name)
        return number

    def limit(self, *, default: int, most: int) -> int:
        """How many rows are wanted: never more than `most`. Raises -1130 for none."""
        value = self.integer("limit")
        if value == 0:
            raise errors.invalid("limit")
        return default if value is None else min(value, most)

    def decimal(self, name: str, *, digits: int | None = None) -> Decimal | None:
        """A number above zero with at most so many `digits` after the point. Raises -1100, -1102, -1111."""
        value = self.matching(name, _DECIMAL)
        if value is None:
            return None
        number = Decimal(value)
        if not number:
            raise errors.mandatory(name)
        if digits is not None and -int(number.normalize().as_tuple().exponent) > digits:
            raise errors.too_precise(name)
        return number

    def flag(self, name: str) -> bool:
        """`true` or `false`; false if it was not sent. Raises -1130."""
        value = self.text(name)
        if value is None:
            return False
        lower = value.lower()
        if lower not in {"true", "false"}:
            raise errors.invalid(name)
        return lower == "true"

    def word(self, name: str, words: type[Word], otherwise: errors.BinanceError) -> Word | None:
        """One of some words; another raises `otherwise`."""
        value = self.text(name)
        if value is None:
            return None
        try:
            return words(value)
        except ValueError:
            raise otherwise from None

    def moment(self, name: str) -> datetime | None:
        """A time. Raises -1100, -1130."""
        microseconds = self.microseconds(name)
        return None if microseconds is None else _EPOCH + timedelta(microseconds=microseconds)

    def microseconds(self, name: str) -> int | None:
        """A time as it was meant, in microseconds since 1970. Raises -1100, -1130."""
        number = self.integer(name)
        if number is None:
            return None
        number = number if number >= _MICROSECONDS_FROM else number * 1_000
        if number >= _LATEST:
            raise errors.invalid(name)
        return number

    def time_zone(self, name: str) -> timedelta:
        """How far a clock is ahead of UTC: -12 to 14 whole hours; 0 if not sent. Raises -1100, -1130."""
        value = self.matching(name, _ZONE)
        if value is None:
            return timedelta()
        hours, _colon, minutes = value.partition(":")
        if not _ZONE_HOURS[0] <= int(hours) <= _ZONE_HOURS[1] or int(minutes or 0):
            raise errors.invalid(name)
        return timedelta(hours=int(hours))


def must(value: Value | None, name: str) -> Value:
    """What was read, which must be there. Raises -1102."""
    if value is None:
        raise errors.mandatory(name)
    return value


def window(
    parameters: Parameters, *, longest: timedelta | None = None
) -> tuple[datetime | None, datetime | None]:
    """(startTime, endTime), both inclusive; not longer than `longest`. Raises -1127, -1128."""
    start, end = parameters.moment("startTime"), parameters.moment("endTime")
    if start is not None and end is not None:
        if end < start:
            raise errors.bad_combination()
        if longest is not None and end - start > longest:
            raise errors.too_long_a_window(int(longest / timedelta(hours=1)))
    return start, end
