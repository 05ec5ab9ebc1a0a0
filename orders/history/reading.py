"""Trades as others tell them: fields of a stream or cells of a file, read strictly, refused by name."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from instruments.scaling import EXACT, decimals_of, short_text
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.times import parse_rfc3339, rfc3339

REQUIRED = ("account", "instrument", "at", "quantity", "price", "source", "external_id")
OPTIONAL = ("fee",)

_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,18})?", re.ASCII)
_WORDS = {
    "account": re.compile(r"[A-Za-z0-9._:/-]{1,32}", re.ASCII),
    "instrument": re.compile(r"[A-Za-z0-9._:/-]{1,20}", re.ASCII),
    "source": re.compile(r"[A-Za-z0-9._:/-]{1,32}", re.ASCII),
    "external_id": re.compile(r"[A-Za-z0-9._:/#-]{1,64}", re.ASCII),
}
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
# No sum of a million such trades leaves the tables.
_MOST = Decimal(10) ** 18


@dataclass(frozen=True, slots=True)
class ToldTrade:
    """A trade as told: `account` is its number, `instrument` its symbol."""

    account: str
    instrument: str
    at: datetime
    quantity: Decimal
    price: Decimal
    fee: Decimal | None
    source: str
    external_id: str

    @property
    def name(self) -> tuple[str, str]:
        """What it is known by."""
        return self.source, self.external_id

    @property
    def fingerprint(self) -> str:
        """Of all it says, however it was written."""
        fee = "" if self.fee is None else short_text(self.fee)
        numbers = (short_text(self.quantity), short_text(self.price), fee)
        said = "|".join([self.account, self.instrument, rfc3339(self.at), *numbers])
        return hashlib.sha256(said.encode()).hexdigest()


def read_trade(fields: Mapping[str, str], *, now: datetime) -> ToldTrade:
    """The trade that these fields tell.

    Raises Refusal: wrong_columns, formula_cell, invalid_field, invalid_number; `field` says which.
    """
    check_columns(fields)
    words = {name: _word(name, fields[name]) for name in _WORDS}
    quantity = _number("quantity", fields["quantity"])
    price = _number("price", fields["price"])
    if not quantity:
        raise _wrong("quantity", "must not be zero", Code.INVALID_NUMBER)
    if price <= 0:
        raise _wrong("price", "must be greater than zero", Code.INVALID_NUMBER)
    _check_notional(quantity, price)
    fee = fields.get("fee", "")
    return ToldTrade(
        at=_moment(fields["at"], now),
        quantity=quantity,
        price=price,
        fee=_number("fee", fee) if fee else None,
        **words,
    )


def check_columns(names: Mapping[str, object] | list[str]) -> None:
    """Refuse unless all required names are there, and none that we do not know."""
    missing = [name for name in REQUIRED if name not in names]
    unknown = [name for name in names if name not in REQUIRED + OPTIONAL]
    if missing or unknown:
        said = [f"missing: {', '.join(missing)}"] if missing else []
        said += [f"unknown: {', '.join(ascii(name[:32])[1:-1] for name in unknown[:10])}"] if unknown else []
        raise Refusal(
            Code.WRONG_COLUMNS, f"Wrong columns; {'; '.join(said)}.", missing=missing, unknown=unknown[:10]
        )


def _word(name: str, value: str) -> str:
    if value.startswith(_FORMULA):
        raise Refusal(Code.FORMULA_CELL, f"{name}: a spreadsheet would compute this cell.", field=name)
    if not _WORDS[name].fullmatch(value):
        raise _wrong(name, "is empty, too long or holds characters that no name has")
    return value


def _number(name: str, value: str) -> Decimal:
    if not _NUMBER.fullmatch(value):
        if value.startswith(_FORMULA):
            raise Refusal(Code.FORMULA_CELL, f"{name}: a spreadsheet would compute this cell.", field=name)
        raise _wrong(name, "is not a decimal of up to 15 digits, a point and 18 digits", Code.INVALID_NUMBER)
    return Decimal(value)


def _check_notional(quantity: Decimal, price: Decimal) -> None:
    """Refuse a product that the tables cannot hold exactly."""
    notional = EXACT.multiply(quantity, price)
    if decimals_of(notional) > 18 or abs(notional) >= _MOST:  # noqa: PLR2004 - NUMERIC(38, 18)
        raise _wrong("price", "x quantity must be below 10^18 and have 18 digits", Code.INVALID_NUMBER)


def _moment(value: str, now: datetime) -> datetime:
    try:
        at = parse_rfc3339(value)
    except ValueError as error:
        raise _wrong("at", str(error)) from None
    if at > now:
        raise _wrong("at", f"lies in the future: it is {rfc3339(now)}")
    return at


def _wrong(name: str, sentence: str, code: Code = Code.INVALID_FIELD) -> Refusal:
    return Refusal(code, f"{name} {sentence.rstrip('.')}.", field=name)
