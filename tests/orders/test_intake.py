"""Intake: what is taken, what is denied and with which words, and that a denial leaves no trace."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import TradingAccount
from audit.actor import Actor
from instruments.models import Instrument, InstrumentStatus
from orders.models import Command, CommandKind, Order, OrderIdentity, OrderType, Side, Source, TimeInForce
from orders.services.intake import MAX_BATCH, submit_orders
from orders.services.requests import Accepted, NewOrder
from tests.factories import (
    ACTOR,
    NOW,
    Market,
    everything_stored,
    make_market,
    money,
    refusal_of,
    short,
    stored,
)
from tradeplatform.common.errors import Code, Refusal

pytestmark = pytest.mark.django_db


@pytest.fixture
def market() -> Market:
    return make_market()


@pytest.fixture
def trader(market: Market) -> TradingAccount:
    return market.trader(base=10, quote=100_000)


def denied(market: Market, order: NewOrder) -> Refusal:
    """Why the order is denied, having proved that nothing moved and nothing was written."""
    before = everything_stored(), Command.objects.count(), OrderIdentity.objects.count()
    with pytest.raises(Refusal) as caught:
        market.send(order)
    assert (everything_stored(), Command.objects.count(), OrderIdentity.objects.count()) == before
    return caught.value


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


def _limit_without_price(market: Market, trader: TradingAccount) -> NewOrder:
    return NewOrder(
        account_id=trader.id, symbol=market.symbol, side=Side.BUY, type=OrderType.LIMIT, quantity=Decimal(1)
    )


def _market_with_price(market: Market, trader: TradingAccount) -> NewOrder:
    return NewOrder(
        account_id=trader.id,
        symbol=market.symbol,
        side=Side.BUY,
        type=OrderType.MARKET,
        quantity=Decimal(1),
        price=Decimal(50000),
    )


INVALID_PAIR = Code.INVALID_COMBINATION
BAD_ID = Code.INVALID_CLIENT_ORDER_ID
Ask = Callable[[Market, TradingAccount], NewOrder]


def ask(side: Side, quantity: Any, price: Any = None, **how: Any) -> Ask:
    """An order the trader will be denied."""
    return lambda market, trader: market.request(trader, side, quantity, price, **how)


FILTERS: list[tuple[str, Ask, Code, dict[str, Any]]] = [
    ("zero", ask(Side.BUY, 0, 50000), Code.INVALID_NUMBER, {"field": "quantity"}),
    ("negative", ask(Side.BUY, -1, 50000), Code.INVALID_NUMBER, {"field": "quantity"}),
    ("not a number", ask(Side.BUY, "NaN", 50000), Code.INVALID_NUMBER, {"field": "quantity"}),
    ("signalling", ask(Side.BUY, "sNaN", 50000), Code.INVALID_NUMBER, {"field": "quantity"}),
    ("infinite", ask(Side.BUY, "Infinity", 50000), Code.INVALID_NUMBER, {"field": "quantity"}),
    ("astronomic", ask(Side.BUY, "1E+999999", 50000), Code.INVALID_NUMBER, {"field": "quantity"}),
    ("subatomic", ask(Side.BUY, "1E-999999", 50000), Code.INVALID_NUMBER, {"field": "quantity"}),
    ("40 digits", ask(Side.BUY, "1" * 40, 50000), Code.INVALID_NUMBER, {"field": "quantity"}),
    ("40 decimals", ask(Side.BUY, "0." + "1" * 40, 50000), Code.INVALID_NUMBER, {"field": "quantity"}),
    ("price zero", ask(Side.BUY, 1, 0), Code.INVALID_NUMBER, {"field": "price"}),
    ("price negative", ask(Side.BUY, 1, -50000), Code.INVALID_NUMBER, {"field": "price"}),
    ("price NaN", ask(Side.BUY, 1, "NaN"), Code.INVALID_NUMBER, {"field": "price"}),
    ("price astronomic", ask(Side.BUY, 1, "1E+999999999"), Code.INVALID_NUMBER, {"field": "price"}),
    ("price subatomic", ask(Side.BUY, 1, "1E-999999999"), Code.INVALID_NUMBER, {"field": "price"}),
    ("below the least", ask(Side.BUY, "0.00001", 50000), Code.QUANTITY_TOO_SMALL, {"minimum": "0.0001"}),
    ("above the most", ask(Side.BUY, "1000.0001", 50000), Code.QUANTITY_TOO_LARGE, {"maximum": "1000"}),
    ("between lots", ask(Side.BUY, "0.00015", 50000), Code.QUANTITY_NOT_ON_STEP, {"step": "0.0001"}),
    ("between ticks", ask(Side.BUY, 1, "50000.001"), Code.PRICE_NOT_ON_TICK, {"tick": "0.01"}),
    ("above the band", ask(Side.BUY, 1, "55000.01"), Code.PRICE_OUT_OF_BAND, {"high": "55000"}),
    ("below the band", ask(Side.SELL, 1, "44999.99"), Code.PRICE_OUT_OF_BAND, {"low": "45000"}),
    ("no price", _limit_without_price, Code.PRICE_REQUIRED, {}),
    ("market price", _market_with_price, Code.PRICE_NOT_ALLOWED, {}),
    ("market gtc", ask(Side.BUY, 1, tif=TimeInForce.GTC), INVALID_PAIR, {}),
    ("post-only market", ask(Side.BUY, 1, post_only=True), INVALID_PAIR, {}),
    (
        "post-only ioc",
        ask(Side.BUY, 1, 50000, post_only=True, tif=TimeInForce.IOC),
        Code.INVALID_COMBINATION,
        {},
    ),
    (
        "post-only fok",
        ask(Side.BUY, 1, 50000, post_only=True, tif=TimeInForce.FOK),
        Code.INVALID_COMBINATION,
        {},
    ),
    ("id empty", ask(Side.BUY, 1, 50000, client_order_id=""), BAD_ID, {"length": 0}),
    (
        "id 37",
        ask(Side.BUY, 1, 50000, client_order_id="a" * 37),
        BAD_ID,
        {"length": 37},
    ),
    (
        "id 300",
        ask(Side.BUY, 1, 50000, client_order_id="a" * 300),
        BAD_ID,
        {"length": 300},
    ),
    ("id NUL", ask(Side.BUY, 1, 50000, client_order_id="a\0b"), BAD_ID, {"length": 3}),
    (
        "id newline",
        ask(Side.BUY, 1, 50000, client_order_id="a\n"),
        BAD_ID,
        {"length": 2},
    ),
    (
        "id rtl",
        ask(Side.BUY, 1, 50000, client_order_id="\u202eab"),
        BAD_ID,
        {"length": 3},
    ),
    (
        "id digits",
        ask(Side.BUY, 1, 50000, client_order_id="\u0661"),
        BAD_ID,
        {"length": 1},
    ),
    (
        "too dear",
        ask(Side.BUY, 2, 50000),
        Code.INSUFFICIENT_FUNDS,
        {"required": "100100", "available": "100000"},
    ),
    ("too much", ask(Side.SELL, "10.0001", 50000), Code.INSUFFICIENT_FUNDS, {"required": "10.0001"}),
]


class TestDenied:
    """Each code once, and that nothing moved."""

    @pytest.mark.parametrize(
        ("order", "code", "context"), [row[1:] for row in FILTERS], ids=[row[0] for row in FILTERS]
    )
    def test_by_a_filter(
        self, market: Market, trader: TradingAccount, order: Ask, code: Code, context: dict[str, Any]
    ) -> None:
        refusal = denied(market, order(market, trader))

        assert refusal.code == code
        assert context.items() <= refusal.context.items()
        assert refusal.message.endswith((".", "/", "-", "fok"))

    @pytest.mark.parametrize("symbol", ["", "NOPE", "a" * 300, "BTC\0", "\ud800", "BTC\u202e"])
    def test_an_unknown_symbol(self, market: Market, trader: TradingAccount, symbol: str) -> None:
        order = NewOrder(
            account_id=trader.id, symbol=symbol, side=Side.BUY, type=OrderType.MARKET, quantity=Decimal(1)
        )

        refusal = denied(market, order)

        assert refusal.code == Code.UNKNOWN_SYMBOL
        refusal.context["symbol"].encode()  # can be sent to a client, whatever was asked for

    @pytest.mark.parametrize("account_id", [0, -1, 2**31, 2**63, 2**200])
    def test_an_unknown_account(self, market: Market, account_id: int) -> None:
        order = NewOrder(
            account_id=account_id,
            symbol=market.symbol,
            side=Side.BUY,
            type=OrderType.MARKET,
            quantity=Decimal(1),
        )

        assert denied(market, order).code == Code.ACCOUNT_NOT_FOUND

    def test_a_closed_account(self, market: Market, trader: TradingAccount) -> None:
        TradingAccount.objects.filter(id=trader.id).update(is_active=False)

        assert denied(market, market.request(trader, Side.SELL, 1, 50000)).code == Code.ACCOUNT_INACTIVE

    def test_a_locked_account(self, market: Market, trader: TradingAccount) -> None:
        TradingAccount.objects.filter(id=trader.id).update(is_locked=True)

        assert denied(market, market.request(trader, Side.SELL, 1, 50000)).code == Code.ACCOUNT_LOCKED

    @pytest.mark.parametrize(
        ("status", "code"),
        [
            (InstrumentStatus.HALTED, Code.INSTRUMENT_HALTED),
            (InstrumentStatus.MAINTENANCE, Code.INSTRUMENT_MAINTENANCE),
            (InstrumentStatus.DELISTED, Code.INSTRUMENT_DELISTED),
        ],
    )
    def test_a_closed_instrument(
        self, market: Market, trader: TradingAccount, status: InstrumentStatus, code: Code
    ) -> None:
        Instrument.objects.filter(id=market.instrument.id).update(status=status)

        assert denied(market, market.request(trader, Side.SELL, 1, 50000)).code == code

    def test_a_market_order_without_a_reference_price(self) -> None:
        market = make_market(reference_price=Decimal(0))

        refusal = denied(market, market.request(market.trader(), Side.BUY, 1))

        assert refusal.code == Code.NO_REFERENCE_PRICE

    def test_values_outside_the_notional_limits(self) -> None:
        market = make_market(min_notional=Decimal(10), max_notional=Decimal(60000))
        trader = market.trader()

        small = denied(market, market.request(trader, Side.BUY, "0.0001", 50000))
        large = denied(market, market.request(trader, Side.BUY, "1.2001", 50000))

        assert (small.code, small.context["notional"]) == (Code.NOTIONAL_TOO_SMALL, "5")
        assert (large.code, large.context["notional"]) == (Code.NOTIONAL_TOO_LARGE, "60005")

    def test_a_price_outside_the_price_range(self) -> None:
        market = make_market(min_price=Decimal(49000), max_price=Decimal(51000))
        trader = market.trader()

        low = denied(market, market.request(trader, Side.BUY, 1, "48999.99"))
        high = denied(market, market.request(trader, Side.BUY, 1, "51000.01"))

        assert {low.code, high.code} == {Code.PRICE_OUT_OF_RANGE}

    def test_more_live_orders_than_allowed(self) -> None:
        market = make_market(max_open_orders=2)
        trader = market.trader()
        market.sell(trader, "1", 51000)
        market.drain()
        market.sell(trader, "1", 51000)

        refusal = denied(market, market.request(trader, Side.SELL, "1", 51000))

        assert (refusal.code, refusal.context["open_orders"]) == (Code.TOO_MANY_OPEN_ORDERS, 2)

    def test_before_any_shard_exists_the_platform_is_unavailable(self) -> None:
        market = make_market()
        trader = market.trader()
        market.book().delete()
        market.shard.delete()

        assert denied(market, market.request(trader, Side.SELL, 1, 50000)).code == Code.UNAVAILABLE


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


class TestIdentity:
    """(account, client order id) names one order for ever."""

    def test_the_same_request_again_is_the_same_order(self, market: Market, trader: TradingAccount) -> None:
        order = market.request(trader, Side.SELL, "1.0", 50000, client_order_id="mine")
        first = market.send(order)
        before = everything_stored()

        again = market.send(market.request(trader, Side.SELL, "1", "50000.00", client_order_id="mine"))

        assert (again.order_id, again.created_at, again.duplicate) == (first.order_id, first.created_at, True)
        assert everything_stored() == before

    def test_another_request_by_the_same_id_is_a_conflict(
        self, market: Market, trader: TradingAccount
    ) -> None:
        market.send(market.request(trader, Side.SELL, 1, 50000, client_order_id="mine"))

        refusal = denied(market, market.request(trader, Side.SELL, 2, 50000, client_order_id="mine"))

        assert (refusal.code, refusal.status) == (Code.CLIENT_ORDER_ID_CONFLICT, 409)

    def test_it_holds_when_the_account_may_no_longer_trade(
        self, market: Market, trader: TradingAccount
    ) -> None:
        first = market.send(market.request(trader, Side.SELL, 1, 50000, client_order_id="mine"))
        TradingAccount.objects.filter(id=trader.id).update(is_locked=True)
        Instrument.objects.filter(id=market.instrument.id).update(status=InstrumentStatus.HALTED)

        again = market.send(market.request(trader, Side.SELL, 1, 50000, client_order_id="mine"))

        assert (again.order_id, again.duplicate) == (first.order_id, True)

    def test_it_is_the_accounts_own(self, market: Market, trader: TradingAccount) -> None:
        first = market.send(market.request(trader, Side.SELL, 1, 50000, client_order_id="mine"))
        other = market.send(market.request(market.trader(), Side.SELL, 1, 50000, client_order_id="mine"))

        assert (other.duplicate, other.order_id != first.order_id) == (False, True)

    def test_a_denied_request_leaves_its_id_free(self, market: Market, trader: TradingAccount) -> None:
        denied(market, market.request(trader, Side.SELL, 11, 50000, client_order_id="mine"))

        accepted = market.send(market.request(trader, Side.SELL, 10, 50000, client_order_id="mine"))

        assert accepted.duplicate is False

    def test_in_one_list_a_repeat_is_the_first_ones_order(
        self, market: Market, trader: TradingAccount
    ) -> None:
        order = market.request(trader, Side.SELL, 1, 50000, client_order_id="mine")

        first, second, third = market.send_all(
            [order, order, market.request(trader, Side.SELL, 2, 50000, client_order_id="mine")]
        )

        assert isinstance(first, Accepted)
        assert isinstance(second, Accepted)
        assert (second.order_id, first.duplicate, second.duplicate) == (first.order_id, False, True)
        assert refusal_of(third).code == Code.CLIENT_ORDER_ID_CONFLICT
        assert Order.objects.filter(account=trader).count() == 1
        assert money(trader, market.instrument.base) == ("10", "1")

    def test_in_one_list_the_name_of_a_denied_request_is_free(
        self, market: Market, trader: TradingAccount
    ) -> None:
        too_much, right, other = market.send_all(
            [
                market.request(trader, Side.SELL, 11, 50000, client_order_id="mine"),
                market.request(trader, Side.SELL, 10, 50000, client_order_id="mine"),
                market.request(trader, Side.SELL, 9, 50000, client_order_id="mine"),
            ]
        )

        assert refusal_of(too_much).code == Code.INSUFFICIENT_FUNDS
        assert isinstance(right, Accepted)
        assert refusal_of(other).code == Code.CLIENT_ORDER_ID_CONFLICT
        assert money(trader, market.instrument.base) == ("10", "10")

    def test_in_one_list_a_repeat_of_a_denied_request_is_denied_like_it(
        self, market: Market, trader: TradingAccount
    ) -> None:
        order = market.request(trader, Side.SELL, 11, 50000, client_order_id="mine")

        outcomes = market.send_all([order, order])

        assert [refusal_of(outcome).code for outcome in outcomes] == [Code.INSUFFICIENT_FUNDS] * 2


def test_who_sent_it_is_on_the_order_and_the_command(market: Market, trader: TradingAccount) -> None:
    person = Actor.user(user_id=trader.user_id, label="ada", ip="192.0.2.1")

    (accepted,) = submit_orders(
        orders=[market.request(trader, Side.SELL, 1, 50000)], actor=person, source=Source.ADMIN, now=NOW
    )

    assert isinstance(accepted, Accepted)
    order, command = stored(accepted.order_id), Command.objects.get(order_id=accepted.order_id)
    assert (order.actor_id, order.actor_label, order.source) == (trader.user_id, "ada", "admin")
    assert (command.actor_id, command.actor_label, command.kind) == (trader.user_id, "ada", CommandKind.NEW)
