"""ccxt, unmodified, pointed at us by its `urls` option: a whole cycle, and its exceptions for our errors."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import ccxt
import pytest

from instruments.models import Realm
from tests.clients.conftest import Person, person
from tests.live.desk import Desk
from tests.running import Platform

pytestmark = pytest.mark.live


def exchange(platform: Platform, person: Person | None = None, **more: Any) -> Any:
    """A client as a bot makes one; nothing of it is changed but where it calls."""
    base = platform.base_url
    urls = {"public": f"{base}/api/v3", "private": f"{base}/api/v3", "sapi": f"{base}/sapi/v1"}
    keys = {} if person is None else {"apiKey": person.key, "secret": person.secret}
    return ccxt.binance(
        {
            "urls": {"api": urls},
            "options": {"fetchMarkets": {"types": ["spot"]}},
            "enableRateLimit": False,
            **keys,
            **more,
        }
    )


@pytest.fixture
def a(platform: Platform, alice: Person) -> Any:
    """Alice's."""
    return exchange(platform, alice)


@pytest.fixture
def b(platform: Platform, bob: Person) -> Any:
    """Bob's."""
    return exchange(platform, bob)


@pytest.fixture
def symbol(desk: Desk) -> str:
    """As ccxt spells it."""
    return f"{desk.instrument.base.code}/{desk.instrument.quote.code}"


class TestMarketData:
    def test_load_markets(self, a: Any, symbol: str, desk: Desk) -> None:
        market = a.load_markets()[symbol]

        assert (market["id"], market["active"], market["spot"]) == (desk.symbol, True, True)
        assert market["precision"]["price"] == 0.01
        assert market["precision"]["amount"] == 0.0001
        assert market["limits"]["amount"] == {"min": 0.0001, "max": 1000.0}

    def test_fetch_status(self, a: Any) -> None:
        assert a.fetch_status()["status"] == "ok"

    def test_fetch_order_book(self, a: Any, symbol: str) -> None:
        a.create_order(symbol, "limit", "buy", 1, 49000)
        a.create_order(symbol, "limit", "sell", 2, 51000)

        book = a.fetch_order_book(symbol, 5)

        assert (book["bids"], book["asks"]) == ([[49000.0, 1.0]], [[51000.0, 2.0]])
        assert book["nonce"] > 0

    def test_fetch_ticker_trades_and_candles(self, a: Any, b: Any, symbol: str) -> None:
        since = int(time.time() * 1_000) - 1_000
        b.create_order(symbol, "limit", "sell", 1, 50000)
        a.create_order(symbol, "market", "buy", 0.25)

        ticker = a.fetch_ticker(symbol)
        (trade,) = a.fetch_trades(symbol, since)
        candles = a.fetch_ohlcv(symbol, "1m")

        assert (ticker["last"], ticker["ask"], ticker["askVolume"]) == (50000.0, 50000.0, 0.75)
        assert (trade["price"], trade["amount"], trade["side"]) == (50000.0, 0.25, "buy")
        # The last one is empty where a minute has begun since.
        minute = trade["timestamp"] // 60_000 * 60_000
        (candle,) = [one for one in candles if one[0] == minute]
        assert candle[1:] == [50000.0, 50000.0, 50000.0, 50000.0, 0.25]
        assert symbol in a.fetch_tickers([symbol])
        assert a.fetch_bids_asks([symbol])[symbol]["ask"] == 50000.0


class TestDemo:
    """A pair of assets has a live market and a demo one; a demo account's client loads the demo ones only."""

    @pytest.fixture
    def demo(self, platform: Platform, desk: Desk) -> Iterator[Desk]:
        """The demo market of the same assets."""
        live = desk.instrument
        with Desk(
            platform, symbol=f"{live.symbol}-DEMO", base=live.base, quote=live.quote, realm=Realm.DEMO
        ) as demo:
            yield demo

    def test_loads_the_demo_markets_and_trades_there(
        self, platform: Platform, desk: Desk, demo: Desk, symbol: str, alice: Person
    ) -> None:
        a, b = exchange(platform, person(demo)), exchange(platform, person(demo))
        for client in (a, b):
            client.load_markets(params={"symbols": f'["{demo.symbol}"]'})
            assert client.market(symbol)["id"] == demo.symbol

        order = a.create_order(symbol, "limit", "sell", 1, 50000)
        assert order["info"]["symbol"] == demo.symbol
        assert b.create_order(symbol, "market", "buy", 0.25)["filled"] == 0.25
        assert a.fetch_order_book(symbol)["asks"] == [[50000.0, 0.75]]
        assert [row["id"] for row in a.fetch_open_orders(symbol)] == [order["id"]]
        assert a.fetch_balance()[demo.instrument.base.code]["total"] == 99.75
        assert desk.depth() == ([], [])

        assert exchange(platform, alice).load_markets()[symbol]["id"] == desk.symbol


