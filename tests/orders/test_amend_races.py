"""What happens between the request of an amend and its application is covered by what was reserved."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import TradingAccount
from orders.models import Side, StpMode
from orders.selectors import asked_for
from tests.factories import Market, money, short, stored
from tests.orders.proofs import take_out
from tests.threads import elsewhere
from tradeplatform.common.statements import Statement

pytestmark = pytest.mark.django_db


class TestAmendRaces:
    """What happens between the request and its application must be covered by what was reserved."""

    def test_self_trade_prevention_in_between_counts_towards_the_total(self, market: Market) -> None:
        trader = market.trader(base=10, quote=1_000_000)
        order_id = market.sell(trader, 10, 50000)
        market.drain()
        market.buy(trader, 4, 50000, stp=StpMode.DECREMENT)
        market.amend(order_id, trader, price=50001, quantity=10)

        market.step()
        take_out(trader, market, Side.SELL)
        market.step()

        order = stored(order_id)
        assert (order.quantity, order.prevented, order.leaves, order.held) == (10, 4, 6, 6)
        assert money(trader, market.instrument.base) == ("6", "6")

    @pytest.mark.parametrize("price", [49000, 50000, 51000])
    @pytest.mark.parametrize("quantity", ["1.5", "2", "3"])
    def test_fills_in_between_are_covered(self, market: Market, price: int, quantity: str) -> None:
        buyer, seller = market.trader(base=0, quote=1_000_000), market.trader()
        order_id = market.buy(buyer, 2, 50000)
        market.drain()
        market.sell(seller, "0.3333", 50000)
        market.sell(seller, "0.7777", 50000)
        market.amend(order_id, buyer, price=price, quantity=quantity)

        take_out(buyer, market, Side.BUY)
        for _ in range(3):
            market.step()
            take_out(buyer, market, Side.BUY)

        order = stored(order_id)
        assert (order.status, short(order.quantity), short(order.filled)) == (
            "partially_filled",
            quantity,
            "1.111",
        )
        # Exact: open quantity at the new price with the taker rate, plus the fee so far, rounded up once.
        worst = order.leaves * price * Decimal("1.001") + order.fee_accrued
        unit = Decimal("0.00000001")
        assert order.held == -(-worst // unit) * unit - -(-order.fee_accrued // unit) * unit

    @pytest.mark.django_db(transaction=True)
    def test_an_amend_applied_while_the_next_is_asked_for_is_seen_by_it(
        self, market: Market, seller: TradingAccount, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        order_id = market.sell(seller, 10, 50000)
        market.drain()
        market.amend(order_id, seller, quantity=1)
        drain_after_the_first_read(market, monkeypatch)

        market.amend(order_id, seller, quantity=10)

        # The first amend gave nine back, so the second must reserve them again.
        assert short(stored(order_id).held) == "1"
        assert money(seller, market.instrument.base) == ("10", "10")
        market.drain()
        assert (stored(order_id).leaves, money(seller, market.instrument.base)) == (10, ("10", "10"))


def drain_after_the_first_read(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the drain slip in on another connection after the order was found, before it is read for good."""
    waiting = [True]

    def look(*args: Any, **key: Any) -> Statement[AbstractSet[int]]:
        if waiting:
            waiting.clear()
            elsewhere(market.drain)
        return asked_for(*args, **key)

    monkeypatch.setattr("orders.services.amend_commands.asked_for", look)
