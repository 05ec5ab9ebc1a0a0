"""Everybody at once: traders, an operator and two workers on connections of their own, then every invariant.

What each is told must be an answer: an outcome, or a refusal. A deadlock, a serialisation failure or a broken
constraint is neither. STORM_ACTIONS makes it longer.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import TradingAccount
from accounts.services.funding import deposit, withdraw
from accounts.services.locking import lock_account, unlock_account
from instruments.models import InstrumentStatus
from orders.models import Command, CommandStatus, Order, OrderType, Side, Source, StpMode, TimeInForce
from orders.services.changing import amend_order, cancel_all_orders
from orders.services.drain import drain
from orders.services.expiring import expire_due
from orders.services.intake import submit_requests
from orders.services.operator_acts import Scope, mass_cancel
from orders.services.order_lists import submit_list
from orders.services.phases import end_auction, end_due_auctions, request_phase, resume_instrument
from orders.services.requests import CancelOrder, Changes, Denied, ListKind, NewList, NewOrder, requested
from tests.factories import ACTOR, NOW, Market, fund, make_account, make_asset, make_market, make_shard, tag
from tests.threads import all_at_once
from tradeplatform.common.errors import Refusal
from tradeplatform.common.invariants import check_all

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "readonly"]),
    pytest.mark.timeout(0),
]

ACTIONS = int(os.environ.get("STORM_ACTIONS", "60"))
TRADERS = 6
#: Orders taken that make it a storm. How many are depends on how long markets and accounts happen to be
#: stopped: who has done all his actions goes on until it is one, for so many times as long at most.
ENOUGH, PATIENCE = 2 * ACTIONS, 4


class Storm:
    """Two instruments that share both assets, on two shards: each drain moves what the other needs."""

    def __init__(self) -> None:
        base, quote = make_asset(decimals=6), make_asset(decimals=2)
        steps: dict[str, Any] = {
            "base": base,
            "quote": quote,
            "tick_size": Decimal("0.1"),
            "lot_size": Decimal("0.1"),
            "min_quantity": Decimal("0.1"),
            "reference_price": Decimal(100),
            "price_band": Decimal("0.5"),
            "auction_seconds": 2,
        }
        self.markets = [make_market(shard=make_shard(), **steps) for _ in range(2)]
        self.accounts = [make_account(currency=quote, trade_group=group) for group in (3, 3, 0, 0)]
        for account in self.accounts:
            fund(account, base, 50)
            fund(account, quote, 5_000)
        self.done: Counter[str] = Counter()

    def actor(self, seed: int) -> Callable[[], None]:
        """One trader, who also presses an operator's buttons now and then."""
        rng = random.Random(seed)
        actions = [
            *([self.submit] * 8), *([self.amend] * 3), *([self.cancel] * 3), self.cancel_all,
            self.cancel_many, self.submit_list, self.submit_list, self.move, self.move, self.phase,
            self.resume, self.resume, self.end_auction, self.clock, self.clock, self.lock,
        ]  # fmt: skip

        def run() -> None:
            for done in range(PATIENCE * ACTIONS):
                if done >= ACTIONS and self.done["taken"] > ENOUGH:
                    break
                action = rng.choice(actions)
                try:
                    action(rng)
                    self.done[action.__name__] += 1
                except Refusal as refusal:
                    self.done[f"{action.__name__}: {refusal.code}"] += 1

        return run

    def worker(self, seed: int, name: str) -> Callable[[], None]:
        """Drains both shards by turns until everybody is done and nothing is left."""
        rng = random.Random(seed)

        def run() -> None:
            idle = 0
            while idle < 200:
                market = rng.choice(self.markets)
                applied = drain(
                    shard_id=market.shard.id, now=NOW, owner=name, batch=rng.choice([1, 3, 10, 100])
                ).commands
                idle = 0 if applied else idle + 1

        return run

    # --- What they do

    def submit(self, rng: random.Random) -> None:
        """A list of orders of any accounts, and cancels among them."""
        items: list[NewOrder | CancelOrder] = []
        for _ in range(rng.choice([1, 1, 2, 6])):
            order = self._order(rng)
            items.append(order)
            if rng.random() < 0.2 and order.client_order_id:
                items.append(CancelOrder(account_id=order.account_id, client_order_id=order.client_order_id))
        for outcome in submit_requests(requests=items, actor=ACTOR, source=Source.API, now=NOW):
            self.done["denied" if isinstance(outcome, Denied) else "taken"] += 1

    def amend(self, rng: random.Random) -> None:
        """Some live order."""
        order = self._some_order(rng)
        amend_order(
            order_id=order.id,
            account_id=order.account_id,
            changes=Changes(
                price=self._price(rng) if rng.random() < 0.7 else None, quantity=self._quantity(rng)
            ),
            actor=ACTOR,
            source=Source.API,
            now=NOW,
        )

    def cancel(self, rng: random.Random) -> None:
        """Some live order."""
        order = self._some_order(rng)
        wanted = CancelOrder(account_id=order.account_id, order_id=order.id)
        (outcome,) = submit_requests(requests=[wanted], actor=ACTOR, source=Source.API, now=NOW)
        requested(outcome)

    def cancel_all(self, rng: random.Random) -> None:
        """Of one account."""
        cancel_all_orders(account_id=self._account(rng).id, actor=ACTOR, now=NOW)

    def move(self, rng: random.Random) -> None:
        """Money in or out."""
        account, market = self._account(rng), self.markets[0]
        service = rng.choice([deposit, withdraw])
        service(
            account_id=account.id,
            asset=rng.choice([market.instrument.base, market.instrument.quote]).code,
            amount=Decimal(rng.randint(1, 1_000)) / 100,
            reason="test",
            request_id=tag(),
            actor=ACTOR,
            now=NOW,
        )

    def submit_list(self, rng: random.Random) -> None:
        """A pair, or an entry with its two exits."""
        market, account = rng.choice(self.markets), self._account(rng)
        buy, quantity = rng.random() < 0.5, self._quantity(rng)
        one, other = (Side.BUY, Side.SELL) if buy else (Side.SELL, Side.BUY)
        bracket = rng.random() < 0.5
        legs = [
            self._leg(market, account, other if bracket else one, quantity, kind, rng)
            for kind in (OrderType.TAKE_PROFIT, OrderType.STOP)
        ]
        entry = [self._leg(market, account, one, quantity, OrderType.LIMIT, rng)] if bracket else []
        asked = NewList(kind=ListKind.BRACKET if bracket else ListKind.OCO, orders=[*entry, *legs])
        submit_list(asked=asked, actor=ACTOR, source=Source.API, now=NOW)

    def cancel_many(self, rng: random.Random) -> None:
        """An operator ends a side of a market."""
        scope = Scope(instrument=rng.choice(self.markets).instrument, side=rng.choice([None, *Side]))
        mass_cancel(scope=scope, actor=ACTOR, now=NOW, reason="test")

    def phase(self, rng: random.Random) -> None:
        """Of one of the instruments."""
        request_phase(
            symbol=rng.choice(self.markets).symbol,
            to=rng.choice([InstrumentStatus.HALTED, InstrumentStatus.AUCTION, InstrumentStatus.CLOSED]),
            actor=ACTOR,
            now=NOW,
            reason="test",
            cancel_resting=rng.random() < 0.3,
        )

    def resume(self, rng: random.Random) -> None:
        """One of the instruments."""
        resume_instrument(symbol=rng.choice(self.markets).symbol, actor=ACTOR, now=NOW, reason="test")

    def end_auction(self, rng: random.Random) -> None:
        """Of one of the instruments."""
        end_auction(symbol=rng.choice(self.markets).symbol, actor=ACTOR, now=NOW, reason="test")

    def clock(self, rng: random.Random) -> None:
        """What beat asks each second."""
        expire_due(now=NOW + timedelta(seconds=rng.randint(0, 5)))
        end_due_auctions(now=NOW + timedelta(seconds=rng.randint(0, 5)))

    def lock(self, rng: random.Random) -> None:
        """An account, and unlock it again."""
        account = self._account(rng)
        lock_account(account_id=account.id, actor=ACTOR, now=NOW, reason="test")
        unlock_account(account_id=account.id, actor=ACTOR, now=NOW, reason="test")

    # --- With what

    def _account(self, rng: random.Random) -> TradingAccount:
        return rng.choice(self.accounts)

    def _price(self, rng: random.Random) -> Decimal:
        return Decimal(1_000 + rng.randint(-8, 8)) / 10

    def _quantity(self, rng: random.Random) -> Decimal:
        return Decimal(rng.choice([1, 5, 10, 33, 70])) / 10

    def _some_order(self, rng: random.Random) -> Order:
        live = list(Order.objects.live().filter(account__in=self.accounts).order_by("-id")[:30])
        return rng.choice(live or list(Order.objects.order_by("-id")[:5]))

    def _order(self, rng: random.Random) -> NewOrder:
        market: Market = rng.choice(self.markets)
        (kind,) = rng.choices(
            [OrderType.LIMIT, OrderType.MARKET, OrderType.STOP, OrderType.TRAILING_STOP], [7, 1, 1, 1]
        )
        order = self._leg(
            market, self._account(rng), rng.choice([Side.BUY, Side.SELL]), self._quantity(rng), kind, rng
        )
        if kind != OrderType.LIMIT:
            return order
        tif = rng.choice([None, None, TimeInForce.IOC, TimeInForce.GTD, TimeInForce.DAY])
        if tif != TimeInForce.IOC and rng.random() < 0.3:
            order = replace(order, display_quantity=Decimal(rng.choice([0, 1])) / 10)
        until = NOW + timedelta(seconds=rng.randint(1, 8)) if tif == TimeInForce.GTD else None
        return replace(order, time_in_force=tif, expires_at=until)

    def _leg(
        self,
        market: Market,
        account: TradingAccount,
        side: Side,
        quantity: Decimal,
        kind: OrderType,
        rng: random.Random,
    ) -> NewOrder:
        waits = kind in {OrderType.STOP, OrderType.TAKE_PROFIT}
        return NewOrder(
            account_id=account.id,
            symbol=market.symbol,
            side=side,
            type=kind,
            quantity=quantity,
            price=self._price(rng) if kind == OrderType.LIMIT else None,
            trigger_price=self._price(rng) if waits else None,
            trail_amount=Decimal(rng.randint(1, 5)) / 10 if kind == OrderType.TRAILING_STOP else None,
            stp_mode=rng.choice(list(StpMode)),
            client_order_id=tag(),
        )


@pytest.mark.parametrize("seed", [1, 2])
def test_everybody_at_once_breaks_no_invariant(seed: int) -> None:
    storm = Storm()
    storm.submit(random.Random(seed))
    actors = [storm.actor(100 * seed + number) for number in range(TRADERS)]
    workers = [storm.worker(seed, "one"), storm.worker(seed + 1, "two")]

    results = all_at_once([*actors, *workers], threads=TRADERS + 2)
    for market in storm.markets:
        market.drain()

    assert results == [None] * len(results), storm.done
    assert not Command.objects.filter(status=CommandStatus.PENDING).exists()
    assert [finding for finding in check_all() if not finding.holds] == []
    assert storm.done["taken"] > ENOUGH
