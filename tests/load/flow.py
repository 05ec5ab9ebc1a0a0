"""A seeded stream of actions that knows its own orders: what it cancels or amends was placed, and lives.

It hears only what its client hears: which orders were taken. That the others have not traded follows from
where they are: beyond the prices at which anything trades.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate

from tests.load.actions import Action, Amend, Cancel, Holder, Place, Ticker, Transfer
from tests.load.mix import Mix

#: Ticks from the middle: makers rest within the first, takers reach the second, the others rest beyond it.
_TOUCH, _REACH, _NEAR, _FAR = 3, 10, 20, 200
_LOTS, _SIZES = 1_000, (1, 2, 3, 4, 5)
_PENNY = Decimal("0.01")


@dataclass(slots=True)
class _Resting:
    """An order that is known to rest."""

    holder: Holder
    name: str
    order_id: int
    ticker: Ticker
    buy: bool
    amended: bool = False


class Flow:
    """The actions of some accounts in some instruments, one after another, without end."""

    def __init__(
        self, mix: Mix, tickers: Sequence[Ticker], holders: Sequence[Holder], *, seed: int, tag: str
    ) -> None:
        """`tag` begins the names of all orders: no two flows of a platform may share it."""
        self._rng = random.Random(seed)
        self._tickers, self._holders, self._tag = list(tickers), list(holders), tag
        self._weights = list(accumulate(ticker.weight for ticker in tickers))
        kinds = [
            (mix.quiet, self._quiet),
            (mix.makers, self._maker),
            (mix.crossing, self._crossing),
            (mix.taking, self._taker),
            (mix.cancel, self._cancel),
            (mix.amend, self._amend),
            (mix.transfer, self._transfer),
        ]
        self._kinds = [make for share, make in kinds if share]
        self._shares = list(accumulate(share for share, _ in kinds if share))
        by_symbol = {ticker.symbol: ticker for ticker in tickers}
        self._by_symbol = by_symbol
        self._lots = {(symbol, buy): 0 for symbol in by_symbol for buy in (True, False)}
        self._persons: dict[int, list[Holder]] = {}
        for holder in holders:
            self._persons.setdefault(holder.user_id, []).append(holder)
        self._several = [own for own in self._persons.values() if len(own) > 1]
        self._resting: list[_Resting] = []
        self._count = 0

    def __len__(self) -> int:
        """How many orders it could cancel now."""
        return len(self._resting)

    def next(self) -> Action:
        """What is done next."""
        self._count += 1
        (make,) = self._rng.choices(self._kinds, cum_weights=self._shares)
        return make()

    def stock(self, quiet: int, makers: int) -> list[Place]:
        """What rests before the clock starts: so many of either, spread over the books."""
        placed = []
        for make, count in ((self._quiet, quiet), (self._maker, makers)):
            for _ in range(count):
                self._count += 1
                placed.append(make())
        return placed

    def took(self, place: Place, order_id: int) -> None:
        """An order was accepted: from now on it can be cancelled or amended, if it is one that stays."""
        if place.rests:
            ticker = self._by_symbol[place.symbol]
            self._resting.append(_Resting(place.holder, place.name, order_id, ticker, place.buy))

    # --- New orders

    def _quiet(self) -> Place:
        ticker, buy = self._ticker(), self._rng.random() < 0.5
        price = self._price(ticker, buy, self._rng.randint(_NEAR, _FAR))
        return self._place(ticker, buy, price=price, size=self._size(), rests=True)

    def _maker(self) -> Place:
        ticker = self._ticker()
        # Where less waits to be taken.
        buy = self._lots[ticker.symbol, True] <= self._lots[ticker.symbol, False]
        size = self._size()
        self._lots[ticker.symbol, buy] += size
        price = self._price(ticker, buy, self._rng.randint(1, _TOUCH))
        return self._place(ticker, buy, price=price, size=size)

    def _crossing(self) -> Place:
        return self._taking()

    def _taker(self) -> Place:
        return self._taking(ioc=True, market=self._rng.random() < 0.5)

    def _taking(self, *, ioc: bool = False, market: bool = False) -> Place:
        ticker = self._ticker()
        waits_sell, waits_buy = self._lots[ticker.symbol, False], self._lots[ticker.symbol, True]
        buy = waits_sell >= waits_buy
        size = min(self._size(), max(waits_sell, waits_buy, 1))
        self._lots[ticker.symbol, not buy] -= size
        price = self._price(ticker, buy, -_REACH)
        return self._place(ticker, buy, price=price, size=size, ioc=ioc, market=market)

    def _place(
        self,
        ticker: Ticker,
        buy: bool,
        *,
        price: Decimal,
        size: int,
        rests: bool = False,
        ioc: bool = False,
        market: bool = False,
    ) -> Place:
        return Place(
            holder=self._rng.choice(self._holders),
            symbol=ticker.symbol,
            buy=buy,
            kind="market" if market else "limit",
            ioc=ioc,
            price=None if market else price,
            worst=price if market else None,
            quantity=ticker.lot * (size * _LOTS),
            name=f"{self._tag}{self._count}",
            rests=rests,
        )

    # --- Changes, and money

    def _cancel(self) -> Action:
        if not self._resting:
            return self._quiet()
        at = self._rng.randrange(len(self._resting))
        # The last one takes its place: the order of the list means nothing.
        self._resting[at], self._resting[-1] = self._resting[-1], self._resting[at]
        order = self._resting.pop()
        return Cancel(order.holder, order.name, order.order_id)

    def _amend(self) -> Action:
        """Each order at most once: a second amend is refused while the first waits."""
        for _ in range(8):
            if not self._resting:
                break
            order = self._rng.choice(self._resting)
            if not order.amended:
                order.amended = True
                price, quantity = None, None
                if self._rng.random() < 0.5:
                    price = self._price(order.ticker, order.buy, self._rng.randint(_NEAR, _FAR))
                else:
                    quantity = order.ticker.lot * (self._size() * _LOTS + self._rng.randint(1, _LOTS - 1))
                return Amend(order.holder, order.order_id, price, quantity)
        return self._quiet()

    def _transfer(self) -> Action:
        giver, taker = self._rng.sample(self._rng.choice(self._several), 2)
        return Transfer(giver, taker, self._ticker().quote, _PENNY, f"{self._tag}{self._count}")

    def _ticker(self) -> Ticker:
        return self._rng.choices(self._tickers, cum_weights=self._weights)[0]

    def _size(self) -> int:
        return self._rng.choice(_SIZES)

    @staticmethod
    def _price(ticker: Ticker, buy: bool, away: int) -> Decimal:
        return ticker.mid - ticker.tick * away if buy else ticker.mid + ticker.tick * away
