"""Amend of orders with conditions: what one waits for or hides stays right when its numbers change."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from accounts.models import TradingAccount
from orders.models import OrderType, Side
from orders.services.requests import ListKind
from tests.factories import Market, money, short, stored
from tests.orders.proofs import refused, take_out
from tradeplatform.common.errors import Code

pytestmark = pytest.mark.django_db


class TestAmendOfOtherTypes:
    """What an order waits for or hides stays right when its numbers change."""

    def test_an_iceberg_may_not_grow_beyond_its_slices(self, market: Market, seller: TradingAccount) -> None:
        order_id = market.sell(seller, 1, 50000, display="0.001")
        market.drain()

        refusal = refused(lambda: market.amend(order_id, seller, quantity="1.001"))

        assert (refusal.code, refusal.context["minimum"]) == (Code.DISPLAY_QUANTITY_TOO_SMALL, "0.0011")
        market.amend(order_id, seller, quantity="0.5")
        market.drain()
        assert (stored(order_id).leaves, stored(order_id).shown) == (Decimal("0.5"), Decimal("0.001"))

    def test_an_order_may_not_shrink_below_its_least(self, market: Market, seller: TradingAccount) -> None:
        order_id = market.sell(seller, 2, kind=OrderType.STOP, trigger=48000, minimum=1)
        market.drain()

        refusal = refused(lambda: market.amend(order_id, seller, quantity="0.5"))
        assert refusal.code == Code.INVALID_COMBINATION
        market.amend(order_id, seller, quantity=1)
        market.drain()
        assert (stored(order_id).quantity, stored(order_id).held) == (1, 1)

    def test_a_trailing_stop_changes_its_quantity_alone(self, market: Market, seller: TradingAccount) -> None:
        order_id = market.sell(seller, 2, kind=OrderType.TRAILING_STOP, trail=500)
        market.drain()

        market.amend(order_id, seller, quantity=3)
        market.drain()

        order = stored(order_id)
        assert (order.quantity, order.trigger_price, order.status) == (3, 49500, "pending_trigger")
        assert money(seller, market.instrument.base) == ("10", "3")

    def test_a_child_that_waits_is_measured_from_its_parent(self, market: Market) -> None:
        """The parent stops at 60000, so 65000 lies within its band of 10 % though not within today's."""
        trader = market.trader()
        _parent, child = market.send_list(
            ListKind.OTO,
            market.request(trader, Side.BUY, 1, 60000, kind=OrderType.STOP_LIMIT, trigger=60000),
            market.request(trader, Side.SELL, 1, 64000),
        )
        market.drain()

        market.amend(child, trader, price=65000)
        market.drain()

        assert stored(child).price == 65000
        assert refused(lambda: market.amend(child, trader, price=50000)).code == Code.PRICE_OUT_OF_BAND

    @pytest.mark.parametrize(("trigger", "held"), [(60000, "66066"), (50100, "55165.11"), (56000, "61661.6")])
    def test_a_stop_that_buys_holds_for_where_it_now_waits(
        self, market: Market, trigger: int, held: str
    ) -> None:
        buyer = market.trader(base=0, quote=100_000)
        order_id = market.buy(buyer, 1, kind=OrderType.STOP, trigger=55000)
        market.drain()

        market.amend(order_id, buyer, trigger=trigger)
        take_out(buyer, market, Side.BUY)
        market.drain()

        # The edge of the band above the trigger, and 0.1 %.
        assert short(stored(order_id).held) == held

    def test_a_trigger_beyond_the_funds_is_refused(self, market: Market) -> None:
        buyer = market.trader(base=0, quote=66_000)
        order_id = market.buy(buyer, 1, kind=OrderType.STOP, trigger=55000)
        market.drain()

        assert refused(lambda: market.amend(order_id, buyer, trigger=60000)).code == Code.INSUFFICIENT_FUNDS
        assert money(buyer, market.instrument.quote) == ("66000", "60560.5")

    def test_an_order_for_an_amount_is_not_amended(self, market: Market, seller: TradingAccount) -> None:
        order_id = market.sell(seller, 0, amount=1000)

        assert refused(lambda: market.amend(order_id, seller, quantity=1)).code == Code.INVALID_COMBINATION

    @pytest.mark.parametrize("partner_first", [True, False])
    def test_both_of_a_pair_at_once_are_covered(self, market: Market, *, partner_first: bool) -> None:
        buyer = market.trader(base=0, quote=500_000)
        limit, stop = market.send_list(
            ListKind.OCO,
            market.request(buyer, Side.BUY, 1, 49000),
            market.request(buyer, Side.BUY, 1, kind=OrderType.STOP, trigger=52000),
        )
        market.drain()
        market.sell(market.trader(), "0.5", 49000)
        changes: list[tuple[int, dict[str, Any]]] = [
            (limit, {"quantity": 3, "price": 48000}),
            (stop, {"quantity": 2, "trigger": 53000}),
        ]
        for order_id, change in changes[:: -1 if partner_first else 1]:
            market.amend(order_id, buyer, **change)

        take_out(buyer, market, Side.BUY)
        for _ in range(3):
            market.step()
            take_out(buyer, market, Side.BUY)

        # The fill came first, so the pair is no more: 2.5 at 48000, the taker's rate, the fee so far.
        assert (stored(limit).leaves, stored(stop).status) == (Decimal("2.5"), "cancelled")
        assert money(buyer, market.instrument.quote)[1] == short(stored(limit).held)


