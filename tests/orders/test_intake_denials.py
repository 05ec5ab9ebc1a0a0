"""Intake: what is denied and with which words, and that a denial leaves no trace."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import TradingAccount
from instruments.models import Instrument, InstrumentStatus
from orders.models import OrderType, Side, TimeInForce
from orders.services.requests import NewOrder
from tests.factories import Market, make_market
from tests.orders.proofs import denied
from tradeplatform.common.errors import Code

pytestmark = pytest.mark.django_db


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
