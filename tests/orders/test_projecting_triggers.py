"""Orders that wait for a price, follow it, spend an amount, or run out of time: what events make of them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from accounts.models import TradingAccount
from instruments.selectors import rules_by_id
from orders.models import EventKind, OrderStatus, OrderType, Side, TimeInForce, TriggerBy
from orders.selectors import depth
from orders.services.expiring import expire_due
from tests.factories import NOW, Market, make_market, money, short, stored

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(minutes=5)


@pytest.fixture
def market() -> Market:
    return make_market()


@pytest.fixture
def buyer(market: Market) -> TradingAccount:
    return market.trader()


@pytest.fixture
def seller(market: Market) -> TradingAccount:
    return market.trader()


def trade_at(market: Market, price: int, quantity: str | int = 1) -> None:
    """Two strangers trade at a price, and nothing of theirs is left."""
    market.sell(market.trader(), quantity, price)
    market.buy(market.trader(), quantity, price)
    market.drain()


def prices(order_id: int) -> tuple[str, ...]:
    """(trigger, limit, protection) as short text, empty where there is none."""
    order = stored(order_id)
    return tuple(
        "" if value is None else short(value)
        for value in (order.trigger_price, order.price, order.protection_price)
    )


class TestStops:
    """Parked, then triggered."""

    def test_a_stop_is_parked_and_holds_what_it_costs_at_its_worst(
        self, market: Market, buyer: TradingAccount
    ) -> None:
        order_id = market.buy(buyer, 1, kind=OrderType.STOP, trigger=50100)
        market.drain()

        order = stored(order_id)
        assert (order.status, short(order.leaves), order.priority, order.triggered_at) == (
            "pending_trigger",
            "1",
            1,
            None,
        )
        # The edge of the band above the trigger: 50100 x 1.1, and 0.1 % of it.
        assert prices(order_id) == ("50100", "", "55110")
        assert money(buyer, market.instrument.quote) == ("10000000", "55165.11")
        rules = rules_by_id([market.instrument.id])[market.instrument.id]
        assert (depth(rules).bids, depth(rules).seq) == ([], 1)

    def test_a_trade_at_the_trigger_makes_it_a_market_order(
        self, market: Market, buyer: TradingAccount, seller: TradingAccount
    ) -> None:
        order_id = market.buy(buyer, 1, kind=OrderType.STOP, trigger=50100)
        market.sell(seller, 2, 50100)
        market.drain()

        market.buy(market.trader(), 1, 50100)
        market.drain(now=LATER)

        order = stored(order_id)
        assert market.events()[-4:] == [
            EventKind.ACCEPTED,
            EventKind.TRADE,
            EventKind.TRIGGERED,
            EventKind.TRADE,
        ]
        assert (order.status, order.triggered_at, short(order.filled)) == ("filled", NOW, "1")
        assert (order.priority, order.last_seq) == (5, 6)
        # 50100 and 0.1 % of it; the rest of the hold is free again.
        assert money(buyer, market.instrument.quote) == ("9949849.9", "0")

    def test_a_stop_limit_rests_at_its_limit_with_the_place_of_its_trigger(
        self, market: Market, buyer: TradingAccount
    ) -> None:
        order_id = market.buy(buyer, 1, 50090, kind=OrderType.STOP_LIMIT, trigger=50100)
        market.drain()
        trade_at(market, 50100)

        order = stored(order_id)
        assert (order.status, order.triggered_at, order.priority) == ("open", NOW, 5)
        assert market.events()[-1] == EventKind.TRIGGERED
        assert money(buyer, market.instrument.quote)[1] == "50140.09"

    def test_a_take_profit_by_quote_watches_the_best_bid(
        self, market: Market, seller: TradingAccount
    ) -> None:
        order_id = market.sell(
            seller, 1, 50190, kind=OrderType.TAKE_PROFIT_LIMIT, trigger=50200, by=TriggerBy.QUOTE
        )
        trade_at(market, 50200)
        assert stored(order_id).status == OrderStatus.PENDING_TRIGGER

        market.buy(market.trader(), "0.25", 50200)
        market.drain()

        order = stored(order_id)
        assert (order.status, short(order.filled), short(order.held)) == ("partially_filled", "0.25", "0.75")
        assert market.trades()[-1] == ("0.25", "50200")

    def test_a_market_order_that_finds_nobody_ends(self, market: Market, seller: TradingAccount) -> None:
        order_id = market.sell(seller, 1, kind=OrderType.STOP, trigger=49900)
        market.drain()
        trade_at(market, 49900)

        order = stored(order_id)
        assert (order.status, order.reason, short(order.held)) == ("cancelled", "no_liquidity", "0")
        assert order.triggered_at == NOW

    def test_a_new_trigger_moves_the_protection_by_amendment_alone(
        self, market: Market, buyer: TradingAccount
    ) -> None:
        order_id = market.buy(buyer, 1, kind=OrderType.STOP, trigger=50100, protection=52000)
        market.drain()

        market.amend(order_id, buyer, trigger=50200, quantity=2)
        market.drain()

        assert market.events()[-2:] == [EventKind.AMENDED, EventKind.TRAILED]
        order = stored(order_id)
        # 52000 / 50100 x 50200, down to a tick: the door keeps the proportion.
        assert prices(order_id) == ("50200", "", "52103.79")
        assert (short(order.quantity), order.priority, order.status) == ("2", 1, "pending_trigger")
        assert money(buyer, market.instrument.quote)[1] == short(order.held) == "104311.78758"

    def test_a_parked_order_can_be_cancelled(self, market: Market, buyer: TradingAccount) -> None:
        order_id = market.buy(buyer, 1, kind=OrderType.STOP, trigger=50100)
        market.cancel(order_id, buyer)
        market.drain()

        order = stored(order_id)
        assert (order.status, order.reason, order.triggered_at) == ("cancelled", "client", None)
        assert money(buyer, market.instrument.quote) == ("10000000", "0")


class TestTrailing:
    """A trigger that follows, and the price that keeps its distance from it."""

    def test_the_protection_of_a_trailing_stop_moves_with_it(
        self, market: Market, seller: TradingAccount
    ) -> None:
        order_id = market.sell(seller, 1, kind=OrderType.TRAILING_STOP, trail=100)
        market.drain()
        assert prices(order_id) == ("49900", "", "44910")

        trade_at(market, 50050)

        assert prices(order_id) == ("49950", "", "44960")
        assert market.events()[-1] == EventKind.TRAILED
        assert stored(order_id).priority == 1

    def test_it_moves_by_whole_steps(self, market: Market, seller: TradingAccount) -> None:
        order_id = market.sell(seller, 1, kind=OrderType.TRAILING_STOP, trail=100, step=20)
        market.drain()
        trade_at(market, 50050)

        assert prices(order_id) == ("49940", "", "44950")

    def test_the_limit_of_a_trailing_stop_limit_keeps_its_offset(
        self, market: Market, buyer: TradingAccount
    ) -> None:
        order_id = market.buy(buyer, 1, kind=OrderType.TRAILING_STOP_LIMIT, trail_percent="0.5", offset=10)
        market.drain()
        assert prices(order_id) == ("50250", "50260", "")
        held = money(buyer, market.instrument.quote)[1]

        trade_at(market, 49000)

        # 49000 and half a percent; a lower limit holds less.
        assert prices(order_id) == ("49245", "49255", "")
        assert (held, money(buyer, market.instrument.quote)[1]) == ("50310.26", "49304.255")

    def test_it_goes_live_when_the_price_turns(self, market: Market, seller: TradingAccount) -> None:
        order_id = market.sell(seller, 1, kind=OrderType.TRAILING_STOP_LIMIT, trail=100, offset=10)
        market.drain()
        trade_at(market, 50050)
        trade_at(market, 49950)

        order = stored(order_id)
        assert (order.status, order.price, order.triggered_at) == ("open", 49940, NOW)

    @pytest.mark.parametrize("kind", [OrderType.TRAILING_STOP, OrderType.TRAILING_STOP_LIMIT])
    def test_a_match_that_moves_it_and_then_triggers_it_says_so_by_its_price(
        self, market: Market, seller: TradingAccount, kind: OrderType
    ) -> None:
        offset = {"offset": 10} if kind == OrderType.TRAILING_STOP_LIMIT else {}
        order_id = market.sell(seller, 1, kind=kind, trail=100, **offset)  # type: ignore[arg-type]
        bidder = market.trader()
        market.buy(bidder, 1, 50050)
        market.buy(bidder, 1, 49940)
        market.sell(market.trader(), 2, 49940)
        market.drain()

        assert market.trades() == [("1", "50050"), ("1", "49940")]
        assert EventKind.TRAILED not in market.events()
        assert stored(order_id).triggered_at == NOW
        assert prices(order_id) == (("49950", "49940", "") if offset else ("49950", "", "44960"))


class TestAmounts:
    """A market order for an amount of quote."""

    def test_a_buyer_spends_the_amount_and_pays_fees_on_top(
        self, market: Market, buyer: TradingAccount, seller: TradingAccount
    ) -> None:
        market.sell(seller, 1, 50000)
        market.sell(seller, 3, 50010)
        order_id = market.buy(buyer, 0, amount=100_000)
        assert money(buyer, market.instrument.quote)[1] == "100100"
        assert (short(stored(order_id).quantity), short(stored(order_id).leaves)) == ("0", "0")

        market.drain()

        order = stored(order_id)
        # 50000, then 0.9998 at 50010; 0.002 does not pay another lot.
        assert market.trades() == [("1", "50000"), ("0.9998", "50010")]
        assert (order.status, order.reason) == ("filled", "")
        assert [short(value) for value in (order.quantity, order.filled, order.leaves, order.held)] == [
            "1.9998",
            "1.9998",
            "0",
            "0",
        ]
        assert short(order.filled_notional) == "99999.998"
        assert money(buyer, market.instrument.quote) == ("9899900.002002", "0")

    def test_a_seller_holds_what_brings_the_amount_at_his_worst_price(
        self, market: Market, buyer: TradingAccount, seller: TradingAccount
    ) -> None:
        market.buy(buyer, 1, 49990)
        order_id = market.sell(seller, 0, amount=50_000)
        # 50000 / 45000, up to a lot.
        assert money(seller, market.instrument.base) == ("100", "1.1112")

        market.drain()

        order = stored(order_id)
        assert (order.status, order.reason) == ("cancelled", "no_liquidity")
        assert (short(order.quantity), short(order.filled)) == ("1", "1")
        assert money(seller, market.instrument.base) == ("99", "0")

    def test_one_that_buys_nothing_is_cancelled(self, market: Market, buyer: TradingAccount) -> None:
        order_id = market.buy(buyer, 0, amount=50_000)
        market.drain()

        order = stored(order_id)
        assert (order.status, order.reason, short(order.quantity)) == ("cancelled", "no_liquidity", "0")
        assert money(buyer, market.instrument.quote) == ("10000000", "0")


class TestTime:
    """What runs out."""

    def test_an_order_good_till_a_date_expires(self, market: Market, buyer: TradingAccount) -> None:
        order_id = market.buy(buyer, 1, 49000, tif=TimeInForce.GTD, expires_at=LATER)
        market.drain()
        assert stored(order_id).status == "open"

        assert expire_due(now=LATER) == [market.instrument.id]
        market.drain(now=LATER)

        order = stored(order_id)
        assert (order.status, order.reason, short(order.held)) == ("expired", "expired", "0")
        assert market.events() == [EventKind.ACCEPTED, EventKind.CANCELLED, EventKind.TIME]

    def test_so_does_one_that_waits_for_its_trigger(self, market: Market, seller: TradingAccount) -> None:
        order_id = market.sell(
            seller, 1, kind=OrderType.STOP, trigger=49000, tif=TimeInForce.GTD, expires_at=LATER
        )
        market.drain()
        expire_due(now=LATER)
        market.drain(now=LATER)

        assert (stored(order_id).status, stored(order_id).triggered_at) == ("expired", None)

    def test_what_came_too_late_is_rejected(self, market: Market, buyer: TradingAccount) -> None:
        order_id = market.buy(buyer, 1, 49000, tif=TimeInForce.GTD, expires_at=LATER)
        market.send(market.request(buyer, Side.BUY, 1, 49000), now=LATER)
        late = market.buy(buyer, 1, 49000, tif=TimeInForce.GTD, expires_at=LATER)
        market.drain()

        assert (stored(order_id).status, stored(late).status, stored(late).reason) == (
            "expired",
            "rejected",
            "expired",
        )


class TestConditions:
    """Minimum quantity and position."""

    @pytest.mark.parametrize(("minimum", "status"), [(2, "rejected"), (1, "partially_filled")])
    def test_a_minimum_quantity_must_be_met_at_once(
        self, market: Market, buyer: TradingAccount, seller: TradingAccount, minimum: int, status: str
    ) -> None:
        market.sell(seller, 1, 50000)
        order_id = market.buy(buyer, 3, 50000, minimum=minimum)
        market.drain()

        order = stored(order_id)
        assert order.status == status
        assert order.reason == ("min_quantity" if status == "rejected" else "")

    def test_an_order_is_cut_to_its_position(self, market: Market) -> None:
        seller = market.trader(base="1.5")
        order_id = market.sell(seller, 2, 50000, reduce_only=True)
        assert money(seller, market.instrument.base) == ("1.5", "1.5")

        market.drain()

        order = stored(order_id)
        assert market.events() == [EventKind.ACCEPTED, EventKind.REDUCED]
        assert [short(value) for value in (order.quantity, order.leaves, order.prevented, order.held)] == [
            "2",
            "1.5",
            "0.5",
            "1.5",
        ]
        assert order.status == "open"