class TestAccount:
    def test_fetch_balance(self, a: Any, symbol: str, desk: Desk) -> None:
        a.create_order(symbol, "limit", "sell", 40, 50000)

        balance = a.fetch_balance()

        assert balance[desk.instrument.base.code] == {"free": 60.0, "used": 40.0, "total": 100.0}

    def test_fetch_trading_fee(self, a: Any, symbol: str) -> None:
        fee = a.fetch_trading_fee(symbol)

        assert (fee["maker"], fee["taker"]) == (0.0005, 0.001)


class TestOrders:
    def test_a_limit_order_from_beginning_to_end(self, a: Any, b: Any, symbol: str) -> None:
        order = a.create_order(symbol, "limit", "buy", 1, 49000)
        assert (order["status"], order["filled"], order["clientOrderId"][:10]) == ("open", 0.0, "x-TKT5PX2F")
        assert [row["id"] for row in a.fetch_open_orders(symbol)] == [order["id"]]

        b.create_order(symbol, "limit", "sell", 0.25, 49000)
        found = a.fetch_order(order["id"], symbol)
        named = a.fetch_order("", symbol, {"origClientOrderId": order["clientOrderId"]})
        assert (found["filled"], found["remaining"], found["average"]) == (0.25, 0.75, 49000.0)
        assert named == found

        (trade,) = a.fetch_my_trades(symbol)
        assert (trade["order"], trade["takerOrMaker"], trade["fee"]["cost"]) == (order["id"], "maker", 6.125)

        cancelled = a.cancel_order(order["id"], symbol)
        assert (cancelled["status"], cancelled["filled"]) == ("canceled", 0.25)
        assert a.fetch_open_orders(symbol) == []
        assert [row["id"] for row in a.fetch_canceled_orders(symbol)] == [order["id"]]

    def test_a_market_order_is_answered_with_its_fills(self, a: Any, b: Any, symbol: str) -> None:
        b.create_order(symbol, "limit", "sell", 0.4, 50000)
        b.create_order(symbol, "limit", "sell", 1, 50001)

        order = a.create_order(symbol, "market", "buy", 0.5)

        assert (order["status"], order["filled"], order["cost"]) == ("closed", 0.5, 25000.1)
        fills = [(fill["price"], fill["amount"]) for fill in order["trades"]]
        assert fills == [(50000.0, 0.4), (50001.0, 0.1)]
        assert [row["id"] for row in a.fetch_closed_orders(symbol)] == [order["id"]]

    def test_a_market_order_for_its_cost(self, a: Any, b: Any, symbol: str) -> None:
        b.create_order(symbol, "limit", "sell", 1, 50000)

        order = a.create_market_buy_order_with_cost(symbol, 1000)

        assert (order["status"], order["filled"], order["cost"]) == ("closed", 0.02, 1000.0)

    def test_post_only(self, a: Any, b: Any, symbol: str) -> None:
        order = a.create_order(symbol, "limit", "buy", 1, 49000, {"postOnly": True})
        assert (order["status"], order["postOnly"]) == ("open", True)

        with pytest.raises(ccxt.OrderImmediatelyFillable):
            b.create_order(symbol, "limit", "sell", 1, 49000, {"postOnly": True})

    def test_immediate_or_cancel_with_self_trade_prevention(self, a: Any, symbol: str) -> None:
        resting = a.create_order(symbol, "limit", "sell", 1, 50000)

        order = a.create_order(
            symbol,
            "limit",
            "buy",
            2,
            50000,
            {"timeInForce": "IOC", "selfTradePreventionMode": "EXPIRE_MAKER"},
        )

        assert (order["status"], order["filled"]) == ("expired", 0.0)
        assert a.fetch_order(resting["id"], symbol)["status"] == "expired"

    def test_stop_orders(self, a: Any, symbol: str) -> None:
        stop = a.create_order(symbol, "market", "sell", 1, None, {"stopLossPrice": 48000})
        limit = a.create_order(symbol, "limit", "sell", 1, 51900, {"takeProfitPrice": 52000})

        found = {row["id"]: row for row in a.fetch_open_orders(symbol)}

        assert found[stop["id"]]["triggerPrice"] == 48000.0
        assert (found[limit["id"]]["triggerPrice"], found[limit["id"]]["price"]) == (52000.0, 51900.0)

    def test_a_trailing_stop(self, a: Any, symbol: str) -> None:
        trailing = {"trailingPercent": 1.5, "stopLossOrTakeProfit": "stopLoss"}
        order = a.create_order(symbol, "market", "sell", 1, None, trailing)

        assert a.fetch_order(order["id"], symbol)["triggerPrice"] == 49250.0

    def test_edit_order(self, a: Any, symbol: str) -> None:
        order = a.create_order(symbol, "limit", "buy", 1, 49000)

        edited = a.edit_order(order["id"], symbol, "limit", "buy", 2, 48000)

        assert (edited["status"], edited["price"], edited["amount"]) == ("open", 48000.0, 2.0)
        assert a.fetch_order(order["id"], symbol)["status"] == "canceled"

    def test_cancel_all_orders(self, a: Any, symbol: str) -> None:
        ids = [a.create_order(symbol, "limit", "buy", 1, price)["id"] for price in (49000, 48999)]

        assert [row["id"] for row in a.cancel_all_orders(symbol)] == ids
        assert a.fetch_open_orders(symbol) == []


