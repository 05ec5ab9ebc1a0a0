"""Reading instruments: the plain values that intake, drain and feeds compute with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import QuerySet

from instruments.models import Instrument, InstrumentStatus
from instruments.scaling import decimals_of, times
from tradeplatform.common.errors import Code, Refusal


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


def _rules(instruments: Iterable[Instrument]) -> list[Rules]:
    return [
        Rules(
            id=i.id,
            symbol=i.symbol,
            status=InstrumentStatus(i.status),
            base_id=i.base_id,
            base_code=i.base.code,
            base_decimals=i.base.decimals,
            quote_id=i.quote_id,
            quote_code=i.quote.code,
            quote_decimals=i.quote.decimals,
            tick_size=i.tick_size,
            lot_size=i.lot_size,
            min_price=i.min_price,
            max_price=i.max_price,
            min_quantity=i.min_quantity,
            max_quantity=i.max_quantity,
            min_notional=i.min_notional,
            max_notional=i.max_notional,
            price_band=i.price_band,
            reference_price=i.reference_price,
            max_open_orders=i.max_open_orders,
            maker_fee=i.maker_fee,
            taker_fee=i.taker_fee,
        )
        for i in instruments
    ]


def rules_by_symbol(symbols: Iterable[str]) -> dict[str, Rules]:
    """The rules in force now of the named instruments; unknown symbols are simply absent."""
    # What cannot be printed cannot be a symbol, and some of it (NUL, lone surrogates) cannot be asked for.
    wanted = [symbol for symbol in set(symbols) if symbol.isprintable()]
    found = Instrument.objects.filter(symbol__in=wanted).select_related("base", "quote")
    return {rules.symbol: rules for rules in _rules(found)}


def rules_by_id(ids: Iterable[int], *, using: str = "default") -> dict[int, Rules]:
    """The rules in force now of instruments by id."""
    found = Instrument.objects.using(using).filter(id__in=set(ids)).select_related("base", "quote")
    return {rules.id: rules for rules in _rules(found)}


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
    return _rules(listed_instruments())
