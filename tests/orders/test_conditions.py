"""What an order may say: every contradiction is refused with the fields at fault, and nothing moves."""

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
from orders.models import Command, Order, OrderIdentity, OrderType, Side, StpMode, TimeInForce, TriggerBy
from orders.services.requests import ListKind, NewList, NewOrder, fingerprint, list_fingerprints
from tests.factories import NOW, Market, everything_stored, make_market, money, short, stored
from tradeplatform.common.errors import Code, Refusal

pytestmark = pytest.mark.django_db

STOP, STOP_LIMIT = OrderType.STOP, OrderType.STOP_LIMIT
PROFIT, PROFIT_LIMIT = OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT
TRAILING, TRAILING_LIMIT = OrderType.TRAILING_STOP, OrderType.TRAILING_STOP_LIMIT
GTC, IOC, FOK, DAY, GTD = TimeInForce
CLASH = Code.INVALID_COMBINATION
LATER = NOW + timedelta(hours=1)


@pytest.fixture
def market() -> Market:
    return make_market()


@pytest.fixture
def trader(market: Market) -> TradingAccount:
    return market.trader(base=10, quote=1_000_000)


def denied(market: Market, order: NewOrder) -> Refusal:
    """Why the order is denied, having proved that nothing moved and nothing was written."""
    before = everything_stored(), Command.objects.count(), OrderIdentity.objects.count()
    with pytest.raises(Refusal) as caught:
        market.send(order)
    assert (everything_stored(), Command.objects.count(), OrderIdentity.objects.count()) == before
    return caught.value


def terms_of(order_id: int) -> dict[str, int]:
    """What the order's command says to the engine; what is left out is 0."""
    terms: dict[str, int] | None = Command.objects.get(order_id=order_id, kind=1).terms
    assert terms is None or 0 not in terms.values()
    return terms or {}


BUY, SELL = Side.BUY, Side.SELL


def no(
    name: str, code: Code, *named: str, side: Side = SELL, quantity: Any = 1, price: Any = None, **how: Any
) -> Any:
    """An order that is denied with this code and these names in its context."""
    return pytest.param(side, quantity, price, how, code, set(named), id=name)


