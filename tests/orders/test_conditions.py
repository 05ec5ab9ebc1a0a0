"""What an order may say: every contradiction is refused with the fields at fault, and nothing moves."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import TradingAccount
from orders.models import OrderType, Side, TimeInForce, TriggerBy
from tests.factories import NOW, Market, make_market
from tests.orders.proofs import denied
from tradeplatform.common.errors import Code

pytestmark = pytest.mark.django_db

STOP, STOP_LIMIT = OrderType.STOP, OrderType.STOP_LIMIT
PROFIT = OrderType.TAKE_PROFIT
TRAILING, TRAILING_LIMIT = OrderType.TRAILING_STOP, OrderType.TRAILING_STOP_LIMIT
GTC, IOC, FOK, DAY, GTD = TimeInForce
CLASH = Code.INVALID_COMBINATION
LATER = NOW + timedelta(hours=1)


@pytest.fixture
def trader(market: Market) -> TradingAccount:
    return market.trader(base=10, quote=1_000_000)


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