class TestAmendOfBrackets:
    """Exits stay on the two sides of their entry, or the first fill would make one go live at once."""

    @pytest.fixture
    def bracket(self, market: Market) -> tuple[TradingAccount, int, int, int]:
        """Buy 1 at 49000; take profit at 52000, stop at 47000; in the book. With its owner."""
        trader = market.trader()
        entry, profit, stop = market.send_list(
            ListKind.BRACKET,
            market.request(trader, Side.BUY, 1, 49000),
            market.request(trader, Side.SELL, 1, kind=OrderType.TAKE_PROFIT, trigger=52000),
            market.request(trader, Side.SELL, 1, kind=OrderType.STOP, trigger=47000),
        )
        market.drain()
        return trader, entry, profit, stop

    def test_an_exit_may_not_cross_its_entry(
        self, market: Market, bracket: tuple[TradingAccount, int, int, int]
    ) -> None:
        trader, entry, profit, stop = bracket

        assert refused(lambda: market.amend(profit, trader, trigger=49000)).code == Code.INVALID_COMBINATION
        assert refused(lambda: market.amend(stop, trader, trigger=49000)).code == Code.INVALID_COMBINATION
        assert refused(lambda: market.amend(entry, trader, price=47000)).code == Code.INVALID_COMBINATION
        assert refused(lambda: market.amend(entry, trader, price=52000)).code == Code.INVALID_COMBINATION
        market.amend(profit, trader, trigger="49000.01")
        market.drain()
        market.amend(stop, trader, trigger="48999.99")
        market.drain()
        assert [stored(number).trigger_price for number in (profit, stop)] == [
            Decimal("49000.01"),
            Decimal("48999.99"),
        ]

    def test_two_exits_cannot_pass_each_other_unseen(
        self, market: Market, bracket: tuple[TradingAccount, int, int, int]
    ) -> None:
        """The second amend would be judged by what the first is about to change."""
        trader, _entry, profit, stop = bracket
        market.amend(profit, trader, trigger=50000)

        assert refused(lambda: market.amend(stop, trader, trigger=48000)).code == Code.AMEND_PENDING
        market.drain()
        market.amend(stop, trader, trigger=48000)

    def test_once_the_entry_is_filled_they_bound_each_other(
        self, market: Market, bracket: tuple[TradingAccount, int, int, int]
    ) -> None:
        trader, _entry, profit, stop = bracket
        market.sell(market.trader(), 1, 49000)
        market.drain()

        assert refused(lambda: market.amend(stop, trader, trigger=52000)).code == Code.INVALID_COMBINATION
        market.amend(profit, trader, trigger=51000)
