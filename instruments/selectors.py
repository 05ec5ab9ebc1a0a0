"""Reading instruments: the plain values that intake, drain and feeds compute with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import time
from decimal import Decimal
from typing import Any

from django.db import DEFAULT_DB_ALIAS
from django.db.models import QuerySet

from instruments.models import Instrument, InstrumentStatus
from instruments.scaling import decimals_of, times
from tradeplatform.common.db import fetch
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.statements import Statement, known
from tradeplatform.common.together import Together


@dataclass(frozen=True, slots=True)
class Rules:
    """One instrument's steps, limits, fees and status, as plain values. A limit of 0 means none."""

    id: int
    symbol: str
    status: InstrumentStatus
    base_id: int
    base_code: str
    base_decimals: int
    quote_id: int
    quote_code: str
    quote_decimals: int
    tick_size: Decimal
    lot_size: Decimal
    min_price: Decimal
    max_price: Decimal
    min_quantity: Decimal
    max_quantity: Decimal
    min_notional: Decimal
    max_notional: Decimal
    price_band: Decimal
    reference_price: Decimal
    max_open_orders: int
    maker_fee: Decimal
    taker_fee: Decimal
    auction_seconds: int
    day_ends_at: time
    realm: str

    @property
    def price_decimals(self) -> int:
        """Digits after the point of a printed price."""
        return decimals_of(self.tick_size)

    @property
    def quantity_decimals(self) -> int:
        """Digits after the point of a printed quantity."""
        return decimals_of(self.lot_size)

    def price(self, ticks: int) -> Decimal:
        """Ticks as a price."""
        return times(ticks, self.tick_size)

    def quantity(self, lots: int) -> Decimal:
        """Lots as a quantity."""
        return times(lots, self.lot_size)


# One statement, not a queryset: every order and every drain asks, and building it would cost more than
# running it does.
_SELECT = (
    "SELECT i.id, i.symbol, i.status, b.id, b.code, b.decimals, q.id, q.code, q.decimals,"
    " i.tick_size, i.lot_size, i.min_price, i.max_price, i.min_quantity, i.max_quantity,"
    " i.min_notional, i.max_notional, i.price_band, i.reference_price, i.max_open_orders,"
    " i.maker_fee, i.taker_fee, i.auction_seconds, i.day_ends_at, i.realm FROM instruments_instrument i"
    " JOIN instruments_asset b ON b.id = i.base_id JOIN instruments_asset q ON q.id = i.quote_id"
)


def _rules(condition: str, params: Sequence[Any] = (), *, using: str = DEFAULT_DB_ALIAS) -> list[Rules]:
    return [_of(row) for row in fetch(f"{_SELECT} {condition}", params, using=using, prepared=True)]


def _of(row: tuple[Any, ...]) -> Rules:
    number, symbol, status, *rest = row
    return Rules(number, symbol, InstrumentStatus(status), *rest)


def rules_by_symbol(symbols: Iterable[str]) -> dict[str, Rules]:
    """The rules in force now of the named instruments; unknown symbols are simply absent."""
    return rules_named(symbols).run()


def rules_named(symbols: Iterable[str]) -> Statement[dict[str, Rules]]:
    """As `rules_by_symbol`, for whoever asks for more with it."""
    wanted = printable(symbols)
    sql = f"{_SELECT} WHERE i.symbol = ANY(%s)"
    return Statement(sql, [wanted], lambda rows: {row[1]: _of(row) for row in rows}) if wanted else known({})


def printable(symbols: Iterable[str]) -> list[str]:
    """Those that can be symbols: NUL and lone surrogates cannot even be asked for."""
    return [symbol for symbol in set(symbols) if symbol.isprintable()]


def rules_by_id(ids: Iterable[int], *, using: str = DEFAULT_DB_ALIAS) -> dict[int, Rules]:
    """The rules in force now of instruments by id."""
    return {rules.id: rules for rules in _rules("WHERE i.id = ANY(%s)", [list(set(ids))], using=using)}


def rules_at(ids: Iterable[int]) -> Statement[dict[int, Rules]]:
    """As `rules_by_id`, for whoever asks for more with it."""
    wanted = list(set(ids))
    sql = f"{_SELECT} WHERE i.id = ANY(%s)"
    return Statement(sql, [wanted], lambda rows: {row[0]: _of(row) for row in rows}) if wanted else known({})


def _each_rules(ids: Sequence[int]) -> list[Rules]:
    found = rules_by_id(ids)
    return [found[number] for number in ids]


#: The rules in force now of one instrument, by its id.
rules_of = Together(_each_rules)


def require_rules(symbol: str) -> Rules:
    """The rules of one instrument. Raises unknown_symbol."""
    rules = rules_by_symbol([symbol]).get(symbol)
    if rules is None:
        raise unknown_symbol(symbol)
    return rules


def listed_instruments() -> QuerySet[Instrument]:
    """Every instrument with its assets, by symbol; the delisted ones are kept for their history."""
    return Instrument.objects.select_related("base", "quote").order_by("symbol")


def find_instrument(symbol: str) -> Instrument:
    """One instrument with its assets. Raises unknown_symbol."""
    found = listed_instruments().filter(symbol=symbol).first() if "\0" not in symbol else None
    if found is None:
        raise unknown_symbol(symbol)
    return found


def unknown_symbol(symbol: str) -> Refusal:
    """The refusal of a name that no instrument has."""
    return Refusal(Code.UNKNOWN_SYMBOL, "No such instrument: see /api/v1/instruments.", symbol=symbol[:32])


def require_each(symbols: Iterable[str]) -> list[Rules]:
    """The rules of several instruments, in the order given. Raises unknown_symbol."""
    wanted = list(dict.fromkeys(symbols))
    found = rules_by_symbol(wanted)
    for symbol in wanted:
        if symbol not in found:
            raise unknown_symbol(symbol)
    return [found[symbol] for symbol in wanted]


def all_rules() -> list[Rules]:
    """The rules of every instrument, by symbol."""
    return _rules("ORDER BY i.symbol")
