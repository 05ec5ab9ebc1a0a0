"""What the engine is told of an order's conditions, and that they cost no more than a plain order."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import TradingAccount
from instruments.models import Instrument
from orders.models import Command, Order, OrderType, Side, StpMode, TimeInForce, TriggerBy
from orders.services.requests import NewOrder
from tests.factories import NOW, Market, make_market, money, short, stored
from tests.orders.proofs import denied
from tradeplatform.common.errors import Code

pytestmark = pytest.mark.django_db

STOP, STOP_LIMIT = OrderType.STOP, OrderType.STOP_LIMIT
PROFIT, PROFIT_LIMIT = OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT
TRAILING, TRAILING_LIMIT = OrderType.TRAILING_STOP, OrderType.TRAILING_STOP_LIMIT
FOK, DAY, GTD = TimeInForce.FOK, TimeInForce.DAY, TimeInForce.GTD
BUY, SELL = Side.BUY, Side.SELL
LATER = NOW + timedelta(hours=1)


def terms_of(order_id: int) -> dict[str, int]:
    """What the order's command says to the engine; what is left out is 0."""
    terms: dict[str, int] | None = Command.objects.get(order_id=order_id, kind=1).terms
    assert terms is None or 0 not in terms.values()
    return terms or {}


class TestTerms:
    """What the engine is told, and what the order says."""

    def test_a_plain_order_has_none(self, market: Market, trader: TradingAccount) -> None:
        for order_id in (
            market.buy(trader, 1, 50000),
            market.sell(trader, 1),
            market.sell(trader, 1, 51000, tif=FOK),
        ):
            assert Command.objects.get(order_id=order_id).terms is None

    @pytest.mark.parametrize(
        ("side", "price", "how", "terms", "price_ticks", "code"),
        [
            (
                SELL,
                None,
                {"kind": STOP, "trigger": 49000},
                {"trigger": 1, "trigger_price": 4_900_000},
                4_410_000,
                2,
            ),
            (
                SELL,
                48900,
                {"kind": STOP_LIMIT, "trigger": 49000, "by": TriggerBy.QUOTE},
                {"trigger": 1, "source": 1, "trigger_price": 4_900_000},
                4_890_000,
                1,
            ),
            (
                BUY,
                None,
                {"kind": PROFIT, "trigger": 49000},
                {"trigger": 2, "trigger_price": 4_900_000},
                5_390_000,
                2,
            ),
            (
                BUY,
                49100,
                {"kind": PROFIT_LIMIT, "trigger": 49000},
                {"trigger": 2, "trigger_price": 4_900_000},
                4_910_000,
                1,
            ),
            (
                SELL,
                None,
                {"kind": TRAILING, "trail": "500.01"},
                {"trigger": 3, "trigger_price": 4_949_999, "distance": 50_001, "step": 1},
                4_455_000,
                2,
            ),
            (
                BUY,
                None,
                {"kind": TRAILING_LIMIT, "trail_percent": "0.01", "step": "0.5", "offset": 0},
                {"trigger": 4, "trigger_price": 5_000_500, "distance": 1, "step": 50},
                5_000_500,
                1,
            ),
            (BUY, 50000, {"display": "0.1"}, {"flags": 1, "display": 1_000}, 5_000_000, 1),
            (BUY, 50000, {"display": 0}, {"flags": 1}, 5_000_000, 1),
            (BUY, 50000, {"minimum": "0.5"}, {"min_quantity": 5_000}, 5_000_000, 1),
            (
                BUY,
                50000,
                {"tif": GTD, "expires_at": LATER},
                {"expires": 1_772_456_400_000_000},
                5_000_000,
                1,
            ),
            (BUY, None, {"protection": 50100}, {}, 5_010_000, 2),
            (SELL, 51000, {"reduce_only": True}, {"position_limit": 100_000}, 5_100_000, 1),
        ],
    )
    def test_say_what_the_order_says(
        self,
        market: Market,
        trader: TradingAccount,
        side: Side,
        price: Any,
        how: dict[str, Any],
        terms: dict[str, int],
        price_ticks: int,
        code: int,
    ) -> None:
        order_id = market.send(market.request(trader, side, 1, price, **how)).order_id

        command = Command.objects.get(order_id=order_id)
        assert terms_of(order_id) == terms
        assert (command.price_ticks, command.order_type, command.quantity_lots) == (price_ticks, code, 10_000)
        order = stored(order_id)
        assert order.type == how.get("kind", OrderType.MARKET if price is None else OrderType.LIMIT)
        market.drain()
        assert stored(order_id).status != "rejected" or "minimum" in how

    def test_an_amount_is_rounded_down_to_what_the_engine_counts(
        self, market: Market, trader: TradingAccount
    ) -> None:
        asked = replace(market.request(trader, BUY, 0), quantity=None, quote_quantity=Decimal("99.9999999"))

        order_id = market.send(asked).order_id

        order = stored(order_id)
        assert terms_of(order_id) == {"budget": 99_999_999}
        assert (short(order.quote_quantity or Decimal(0)), order.quantity, order.leaves) == (
            "99.999999",
            0,
            0,
        )
        assert short(order.held) == "100.099999"

    def test_a_moment_may_come_in_any_zone(self, market: Market, trader: TradingAccount) -> None:
        at = LATER.astimezone(timezone(timedelta(hours=5, minutes=30)))

        order = stored(market.buy(trader, "0.1", 50000, tif=GTD, expires_at=at))

        assert order.expires_at == LATER

    def test_an_order_that_waits_for_its_trigger_may_expire_whatever_it_does_then(
        self, market: Market, trader: TradingAccount
    ) -> None:
        order = stored(market.sell(trader, 1, kind=STOP, trigger=49000, tif=FOK, expires_at=LATER))

        assert (order.time_in_force, order.expires_at) == ("fok", LATER)

    def test_a_reduce_only_order_counts_whole_lots_of_what_is_available(self) -> None:
        market = make_market()
        trader = market.trader(base="1.00019999")
        market.sell(trader, "0.4", 51000)

        order_id = market.sell(trader, 5, 50500, reduce_only=True)

        assert terms_of(order_id) == {"position_limit": 6_001}
        order = stored(order_id)
        assert [short(n) for n in (order.quantity, order.leaves, order.prevented, order.held)] == [
            "5", "0.6001", "4.3999", "0.6001",
        ]  # fmt: skip
        market.drain()
        order = stored(order_id)
        assert [short(n) for n in (order.leaves, order.prevented, order.held)] == [
            "0.6001",
            "4.3999",
            "0.6001",
        ]
        assert money(trader, market.instrument.base) == ("1.00019999", "1.0001")

    def test_the_numbers_of_an_order_are_what_was_asked(self, market: Market, trader: TradingAccount) -> None:
        order = stored(
            market.sell(trader, 1, kind=TRAILING, trail_percent="2.5", step="0.1", tif=DAY, protection=44000)
        )

        assert (order.trail_bps, order.trail_amount, order.trail_step) == (250, None, Decimal("0.1"))
        assert (order.trigger_price, order.trigger_by) == (48750, "last")
        assert (order.protection_price, order.price) == (44000, None)
        assert order.expires_at == datetime(2026, 3, 3, tzinfo=UTC)