DENIALS = [
    no("stop without trigger", Code.TRIGGER_PRICE_REQUIRED, kind=STOP),
    no("stop limit without trigger", Code.TRIGGER_PRICE_REQUIRED, price=50000, kind=STOP_LIMIT),
    no("profit without trigger", Code.TRIGGER_PRICE_REQUIRED, kind=PROFIT),
    no("limit with trigger", Code.TRIGGER_PRICE_NOT_ALLOWED, side=BUY, price=50000, trigger=50000),
    no("market with trigger", Code.TRIGGER_PRICE_NOT_ALLOWED, side=BUY, trigger=50000),
    no("trailing with trigger", Code.TRIGGER_PRICE_NOT_ALLOWED, kind=TRAILING, trail=1, trigger=1),
    no("stop with price", Code.PRICE_NOT_ALLOWED, price=50000, kind=STOP, trigger=50000),
    no("stop limit without price", Code.PRICE_REQUIRED, kind=STOP_LIMIT, trigger=50000),
    no(
        "trailing limit with price",
        Code.PRICE_NOT_ALLOWED,
        price=49000,
        kind=TRAILING_LIMIT,
        trail=1,
        offset=1,
    ),
    no("trailing limit without offset", CLASH, "limit_offset", kind=TRAILING_LIMIT, trail=1),
    no("trailing with both trails", CLASH, "trail_amount", kind=TRAILING, trail=1, trail_percent=1),
    no("trailing with none", CLASH, "trail_percent", kind=TRAILING),
    no("trailing by quote", CLASH, "trigger_by", kind=TRAILING, trail=1, by=TriggerBy.QUOTE),
    no("a trail on a stop", CLASH, "trail_amount", kind=STOP, trigger=50000, trail=1),
    no("a step on a limit", CLASH, "trail_step", price=50000, step=1),
    no(
        "an offset on a stop limit",
        CLASH,
        "limit_offset",
        price=50000,
        kind=STOP_LIMIT,
        trigger=50000,
        offset=1,
    ),
    no("trigger_by on a limit", CLASH, "trigger_by", price=50000, by=TriggerBy.LAST),
    no("protection on a limit", CLASH, "protection_price", side=BUY, price=50000, protection=50000),
    no("a slice of a market order", CLASH, "display_quantity", side=BUY, display=1),
    no("a slice of an ioc", CLASH, "display_quantity", side=BUY, price=50000, display=1, tif=IOC),
    no("a slice above the whole", CLASH, "display_quantity", side=BUY, price=50000, display=2),
    no("a slice between lots", Code.QUANTITY_NOT_ON_STEP, side=BUY, price=50000, display="0.00015"),
    no(
        "1,001 slices",
        Code.DISPLAY_QUANTITY_TOO_SMALL,
        "minimum",
        side=BUY,
        quantity="1.001",
        price=50000,
        display="0.001",
    ),
    no("a least of a maker", CLASH, "min_quantity", side=BUY, price=50000, minimum=1, post_only=True),
    no("a least above the whole", CLASH, "min_quantity", side=BUY, price=50000, minimum="1.0001"),
    no("a least between lots", Code.QUANTITY_NOT_ON_STEP, side=BUY, price=50000, minimum="0.00015"),
    no("post-only stop", CLASH, "post_only", side=BUY, kind=STOP, trigger=50000, post_only=True),
    no("market day", CLASH, "time_in_force", side=BUY, tif=DAY),
    no("market gtd", CLASH, "time_in_force", side=BUY, tif=GTD, expires_at=LATER),
    no("gtd without time", Code.EXPIRY_REQUIRED, side=BUY, price=50000, tif=GTD),
    no("gtd now", Code.EXPIRY_IN_PAST, "expires_at", "now", side=BUY, price=50000, tif=GTD, expires_at=NOW),
    no("gtc with time", CLASH, "expires_at", side=BUY, price=50000, expires_at=LATER),
    no("day with time", CLASH, "expires_at", side=BUY, price=50000, tif=DAY, expires_at=LATER),
    no("ioc with time", CLASH, "expires_at", side=BUY, price=50000, tif=IOC, expires_at=LATER),
    no("neither quantity", Code.QUANTITY_REQUIRED, side=BUY, quantity=None),
    no("both quantities", CLASH, "quote_quantity", side=BUY, quote_quantity=1000),
    no(
        "an amount at a limit",
        CLASH,
        "quote_quantity",
        side=BUY,
        quantity=None,
        price=50000,
        quote_quantity=1000,
    ),
    no(
        "an amount of a stop",
        CLASH,
        "quote_quantity",
        side=BUY,
        quantity=None,
        kind=STOP,
        trigger=50000,
        quote_quantity=1000,
    ),
    no("an amount or nothing", CLASH, "time_in_force", side=BUY, quantity=None, tif=FOK, quote_quantity=1000),
    no(
        "a least of an amount", CLASH, "min_quantity", side=BUY, quantity=None, minimum=1, quote_quantity=1000
    ),
    no("an amount of a position", CLASH, "reduce_only", quantity=None, reduce_only=True, quote_quantity=1000),
    no(
        "an amount for less than a lot",
        Code.QUANTITY_TOO_SMALL,
        "minimum",
        side=BUY,
        quantity=None,
        quote_quantity="4.99",
    ),
    no(
        "an amount beyond the most",
        Code.QUANTITY_TOO_LARGE,
        "maximum",
        side=BUY,
        quantity=None,
        quote_quantity=60000000,
    ),
    no(
        "an amount beyond the funds",
        Code.INSUFFICIENT_FUNDS,
        "required",
        side=BUY,
        quantity=None,
        quote_quantity=1000000,
    ),
    no("reduce-only buy", Code.REDUCE_ONLY, side=BUY, price=50000, reduce_only=True),
    no("trigger between ticks", Code.PRICE_NOT_ON_TICK, "trigger_price", kind=STOP, trigger="50000.001"),
    no("trigger zero", Code.INVALID_NUMBER, kind=STOP, trigger=0),
    no("trigger negative", Code.INVALID_NUMBER, kind=STOP, trigger=-1),
    no("trigger NaN", Code.INVALID_NUMBER, kind=STOP, trigger="NaN"),
    no("trigger astronomic", Code.INVALID_NUMBER, kind=STOP, trigger="1E+999999999"),
    no("trail zero", Code.INVALID_NUMBER, kind=TRAILING, trail=0),
    no("trail between ticks", Code.PRICE_NOT_ON_TICK, "trail_amount", kind=TRAILING, trail="0.001"),
    no("trail as long as the price", Code.PRICE_OUT_OF_RANGE, kind=TRAILING, trail=50000),
    no("trail astronomic", Code.PRICE_NOT_ON_TICK, "trail_amount", side=BUY, kind=TRAILING, trail="9" * 18),
    no("step between ticks", Code.PRICE_NOT_ON_TICK, "trail_step", kind=TRAILING, trail=1, step="0.001"),
    no("100 percent", Code.INVALID_NUMBER, "field", kind=TRAILING, trail_percent=100),
    no("three digits of percent", Code.INVALID_NUMBER, "field", kind=TRAILING, trail_percent="1.005"),
    no("0.001 percent", Code.INVALID_NUMBER, "field", kind=TRAILING, trail_percent="0.001"),
    no("offset out of the band", Code.PRICE_OUT_OF_BAND, "low", kind=TRAILING_LIMIT, trail=1, offset=5000),
    no("offset below zero", Code.PRICE_OUT_OF_BAND, "low", kind=TRAILING_LIMIT, trail=1, offset=60000),
    no("offset negative", Code.INVALID_NUMBER, "field", kind=TRAILING_LIMIT, trail=1, offset=-1),
    no(
        "limit far from its trigger",
        Code.PRICE_OUT_OF_BAND,
        "low",
        price=44000,
        kind=STOP_LIMIT,
        trigger=49000,
    ),
    no(
        "protection out of the band",
        Code.PRICE_OUT_OF_BAND,
        "protection_price",
        side=BUY,
        protection="55000.01",
    ),
    no(
        "protection far from the trigger",
        Code.PRICE_OUT_OF_BAND,
        "low",
        kind=STOP,
        trigger=49000,
        protection=44000,
    ),
    no("display negative", Code.INVALID_NUMBER, "field", side=BUY, price=50000, display=-1),
    no("display astronomic", Code.INVALID_NUMBER, "field", side=BUY, price=50000, display="1E+999999999"),
    no("least zero", Code.INVALID_NUMBER, "field", side=BUY, price=50000, minimum=0),
    no("amount zero", Code.INVALID_NUMBER, "field", side=BUY, quantity=None, quote_quantity=0),
    no(
        "amount subatomic",
        Code.INVALID_NUMBER,
        "field",
        side=BUY,
        quantity=None,
        quote_quantity="1E-999999999",
    ),
    no("protection infinite", Code.INVALID_NUMBER, "field", side=BUY, protection="Infinity"),
    no("stop beyond the funds", Code.INSUFFICIENT_FUNDS, "required", side=BUY, kind=STOP, trigger=910000),
    no("stop for too much", Code.INSUFFICIENT_FUNDS, "required", quantity=11, kind=STOP, trigger=49000),
]


