"""Everybody at once: traders, an operator and two workers on connections of their own, then every invariant.

What each is told must be an answer: an outcome, or a refusal. A deadlock, a serialisation failure or a broken
constraint is neither. STORM_ACTIONS makes it longer.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import TradingAccount
from accounts.services.funding import deposit, withdraw
from accounts.services.locking import lock_account, unlock_account
from orders.models import Command, CommandStatus, Order, OrderType, Side, Source, StpMode, TimeInForce
from orders.services.changing import amend_order, cancel_all_orders, cancel_order
from orders.services.drain import drain
from orders.services.intake import submit_requests
from orders.services.phases import halt_instrument, resume_instrument
from orders.services.requests import CancelOrder, Denied, NewOrder
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
            *([self.submit] * 8), *([self.amend] * 3), *([self.cancel] * 3), self.cancel_all, self.move,
            self.move, self.halt, self.resume, self.resume, self.lock,
        ]  # fmt: skip

        def run() -> None:
            for _ in range(ACTIONS):
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
            price=self._price(rng) if rng.random() < 0.7 else None,
            quantity=self._quantity(rng),
            actor=ACTOR,
            now=NOW,
        )

    def cancel(self, rng: random.Random) -> None:
        """Some live order."""
        order = self._some_order(rng)
        cancel_order(order_id=order.id, account_id=order.account_id, actor=ACTOR, now=NOW)

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

    def halt(self, rng: random.Random) -> None:
        """One of the instruments."""
        market = rng.choice(self.markets)
        halt_instrument(
            symbol=market.symbol, actor=ACTOR, now=NOW, reason="test", cancel_resting=rng.random() < 0.3
        )

    def resume(self, rng: random.Random) -> None:
        """One of the instruments."""
        resume_instrument(symbol=rng.choice(self.markets).symbol, actor=ACTOR, now=NOW, reason="test")

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
        is_market = rng.random() < 0.1
        return NewOrder(
            account_id=self._account(rng).id,
            symbol=market.symbol,
            side=rng.choice([Side.BUY, Side.SELL]),
            type=OrderType.MARKET if is_market else OrderType.LIMIT,
            quantity=self._quantity(rng),
            price=None if is_market else self._price(rng),
            time_in_force=None if is_market else rng.choice([None, None, TimeInForce.IOC]),
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
    assert storm.done["taken"] > 2 * ACTIONS
