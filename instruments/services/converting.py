"""Convert amounts between assets at the platform's own quotes; docs/money.md, "Prices and conversion".

`Rates` is a snapshot of all quotes, read in two statements, that converts any number of amounts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from instruments.models import Asset
from instruments.scaling import product, quotient, round_half_even
from tradeplatform.common.db import fetch
from tradeplatform.common.errors import Code, Refusal

#: Digits after the point of a rate. An amount times a rate is rounded once more, to the asset's unit.
RATE_DECIMALS = 24
#: Through which assets two are converted that no instrument joins, in this order.
BRIDGES = ("USD", "EUR")


class Purpose(StrEnum):
    """What a rate is for: how old a quote may be, and which of its prices counts."""

    #: Money moves: sold at bid, bought at ask.
    DEALING = "dealing"
    #: A limit is checked; at mid. Old enough for a weekend without quotes.
    LIMIT = "limit"
    #: Something is worth this much, by rates of the date that is stated with it; at mid.
    VALUATION = "valuation"


MAX_AGE = {
    Purpose.DEALING: timedelta(minutes=1),
    Purpose.LIMIT: timedelta(days=4),
    Purpose.VALUATION: timedelta(days=31),
}


@dataclass(frozen=True, slots=True)
class Pair:
    """The quote of one instrument, as plain values."""

    base: str
    quote: str
    bid: Decimal
    ask: Decimal
    at: datetime


@dataclass(frozen=True, slots=True)
class Rate:
    """Units of the target asset for one of the source; `at` is the time of the oldest quote in it.

    `at` is None where nothing was converted; `through` is the asset between the two, if there is one.
    """

    value: Decimal
    at: datetime | None = None
    through: str = ""


@dataclass(frozen=True, slots=True)
class Converted:
    """An amount of the target asset, a multiple of its smallest unit, and the rate it was made with."""

    amount: Decimal
    rate: Rate


_ONE = Rate(Decimal(1))


class Rates:
    """All quotes as of one moment. Pure: two with the same quotes give the same answers."""

    def __init__(self, moment: datetime, pairs: Iterable[Pair], decimals: Mapping[str, int]) -> None:
        self.moment = moment
        self._decimals = decimals
        self._pairs: dict[tuple[str, str], Pair] = {}
        for pair in pairs:
            known = self._pairs.get((pair.base, pair.quote))
            # Several instruments may join the same two assets: the one that was quoted last.
            if known is None or pair.at > known.at:
                self._pairs[pair.base, pair.quote] = pair

    def convert(self, amount: Decimal, source: str, target: str, *, purpose: Purpose) -> Converted:
        """`amount` of `source` in `target`, rounded half to even. An amount below zero is bought, not sold.

        Raises Refusal no_rate.
        """
        rate = self.rate(source, target, purpose=purpose, buy=amount < 0)
        return Converted(round_half_even(product(amount, rate.value), self._decimals[target]), rate)

    def rate(self, source: str, target: str, *, purpose: Purpose, buy: bool = False) -> Rate:
        """The rate at which `source` is sold for `target`, or bought with it. Raises Refusal no_rate."""
        for code in (source, target):
            if code not in self._decimals:
                raise Refusal(Code.UNKNOWN_ASSET, "No such asset.", asset=code[:16])
        if source == target:
            return _ONE
        oldest = self.moment - MAX_AGE[purpose]
        direct = self._leg(source, target, purpose, oldest, buy=buy)
        if direct is not None:
            return Rate(_rounded(direct.above, direct.below), direct.at)
        for bridge in BRIDGES:
            if bridge in {source, target}:
                continue
            first = self._leg(source, bridge, purpose, oldest, buy=buy)
            second = self._leg(bridge, target, purpose, oldest, buy=buy)
            if first and second:
                value = _rounded(product(first.above, second.above), product(first.below, second.below))
                return Rate(value, min(first.at, second.at), bridge)
        raise Refusal(
            Code.NO_RATE,
            f"There is no quote young enough to convert {source} into {target}.",
            source=source,
            target=target,
            purpose=purpose.value,
        )

    def _leg(self, source: str, target: str, purpose: Purpose, oldest: datetime, *, buy: bool) -> _Leg | None:
        """The exact fraction of one conversion: by the instrument of the two, whichever is its base."""
        pair = self._pairs.get((source, target))
        if pair is not None and pair.at >= oldest:
            return _Leg(*_price(pair, purpose, ask=buy), pair.at)
        pair = self._pairs.get((target, source))
        if pair is not None and pair.at >= oldest:
            # Who sells `source` buys the instrument's base, at ask.
            below, above = _price(pair, purpose, ask=not buy)
            return _Leg(above, below, pair.at)
        return None


@dataclass(frozen=True, slots=True)
class _Leg:
    above: Decimal
    below: Decimal
    at: datetime


def _price(pair: Pair, purpose: Purpose, *, ask: bool) -> tuple[Decimal, Decimal]:
    if purpose == Purpose.DEALING:
        return (pair.ask if ask else pair.bid), Decimal(1)
    return pair.bid + pair.ask, Decimal(2)


def _rounded(above: Decimal, below: Decimal) -> Decimal:
    return quotient(above, below, RATE_DECIMALS)


_PAIRS = """
    SELECT base.code, quote.code, price.bid, price.ask, price.at FROM instruments_instrument i
    JOIN instruments_asset base ON base.id = i.base_id
    JOIN instruments_asset quote ON quote.id = i.quote_id {prices}
    WHERE i.realm = 'live' ORDER BY i.id"""
_LATEST = _PAIRS.format(prices="JOIN instruments_quote price ON price.instrument_id = i.id")
_DATED = _PAIRS.format(
    prices="""CROSS JOIN LATERAL (
        SELECT bid, ask, at FROM instruments_datedquote
        WHERE instrument_id = i.id AND at <= %(at)s AND at >= %(oldest)s ORDER BY at DESC LIMIT 1) price"""
)


def load_rates(*, now: datetime, at: datetime | None = None) -> Rates:
    """The newest quotes as of `now`, or those that were the newest at the moment `at`.

    Of live instruments alone: what is done with play money moves no rate, not even of demo accounts.
    """
    decimals = dict(Asset.objects.values_list("code", "decimals"))
    if at is None:
        return Rates(now, (Pair(*row) for row in fetch(_LATEST)), decimals)
    rows = fetch(_DATED, {"at": at, "oldest": at - max(MAX_AGE.values())})
    return Rates(at, (Pair(*row) for row in rows), decimals)


def convert(
    amount: Decimal, source: str, target: str, *, purpose: Purpose, now: datetime, at: datetime | None = None
) -> Converted:
    """One amount, converted by the quotes of now or of the moment `at`; for many use `load_rates`.

    Raises Refusal: no_rate, unknown_asset.
    """
    return load_rates(now=now, at=at).convert(amount, source, target, purpose=purpose)