class TestDenied:
    @pytest.mark.parametrize(("side", "quantity", "price", "how", "code", "named"), DENIALS)
    def test_with_its_code_and_the_fields_at_fault(
        self,
        market: Market,
        trader: TradingAccount,
        side: Side,
        quantity: Any,
        price: Any,
        how: dict[str, Any],
        code: Code,
        named: set[str],
    ) -> None:
        how = dict(how)
        amount = how.pop("quote_quantity", None)
        order = replace(
            market.request(trader, side, 0, price, **how),
            quantity=None if quantity is None else Decimal(quantity),
            quote_quantity=None if amount is None else Decimal(amount),
        )

        refusal = denied(market, order)

        assert refusal.code == code
        assert refusal.message.endswith((".", "fok"))
        known = set(refusal.context) | set(refusal.context.get("fields", {}))
        assert named <= known

    def test_a_trail_shorter_than_a_tick(self) -> None:
        market = make_market(reference_price=Decimal("0.05"), min_notional=Decimal(0))
        trader = market.trader()

        order = market.request(trader, SELL, 1, kind=TRAILING, trail_percent="19.99")

        # A fifth of five ticks is less than one.
        assert denied(market, order).code == Code.PRICE_OUT_OF_RANGE
        market.send(replace(order, trail_percent=Decimal(20)))

    def test_a_trigger_outside_the_instruments_prices(self) -> None:
        market = make_market(min_price=Decimal(40000), max_price=Decimal(60000))
        trader = market.trader()

        for trigger in ("39999.99", "60000.01"):
            refusal = denied(market, market.request(trader, SELL, 1, kind=STOP, trigger=trigger))
            assert refusal.code == Code.PRICE_OUT_OF_RANGE
            assert refusal.context["trigger_price"] == trigger

    def test_a_trailing_stop_without_anything_to_follow(self) -> None:
        market = make_market(reference_price=Decimal(0))

        refusal = denied(market, market.request(market.trader(), SELL, 1, kind=TRAILING, trail=1))

        assert refusal.code == Code.NO_REFERENCE_PRICE

    def test_a_value_outside_the_limits_at_the_price_it_waits_for(self) -> None:
        market = make_market(min_notional=Decimal(10), max_notional=Decimal(60000))
        trader = market.trader()

        small = denied(market, market.request(trader, SELL, "0.0004", kind=STOP, trigger=20000))
        large = denied(market, market.request(trader, BUY, 1, kind=STOP, trigger="60000.01"))
        amount = denied(
            market, replace(market.request(trader, BUY, 0), quantity=None, quote_quantity=Decimal(9))
        )

        assert (small.code, small.context["notional"]) == (Code.NOTIONAL_TOO_SMALL, "8")
        assert (large.code, large.context["notional"]) == (Code.NOTIONAL_TOO_LARGE, "60000.01")
        assert amount.code == Code.NOTIONAL_TOO_SMALL

    def test_an_amount_of_more_units_than_the_engine_counts(self) -> None:
        market = make_market(
            tick_size=Decimal("0.0001"),
            lot_size=Decimal("0.0001"),
            min_quantity=Decimal("0.0001"),
            max_quantity=Decimal(10) ** 12,
        )
        order = replace(
            market.request(market.trader(), BUY, 0), quantity=None, quote_quantity=Decimal(10) ** 17
        )

        refusal = denied(market, order)

        assert refusal.code == Code.NOTIONAL_TOO_LARGE


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


