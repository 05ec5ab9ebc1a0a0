"""Intake: what is stored and held of an order that is taken."""

from __future__ import annotations

from decimal import Decimal

import pytest

from accounts.models import TradingAccount
from audit.actor import Actor
from orders.models import Command, CommandKind, OrderIdentity, Side, Source
from orders.services.intake import submit_orders
from orders.services.requests import Accepted
from tests.factories import NOW, Market, make_market, money, short, stored
from tests.orders.proofs import denied
from tradeplatform.common.errors import Code

pytestmark = pytest.mark.django_db


class TestAccepted:
    """What is stored and held."""

    def test_a_limit_buy_holds_notional_and_the_higher_fee(
        self, market: Market, trader: TradingAccount
    ) -> None:
        order = stored(market.buy(trader, "0.5", "49999.99", client_order_id="first"))

        assert (order.status, order.type, order.time_in_force) == ("pending", "limit", "gtc")
        assert (order.price, order.quantity, order.leaves) == (
            Decimal("49999.99"),
            Decimal("0.5"),
            Decimal("0.5"),
        )
        # 0.5 * 49999.99 * 1.001
        assert short(order.held) == "25024.994995"
        assert money(trader, market.instrument.quote) == ("100000", "25024.994995")
        assert (order.maker_fee_rate, order.taker_fee_rate) == (Decimal("0.0005"), Decimal("0.001"))
        assert (order.client_order_id, order.source, order.actor_label) == ("first", "api", "test")

    def test_a_sell_holds_its_quantity_of_the_base(self, market: Market, trader: TradingAccount) -> None:
        order = stored(market.sell(trader, "2.5", "50000"))

        assert short(order.held) == "2.5"
        assert money(trader, market.instrument.base) == ("10", "2.5")
        assert money(trader, market.instrument.quote) == ("100000", "0")

    def test_a_market_buy_is_protected_at_the_edge_of_the_band(
        self, market: Market, trader: TradingAccount
    ) -> None:
        order = stored(market.buy(trader, "1"))

        assert (order.type, order.time_in_force, order.price) == ("market", "ioc", None)
        assert short(order.protection_price or Decimal(0)) == "55000"
        assert short(order.held) == "55055"

    def test_a_market_sell_is_protected_at_the_lower_edge(
        self, market: Market, trader: TradingAccount
    ) -> None:
        order = stored(market.sell(trader, "1"))

        assert short(order.protection_price or Decimal(0)) == "45000"
        assert short(order.held) == "1"

    def test_protection_is_rounded_towards_the_reference(self) -> None:
        market = make_market(reference_price=Decimal("33.33"), price_band=Decimal("0.1"))
        trader = market.trader()

        bought, sold = stored(market.buy(trader, "1")), stored(market.sell(trader, "1"))

        # 36.663 down and 29.997 up, to whole ticks of 0.01.
        assert (short(bought.protection_price or Decimal(0)), short(sold.protection_price or Decimal(0))) == (
            "36.66",
            "30",
        )

    def test_the_command_is_the_order_in_the_engines_integers(
        self, market: Market, trader: TradingAccount
    ) -> None:
        order_id = market.buy(trader, "0.5", "49999.99", post_only=True)

        command = Command.objects.get(order_id=order_id)
        assert (command.kind, command.side, command.order_type, command.time_in_force) == (1, 1, 1, 1)
        assert (command.price_ticks, command.quantity_lots, command.flags) == (4_999_999, 5_000, 1)
        assert (command.shard_id, command.account_id) == (market.shard.id, trader.id)
        assert (command.status, command.position, command.time_us) == ("pending", None, 1_772_452_800_000_000)

    def test_an_order_without_a_client_id_gets_one(self, market: Market, trader: TradingAccount) -> None:
        accepted = market.send(market.request(trader, Side.SELL, 1, 50000))

        assert len(accepted.client_order_id) == 32
        assert (
            OrderIdentity.objects.get(order_id=accepted.order_id).client_order_id == accepted.client_order_id
        )

    def test_numbers_may_have_trailing_zeros(self, market: Market, trader: TradingAccount) -> None:
        order = stored(market.sell(trader, "1.000000000000000000", "50000.00000"))

        assert (short(order.quantity), short(order.price or Decimal(0))) == ("1", "50000")

    def test_the_band_moves_with_the_last_trade(self, market: Market, trader: TradingAccount) -> None:
        market.sell(trader, "1", "45000")
        market.buy(market.trader(), "1", "45000")
        market.drain()

        refusal = denied(market, market.request(trader, Side.SELL, "1", "49500.01"))

        assert refusal.code == Code.PRICE_OUT_OF_BAND
        assert refusal.context["reference"] == "45000"
        assert (refusal.context["low"], refusal.context["high"]) == ("40500", "49500")

    def test_without_a_reference_a_limit_order_needs_no_band(self) -> None:
        market = make_market(reference_price=Decimal(0))

        order = stored(market.sell(market.trader(), "1", "1000000"))

        assert short(order.price or Decimal(0)) == "1000000"


def test_who_sent_it_is_on_the_order_and_the_command(market: Market, trader: TradingAccount) -> None:
    person = Actor.user(user_id=trader.user_id, label="ada", ip="192.0.2.1")

    (accepted,) = submit_orders(
        orders=[market.request(trader, Side.SELL, 1, 50000)], actor=person, source=Source.ADMIN, now=NOW
    )

    assert isinstance(accepted, Accepted)
    order, command = stored(accepted.order_id), Command.objects.get(order_id=accepted.order_id)
    assert (order.actor_id, order.actor_label, order.source) == (trader.user_id, "ada", "admin")
    assert (command.actor_id, command.actor_label, command.kind) == (trader.user_id, "ada", CommandKind.NEW)
