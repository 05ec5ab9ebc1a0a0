"""Quotes of what no simulated participant trades: currencies, metals, indices. So positions can be dealt in.

A random walk around the reference price, in ticks, through the quote service like every source of prices.
What a person has quoted by hand stays for as long as it can be dealt at. Made-up prices are for
demonstrations: in production nobody walks.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random

from instruments.models import Instrument, InstrumentStatus, Quote, Realm
from instruments.scaling import steps, times
from instruments.services.converting import MAX_AGE, Purpose
from instruments.services.pricing import BY_HAND, NewQuote, record_quotes

SOURCE = "simulation"
#: Often enough to look alive, and few enough to keep.
EVERY = timedelta(seconds=2)
# In ticks of a hundred-thousandth of the price, at least one: a step of the walk, and half of the spread.
_STEP, _HALF_SPREAD = 2, 5
_FINE = 100_000
# How hard the walk is drawn back to where it began: a part of the distance, each step.
_PULL = 400


@dataclass(frozen=True, slots=True)
class Walked:
    """What is quoted: an instrument with its reference price in ticks."""

    instrument_id: int
    tick_size: Decimal
    anchor: int

    def ticks(self, parts: int) -> int:
        """So many hundred-thousandths of the price, at least one tick."""
        return max(1, self.anchor * parts // _FINE)


@dataclass(slots=True)
class Quoter:
    """Quotes all of `walked` every two seconds; `chance` alone decides where prices go."""

    walked: Sequence[Walked]
    chance: Random
    _middles: dict[int, int] = field(default_factory=dict)
    _last: datetime | None = None

    def quote(self, *, now: datetime) -> int:
        """The next quotes, if it is time for them; returns how many were recorded."""
        if self._last is not None and now - self._last < EVERY:
            return 0
        self._last = now
        young = now - MAX_AGE[Purpose.DEALING]
        by_hand = set(
            Quote.objects.filter(source=BY_HAND, at__gte=young).values_list("instrument_id", flat=True)
        )
        return record_quotes(
            [self._next(each, now) for each in self.walked if each.instrument_id not in by_hand], now=now
        )

    def _next(self, each: Walked, now: datetime) -> NewQuote:
        middle = self._middles.get(each.instrument_id, each.anchor)
        most = each.ticks(_STEP)
        middle += self.chance.randint(-most, most) + (each.anchor - middle) // _PULL
        # A bid has at least one tick, whatever the walk.
        half = each.ticks(_HALF_SPREAD)
        self._middles[each.instrument_id] = middle = max(half + 1, middle)
        bid, ask = times(middle - half, each.tick_size), times(middle + half, each.tick_size)
        return NewQuote(each.instrument_id, bid, ask, now, SOURCE)


def unquoted(traded: Collection[int]) -> list[Walked]:
    """The live instruments with a reference price that are not traded, and so not quoted by their books."""
    rows = (
        Instrument.objects.filter(realm=Realm.LIVE, reference_price__gt=0)
        .exclude(status=InstrumentStatus.DELISTED)
        .exclude(id__in=list(traded))
        .order_by("id")
    )
    return [
        Walked(number, tick, steps(price, tick) or 1)
        for number, tick, price in rows.values_list("id", "tick_size", "reference_price")
    ]