class TestCosts:
    def test_a_plain_order_needs_no_query_more_than_one_with_conditions(
        self, market: Market, trader: TradingAccount
    ) -> None:
        def queries(order: NewOrder) -> int:
            with CaptureQueriesContext(connection) as captured:
                market.send(order)
            return len(captured)

        plain = queries(market.request(trader, SELL, 1, 51000))
        stop = queries(market.request(trader, SELL, 1, kind=STOP, trigger=49000))
        iceberg = queries(market.request(trader, SELL, 1, 51000, display="0.1", tif=DAY))

        assert plain == stop == iceberg


class TestMixedList:
    def test_stops_stand_beside_plain_orders_and_cancels(
        self, market: Market, trader: TradingAccount
    ) -> None:
        outcomes = market.send_all(
            [
                market.request(trader, SELL, 1, kind=STOP, trigger=49000, client_order_id="a"),
                market.request(trader, SELL, 1, 51000),
                market.request(trader, SELL, 1, kind=STOP, client_order_id="b"),
                market.request(trader, SELL, 1, kind=STOP, trigger=49000, client_order_id="a"),
                market.request(trader, SELL, 1, kind=STOP, trigger=48000, client_order_id="a"),
            ]
        )

        codes = [str(outcome.refusal.code) if hasattr(outcome, "refusal") else "" for outcome in outcomes]
        assert codes == ["", "", "trigger_price_required", "", "client_order_id_conflict"]
        assert Order.objects.count() == 2
        market.drain()
        assert set(Order.objects.values_list("status", flat=True)) == {"pending_trigger", "open"}

    def test_a_parked_order_counts_as_live(self, market: Market, trader: TradingAccount) -> None:
        Instrument.objects.filter(id=market.instrument.id).update(max_open_orders=1)
        market.sell(trader, 1, kind=STOP, trigger=49000, stp=StpMode.DECREMENT)
        market.drain()

        assert denied(market, market.request(trader, SELL, 1, 51000)).code == Code.TOO_MANY_OPEN_ORDERS
