"""Intake of many orders in one transaction: each is taken or denied by itself, in the order of the list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import TradingAccount
from instruments.models import Instrument
from orders.models import Command, Order, Side, Source
from orders.services.intake import MAX_BATCH, submit_orders
from orders.services.requests import Accepted
from tests.factories import ACTOR, NOW, Market, everything_stored, make_market, money, refusal_of
from tradeplatform.common.errors import Code, Refusal

pytestmark = pytest.mark.django_db


class TestLists:
    """Many orders in one transaction."""

    def test_a_denied_order_does_not_stop_the_others(self, market: Market, trader: TradingAccount) -> None:
        outcomes = market.send_all(
            [
                market.request(trader, Side.SELL, 1, 50000, client_order_id="one"),
                market.request(trader, Side.SELL, 0, 50000, client_order_id="two"),
                market.request(trader, Side.SELL, 2, 50000, client_order_id="three"),
            ]
        )

        assert isinstance(outcomes[0], Accepted)
        assert refusal_of(outcomes[1]).code == Code.INVALID_NUMBER
        assert isinstance(outcomes[2], Accepted)
        assert Order.objects.filter(account=trader).count() == 2
        assert money(trader, market.instrument.base) == ("10", "3")

    def test_funds_are_reserved_in_list_order(self, market: Market, trader: TradingAccount) -> None:
        outcomes = market.send_all(
            [
                market.request(trader, Side.SELL, 6, 50000),
                market.request(trader, Side.SELL, 5, 50000),
                market.request(trader, Side.SELL, 4, 50000),
            ]
        )

        refusal = refusal_of(outcomes[1])
        assert refusal.code == Code.INSUFFICIENT_FUNDS
        assert (refusal.context["required"], refusal.context["available"]) == ("5", "4")
        assert [isinstance(outcome, Accepted) for outcome in outcomes] == [True, False, True]
        assert money(trader, market.instrument.base) == ("10", "10")

    def test_open_orders_are_counted_in_list_order(self) -> None:
        market = make_market(max_open_orders=2)
        trader = market.trader()

        outcomes = market.send_all([market.request(trader, Side.SELL, 1, 50000) for _ in range(3)])

        assert [isinstance(outcome, Accepted) for outcome in outcomes] == [True, True, False]
        assert refusal_of(outcomes[2]).code == Code.TOO_MANY_OPEN_ORDERS

    def test_a_denied_order_takes_nobodys_place(self) -> None:
        market = make_market(max_open_orders=1)
        trader = market.trader(base=1)

        too_much, right = market.send_all(
            [market.request(trader, Side.SELL, 2, 50000), market.request(trader, Side.SELL, 1, 50000)]
        )

        assert refusal_of(too_much).code == Code.INSUFFICIENT_FUNDS
        assert isinstance(right, Accepted)

    def test_orders_of_many_accounts_and_instruments_go_together(self, market: Market) -> None:
        other = make_market(shard=market.shard)
        seller, buyer = market.trader(), other.trader()

        outcomes = market.send_all(
            [
                market.request(seller, Side.SELL, 1, 50000),
                other.request(buyer, Side.BUY, 1, 50000),
            ]
        )

        assert all(isinstance(outcome, Accepted) for outcome in outcomes)
        assert money(seller, market.instrument.base) == ("100", "1")
        assert money(buyer, other.instrument.quote) == ("10000000", "50050")

    def test_commands_come_in_list_order(self, market: Market, trader: TradingAccount) -> None:
        outcomes = market.send_all([market.request(trader, Side.SELL, 1, 50000) for _ in range(5)])

        ids = [outcome.order_id for outcome in outcomes if isinstance(outcome, Accepted)]
        assert list(Command.objects.order_by("id").values_list("order_id", flat=True)) == ids

    @pytest.mark.parametrize("count", [0, MAX_BATCH + 1])
    def test_a_list_has_one_to_a_thousand_orders(
        self, market: Market, trader: TradingAccount, count: int
    ) -> None:
        before = everything_stored()

        with pytest.raises(Refusal) as caught:
            market.send_all([market.request(trader, Side.SELL, "0.0001", 50000)] * count)

        assert (caught.value.code, caught.value.context) == (
            Code.TOO_MANY_ITEMS,
            {"items": count, "maximum": 1000},
        )
        assert everything_stored() == before

    def test_a_thousand_orders_cost_few_statements(
        self, market: Market, django_assert_max_num_queries: Callable[..., Any]
    ) -> None:
        trader = market.trader(base=1000)
        Instrument.objects.filter(id=market.instrument.id).update(max_open_orders=5000)
        orders = [market.request(trader, Side.SELL, "0.0001", 50000) for _ in range(1000)]

        with django_assert_max_num_queries(16):
            outcomes = submit_orders(orders=orders, actor=ACTOR, source=Source.API, now=NOW)

        assert sum(isinstance(outcome, Accepted) for outcome in outcomes) == 1000
        assert money(trader, market.instrument.base) == ("1000", "0.1")