class TestFingerprint:
    """The same request has the same fingerprint for ever: these texts may never change."""

    PLAIN = NewOrder(
        account_id=1,
        symbol="BTC-USDT",
        side=BUY,
        type=OrderType.LIMIT,
        quantity=Decimal("1.50"),
        price=Decimal(50000),
    )

    def test_of_an_order_without_conditions_is_what_it_always_was(self) -> None:
        assert fingerprint(self.PLAIN) == ("e48e1db23a341dd5c3531680df99fe50ba2faeee8bfb65b1f84f4c2ca5565556")

    @pytest.mark.parametrize(
        "change",
        [
            {"trigger_price": Decimal(1)},
            {"trigger_by": TriggerBy.QUOTE},
            {"trail_amount": Decimal(1)},
            {"trail_percent": Decimal(1)},
            {"trail_step": Decimal(1)},
            {"limit_offset": Decimal(1)},
            {"display_quantity": Decimal(1)},
            {"display_quantity": Decimal(0)},
            {"min_quantity": Decimal(1)},
            {"quote_quantity": Decimal(1)},
            {"protection_price": Decimal(1)},
            {"expires_at": LATER},
            {"reduce_only": True},
            {"time_in_force": DAY},
            {"type": STOP},
            {"quantity": None},
        ],
    )
    def test_knows_every_condition(self, change: dict[str, Any]) -> None:
        assert fingerprint(replace(self.PLAIN, **change)) != fingerprint(self.PLAIN)

    def test_is_the_same_for_the_same_numbers_and_moments(self) -> None:
        one = replace(self.PLAIN, trigger_price=Decimal("1.50"), expires_at=LATER)
        other = replace(
            self.PLAIN,
            trigger_price=Decimal("1.5000"),
            expires_at=LATER.astimezone(timezone(timedelta(hours=-3))),
        )

        assert fingerprint(one) == fingerprint(other)

    def test_of_a_leg_speaks_for_its_list(self) -> None:
        def prints(**change: Any) -> list[str]:
            legs = [self.PLAIN, replace(self.PLAIN, price=Decimal(2), **change)]
            return list_fingerprints(NewList(kind=ListKind.OCO, orders=legs))

        assert prints() == prints()
        assert not set(prints()) & set(prints(client_order_id="x"))
        assert not set(prints()) & {fingerprint(self.PLAIN)}
        assert len(set(prints())) == 2


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
