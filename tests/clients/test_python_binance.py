"""python-binance, unmodified, pointed at us by its class attribute: a cycle, and its exception for errors."""

from __future__ import annotations

from typing import Any

import pytest
from binance.client import Client
from binance.exceptions import BinanceAPIException

from tests.clients.conftest import Person
from tests.live.desk import Desk
from tests.running import Platform

pytestmark = pytest.mark.live


@pytest.fixture
def venue(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all of its clients call."""
    monkeypatch.setattr(Client, "API_URL", f"{platform.base_url}/api")
    monkeypatch.setattr(Client, "MARGIN_API_URL", f"{platform.base_url}/sapi")


@pytest.fixture
def a(venue: None, alice: Person) -> Any:
    """Alice's; making it pings."""
    return Client(alice.key, alice.secret)


@pytest.fixture
def b(venue: None, bob: Person) -> Any:
    """Bob's."""
    return Client(bob.key, bob.secret)


def limit(desk: Desk, side: str, quantity: str, price: str) -> dict[str, str]:
    """A limit order, good till cancelled."""
    words = {"symbol": desk.symbol, "side": side, "type": "LIMIT", "timeInForce": "GTC"}
    return words | {"quantity": quantity, "price": price}


def test_market_data(a: Any, b: Any, desk: Desk) -> None:
    a.create_order(**limit(desk, "BUY", "1", "49000"))
    b.create_order(**limit(desk, "SELL", "0.25", "49000"))

    assert a.ping() == {}
    assert a.get_server_time()["serverTime"] > 0
    assert a.get_symbol_info(desk.symbol)["baseAsset"] == desk.instrument.base.code
    assert a.get_order_book(symbol=desk.symbol)["bids"] == [["49000.00000000", "0.75000000"]]
    assert [row["qty"] for row in a.get_recent_trades(symbol=desk.symbol)] == ["0.25000000"]
    assert [row["q"] for row in a.get_aggregate_trades(symbol=desk.symbol)] == ["0.25000000"]
    assert a.get_klines(symbol=desk.symbol, interval="1m")[-1][4] == "49000.00000000"
    assert a.get_symbol_ticker(symbol=desk.symbol)["price"] == "49000.00000000"
    assert a.get_ticker(symbol=desk.symbol)["count"] == 1
    assert a.get_orderbook_ticker(symbol=desk.symbol)["bidQty"] == "0.75000000"
    assert [row["symbol"] for row in a.get_trade_fee(symbol=desk.symbol)] == [desk.symbol]


def test_orders(a: Any, desk: Desk) -> None:
    order = a.create_order(**limit(desk, "BUY", "1", "49000"))

    assert a.get_order(symbol=desk.symbol, orderId=order["orderId"])["status"] == "NEW"
    assert len(a.get_open_orders(symbol=desk.symbol)) == 1
    # It sends the parameters of a DELETE in the form.
    assert a.cancel_order(symbol=desk.symbol, orderId=order["orderId"])["status"] == "CANCELED"
    assert [row["status"] for row in a.get_all_orders(symbol=desk.symbol)] == ["CANCELED"]
    assert a.create_test_order(**limit(desk, "BUY", "1", "49000")) == {}
    assert a.get_open_orders(symbol=desk.symbol) == []


def test_one_cancels_the_other(a: Any, desk: Desk) -> None:
    placed = a.create_oco_order(
        symbol=desk.symbol,
        side="SELL",
        quantity="1",
        aboveType="LIMIT_MAKER",
        abovePrice="52000",
        belowType="STOP_LOSS",
        belowStopPrice="48000",
    )

    above, below = (row["orderId"] for row in placed["orders"])
    assert a.cancel_order(symbol=desk.symbol, orderId=above)["status"] == "CANCELED"
    assert a.get_order(symbol=desk.symbol, orderId=below)["status"] == "EXPIRED"


def test_account(a: Any, alice: Person, desk: Desk) -> None:
    assert a.get_account()["uid"] == alice.trader.account
    assert a.get_asset_balance(asset=desk.instrument.base.code)["free"] == "100.00000000"
    assert a.get_my_trades(symbol=desk.symbol) == []


def test_errors_have_code_status_and_text(a: Any, desk: Desk) -> None:
    with pytest.raises(BinanceAPIException) as caught:
        a.create_order(**limit(desk, "BUY", "900", "50000"))
    error = caught.value
    assert (error.code, error.status_code, error.message) == (
        -2010,
        400,
        "Account has insufficient balance for requested action.",
    )
