"""What open positions are worth and need, in the account's currency: rows in, plain values out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from accounts.models import Direction, MarginMethod, Position
from instruments.models import Asset
from instruments.scaling import product, quotient
from instruments.services.converting import Purpose, Rates
from liquidity.services.terms import Terms
from risk.services.margin import Exposure, initial_margin, maintenance_margin
from tradeplatform.common.errors import Code, Refusal

_ZERO = Decimal(0)
_PRICE_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Worth:
    """One position now: the price it could be closed at, and what that would gain or lose."""

    position: Position
    price: Decimal
    profit: Decimal
    unrealised: Decimal


@dataclass(frozen=True, slots=True)
class Valuation:
    """All open positions of an account. `rated_at` is the time of the oldest quote that was used."""

    worths: tuple[Worth, ...]
    margin: Decimal
    maintenance: Decimal
    rated_at: datetime | None

    @property
    def unrealised(self) -> Decimal:
        """The sum over all positions."""
        return sum((worth.unrealised for worth in self.worths), _ZERO)


def average_price(position: Position) -> Decimal | None:
    """What a contract cost on average, to 18 digits; None where nothing is held."""
    return quotient(position.cost, position.volume, _PRICE_DIGITS) if position.volume else None


def value(
    positions: Iterable[Position],
    terms: Mapping[int, Terms],
    rates: Rates,
    *,
    currency: Asset,
    method: MarginMethod,
) -> Valuation:
    """Value open positions at the prices they could be closed at. Raises Refusal: no_price, no_rate."""
    held = list(positions)
    worths = tuple(worth_of(position, terms[position.instrument_id], rates, currency) for position in held)
    margin = initial_margin(method, exposures(held, terms, rates, currency), decimals=currency.decimals)
    return Valuation(
        worths=worths,
        margin=margin,
        maintenance=maintenance_margin(margin, decimals=currency.decimals),
        rated_at=min((quoted for quoted in _times(held, terms, rates, currency)), default=None),
    )


def exposures(
    positions: Iterable[Position], terms: Mapping[int, Terms], rates: Rates, currency: Asset
) -> list[Exposure]:
    """What the positions hold of each instrument, at their average open prices."""
    sides: dict[int, dict[str, Decimal]] = {}
    for position in positions:
        held = sides.setdefault(position.instrument_id, {Direction.LONG: _ZERO, Direction.SHORT: _ZERO})
        held[position.direction] += product(position.cost, position.contract_size)
    found = []
    for number, held in sides.items():
        its = terms[number]
        rate = rates.rate(its.quote_code, currency.code, purpose=Purpose.VALUATION).value
        found.append(
            Exposure(
                quote=its.quote_code,
                long=product(held[Direction.LONG], rate),
                short=product(held[Direction.SHORT], rate),
                rate=its.margin_rate(held[Direction.LONG] + held[Direction.SHORT]),
                volatility=its.instrument.daily_volatility,
            )
        )
    return found


def gain(position: Position, *, proceeds: Decimal, cost: Decimal) -> Decimal:
    """What closing for `proceeds` (volume x price) gains in the quote asset over its `cost`."""
    change: Decimal = proceeds - cost if position.direction == Direction.LONG else cost - proceeds
    return product(change, position.contract_size)


def worth_of(position: Position, terms: Terms, rates: Rates, currency: Asset) -> Worth:
    """One open position at what it could be closed at by the last quote. Raises no_price, no_rate."""
    price = terms.value_price(Direction(position.direction))
    if price is None:
        raise Refusal(Code.NO_PRICE, f"{terms.symbol} was never quoted.", symbol=terms.symbol)
    profit = gain(position, proceeds=product(position.volume, price), cost=position.cost)
    converted = rates.convert(profit, terms.quote_code, currency.code, purpose=Purpose.VALUATION)
    return Worth(position, price, profit, converted.amount)


def _times(
    positions: Iterable[Position], terms: Mapping[int, Terms], rates: Rates, currency: Asset
) -> Iterable[datetime]:
    for number in {position.instrument_id for position in positions}:
        its = terms[number]
        if its.quote is not None:
            yield its.quote.at
        rated = rates.rate(its.quote_code, currency.code, purpose=Purpose.VALUATION).at
        if rated is not None:
            yield rated