class TestErrors:
    def test_of_orders(self, a: Any, symbol: str) -> None:
        order = a.create_order(symbol, "limit", "buy", 1, 49000, {"clientOrderId": "mine"})
        a.cancel_order(order["id"], symbol)
        with pytest.raises(ccxt.InsufficientFunds):
            a.create_order(symbol, "limit", "buy", 900, 50000)
        with pytest.raises(ccxt.OrderNotFound):
            a.cancel_order(order["id"], symbol)
        with pytest.raises(ccxt.OrderNotFound):
            a.fetch_order("1", symbol)
        with pytest.raises(ccxt.OrderNotFound):
            a.cancel_all_orders(symbol)
        with pytest.raises(ccxt.InvalidOrder, match="Duplicate"):
            a.create_order(symbol, "limit", "buy", 1, 49000, {"clientOrderId": "mine"})
        with pytest.raises(ccxt.InvalidOrder, match="PERCENT_PRICE_BY_SIDE"):
            a.create_order(symbol, "limit", "buy", 1, 90000)

    def test_of_requests(self, a: Any, desk: Desk, symbol: str) -> None:
        a.load_markets()
        with pytest.raises(ccxt.BadSymbol):
            a.publicGetDepth({"symbol": "NOSUCH"})
        with pytest.raises(ccxt.BadRequest):
            a.publicGetDepth({"symbol": desk.symbol, "limit": "x"})
        with pytest.raises(ccxt.InvalidNonce):
            a.privateGetAccount({"timestamp": int(time.time() * 1_000) - 60_000})

    def test_of_keys(self, platform: Platform, alice: Person, bob: Person) -> None:
        with pytest.raises(ccxt.AuthenticationError, match="Signature"):
            exchange(platform, Person(alice.trader, alice.key, bob.secret)).fetch_balance()
        with pytest.raises(ccxt.AuthenticationError, match="Invalid API-key"):
            exchange(platform, Person(alice.trader, "x" * 64, alice.secret)).fetch_balance()
        with pytest.raises(ccxt.AuthenticationError, match="format"):
            exchange(platform, Person(alice.trader, "short", alice.secret)).fetch_balance()
