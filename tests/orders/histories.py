"""Random trading days: every order type, condition, list and phase, by a few accounts around one price.

What the door refuses is left out, as it would be in life. The engine is forgotten now and then, and every
book is rebuilt where the history stops for a moment: a wrong column shows at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any

from django.db import transaction

from accounts.models import TradingAccount
from instruments.models import Instrument, InstrumentStatus
from orders.models import Order, OrderType, Side, StpMode, TimeInForce, TriggerBy
from orders.services import books
from orders.services.changing import cancel_all_orders
from orders.services.expiring import expire_due
from orders.services.requests import ListKind, NewOrder
from tests.factories import ACTOR, NOW, Market, make_market
from tradeplatform.common.errors import Refusal

AROUND = 50_000
PARKING = [kind for kind in OrderType if kind != OrderType.MARKET]
TAKE_PROFITS = [OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT]
STOPS = [OrderType.STOP, OrderType.STOP_LIMIT]
PHASES = [
    InstrumentStatus.HALTED,
    InstrumentStatus.PRE_OPEN,
    InstrumentStatus.AUCTION,
    InstrumentStatus.CANCEL_ONLY,
    InstrumentStatus.CLOSED,
]


class History:
    """One market's day, the same for the same seed and code."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.market: Market = make_market(max_open_orders=1_000)
        self.now = NOW
        # Some can hardly pay for what they ask, and some trade as one.
        self.people = [
            self.market.trader(
                base=self.random.choice([40, 2_000]),
                quote=self.random.choice([900_000, 10**8]),
                trade_group=self.random.choice([0, 7]),
            )
            for _ in range(4)
        ]

    def run(self, steps: int) -> None:
        """Do so many things, draining now and then, and everything at the end."""
        acts: list[tuple[Callable[[], Any], int]] = [
            (self.send, 18), (self.oco, 4), (self.oto, 4), (self.bracket, 4), (self.cancel, 3),
            (self.amend, 5), (self.close, 1), (self.reopen, 4), (self.cancel_all, 1), (self.wait, 2),
        ]  # fmt: skip
        ways, weights = zip(*acts, strict=True)
        for _ in range(steps):
            (act,) = self.random.choices(ways, weights)
            self.attempt(act)
            if self.chance(0.4):
                self.drain()
        self.attempt(self.reopen)
        self.drain()

    def drain(self) -> None:
        """Apply what is pending in batches of any size, on a fresh engine perhaps; the book must be sound."""
        if self.chance(0.5):
            books.forget(self.market.shard.id)
        self.market.drain(now=self.now, batch=self.random.choice([1, 2, 1_000]))
        books.rebuild([self.market.book()]).check()

    def attempt(self, act: Callable[[], Any]) -> None:
        """Do it, unless the door refuses."""
        try:
            with transaction.atomic():
                act()
        except Refusal:
            pass

    def chance(self, probability: float) -> bool:
        """True so often."""
        return self.random.random() < probability

    def who(self) -> TradingAccount:
        """Anybody."""
        return self.random.choice(self.people)

    def near(self, distance: int = 6) -> int:
        """A price."""
        return AROUND + self.random.randint(-distance, distance)

    def send(self) -> None:
        """One order by itself."""
        self.market.send(self.order(self.who()), now=self.now)

    def oco(self) -> None:
        """A pair."""
        who, side, quantity = self.who(), self.side(), self.random.randint(1, 9)
        self.linked(ListKind.OCO, *(self.order(who, side, quantity, PARKING) for _ in range(2)))

    def oto(self) -> None:
        """A parent with a child, or with a pair."""
        who, side, quantity = self.who(), self.side(), self.random.randint(1, 9)
        children = [self.order(who, side, quantity, PARKING) for _ in range(self.random.randint(1, 2))]
        self.linked(ListKind.OTO, self.order(who, kinds=PARKING), *children)

    def bracket(self) -> None:
        """An entry and its exits on both sides of it."""
        who, side, quantity = self.who(), self.side(), self.random.randint(1, 9)
        entry = self.order(who, side, quantity, [OrderType.LIMIT, OrderType.LIMIT, OrderType.STOP])
        middle = int(entry.price or entry.trigger_price or AROUND)
        away = 1 if side == Side.BUY else -1
        other = Side.SELL if side == Side.BUY else Side.BUY
        exits = [
            replace(
                self.order(who, other, quantity, kinds),
                trigger_price=Decimal(middle + direction * self.random.randint(1, 4)),
                display_quantity=None,
                min_quantity=None,
            )
            for kinds, direction in ((TAKE_PROFITS, away), (STOPS, -away))
        ]
        self.linked(ListKind.BRACKET, entry, *exits)

    def linked(self, kind: ListKind, *orders: NewOrder) -> None:
        """Send a list of orders that are no reduce-only ones."""
        self.market.send_list(kind, *(replace(order, reduce_only=False) for order in orders), now=self.now)

    def cancel(self) -> None:
        """One of somebody's live orders."""
        who = self.who()
        if live := self.live(who):
            self.market.cancel(self.random.choice(live).id, who, now=self.now)

    def amend(self) -> None:
        """One of somebody's live orders, in any way."""
        who = self.who()
        if not (live := self.live(who)):
            return
        order = self.random.choice(live)
        self.market.amend(
            order.id,
            who,
            quantity=self.random.randint(1, 12) if self.chance(0.6) else None,
            price=self.near() if order.price and self.chance(0.4) else None,
            trigger=self.near() if order.trigger_price and self.chance(0.4) else None,
            now=self.now,
        )

    def cancel_all(self) -> None:
        """All of somebody's."""
        cancel_all_orders(account_id=self.who().id, actor=ACTOR, now=self.now)

    def close(self) -> None:
        """Any phase but trading."""
        self.market.phase(self.random.choice(PHASES), now=self.now)

    def reopen(self) -> None:
        """Trade again."""
        if Instrument.objects.get(id=self.market.instrument.id).status != InstrumentStatus.ACTIVE:
            self.market.phase(InstrumentStatus.ACTIVE, now=self.now)

    def wait(self) -> None:
        """Some seconds, and what is due then."""
        self.now += timedelta(seconds=self.random.randint(1, 10))
        expire_due(now=self.now)

    def live(self, who: TradingAccount) -> list[Order]:
        """Somebody's live orders, oldest first."""
        return list(Order.objects.live().for_account(who.id).order_by("id"))

    def side(self) -> Side:
        """Either."""
        return self.random.choice([Side.BUY, Side.SELL])

    def order(
        self,
        who: TradingAccount,
        side: Side | None = None,
        quantity: int = 0,
        kinds: Sequence[OrderType] = tuple(OrderType),
    ) -> NewOrder:
        """Any order of these kinds."""
        side, quantity = side or self.side(), quantity or self.random.randint(1, 9)
        kind = self.random.choice(kinds)
        how = self._time(kind) | self._trigger(kind) | self._display(kind, quantity)
        how |= {"kind": kind, "stp": self.random.choice(list(StpMode))}
        if self.chance(0.1):
            how["minimum"] = self.random.randint(1, quantity)
        if self.chance(0.1) and side == Side.SELL:
            how["reduce_only"] = True
        if kind == OrderType.MARKET and self.chance(0.5):
            how = {"kind": kind, "amount": self.random.randint(50_000, 400_000)}
        priced = kind.is_limit_priced and not kind.is_trailing
        return self.market.request(who, side, quantity, self.near() if priced else None, **how)

    def _time(self, kind: OrderType) -> dict[str, Any]:
        if kind == OrderType.MARKET:
            return {"tif": self.random.choice([TimeInForce.IOC, TimeInForce.FOK])}
        tif = TimeInForce.GTC if self.chance(0.6) else self.random.choice(list(TimeInForce))
        if tif == TimeInForce.GTD:
            return {"tif": tif, "expires_at": self.now + timedelta(seconds=self.random.randint(1, 30))}
        return {"tif": tif}

    def _trigger(self, kind: OrderType) -> dict[str, Any]:
        if kind.is_trailing:
            how: dict[str, Any] = {"step": self.random.choice(["0.01", "0.5", "1"])}
            how |= {"trail": self.random.randint(1, 4)} if self.chance(0.5) else {"trail_percent": "0.01"}
            if kind.is_limit_priced:
                how["offset"] = self.random.randint(1, 3)
            return how
        if kind.is_triggered:
            return {"trigger": self.near(9), "by": self.random.choice(list(TriggerBy))}
        return {}

    def _display(self, kind: OrderType, quantity: int) -> dict[str, Any]:
        if not kind.is_limit_priced or self.chance(0.6):
            return {}
        return self.random.choice(
            [{"display": self.random.randint(1, quantity)}, {"display": 0}, {"post_only": True}]
        )
