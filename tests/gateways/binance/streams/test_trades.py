"""Trades as they happen, and the candles that they make."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import TradingAccount
from orders.models import Side, Trade
from orders.services.journal import microseconds
from tests.factories import NOW, Market
from tests.feed.talk import Feed
from tests.gateways.binance.client import Venue
from tests.gateways.binance.streams.talking import name, speaker, timeless

pytestmark = pytest.mark.django_db(transaction=True)

NOW_MS = microseconds(NOW) // 1_000


def trade_ids(market: Market) -> list[int]:
    trades = Trade.objects.filter(instrument=market.instrument).order_by("id")
    return list(trades.values_list("id", flat=True))


class TestTrades:
    @pytest.fixture
    def crossing(self, market: Market, alice: TradingAccount, bob: TradingAccount) -> Callable[[], None]:
        """One order that takes three: two at one price, one at another."""

        def cross() -> None:
            market.sell(bob, "0.5", 50000)
            market.sell(bob, "0.25", 50000)
            market.sell(bob, 1, "50000.01")
            market.buy(alice, 1, "50000.01")
            market.drain()

        return cross

    def test_each_trade(self, server: Feed, market: Market, crossing: Callable[[], None]) -> None:
        with speaker(server) as reader:
            reader.subscribe(name(market, "trade"))
            crossing()
            ids = list(
                Trade.objects.filter(instrument=market.instrument).order_by("id").values_list("id", flat=True)
            )
            expected = [
                ("50000.00000000", "0.50000000"),
                ("50000.00000000", "0.25000000"),
                ("50000.01000000", "0.25000000"),
            ]
            for number, (price, quantity) in zip(ids, expected, strict=True):
                assert timeless(reader.next()) == {
                    "e": "trade",
                    "s": market.symbol,
                    "t": number,
                    "p": price,
                    "q": quantity,
                    "T": NOW_MS,
                    "m": False,
                    "M": True,
                }

    def test_what_one_order_took_at_one_price_is_as_rest_has_it(
        self,
        server: Feed,
        market: Market,
        crossing: Callable[[], None],
        alice: TradingAccount,
        bob: TradingAccount,
    ) -> None:
        with speaker(server) as reader:
            reader.subscribe(name(market, "aggTrade"))
            crossing()
            # Two more orders at one price and moment: not one.
            market.buy(alice, 1, 49990)
            market.sell(bob, "0.1", 49990)
            market.sell(bob, "0.2", 49990)
            market.drain()
            events = [timeless(reader.next()) for _ in range(4)]
            rest = Venue().ask("aggTrades", symbol=market.symbol)
            assert [event["q"] for event in events] == [
                "0.75000000",
                "0.25000000",
                "0.10000000",
                "0.20000000",
            ]
            assert events == [{"e": "aggTrade", "s": market.symbol} | row for row in rest]

    def test_trades_of_lost_frames_come_late_but_once_and_in_order(
        self,
        server: Feed,
        market: Market,
        alice: TradingAccount,
        bob: TradingAccount,
        losing: Callable[..., Any],
    ) -> None:
        with speaker(server) as reader:
            reader.subscribe(name(market, "trade"))
            for number in range(6):
                if number in (1, 3):
                    losing(market)()
                market.sell(bob, 1, 50000 + number)
                market.buy(alice, 1, 50000 + number)
                market.drain()
            prices = [reader.next()["p"] for _ in range(6)]
            assert prices == [f"{50000 + number}.00000000" for number in range(6)]


class TestKlines:
    def test_the_running_candle_is_as_rest_has_it(
        self, server: Feed, market: Market, alice: TradingAccount, bob: TradingAccount
    ) -> None:
        def trade(quantity: str, price: int, at: datetime) -> None:
            market.send(market.request(bob, Side.SELL, quantity, price), now=at)
            market.send(market.request(alice, Side.BUY, quantity, price), now=at)
            market.drain(now=at)

        trade("0.5", 50000, timezone.now())
        with speaker(server) as reader:
            reader.subscribe(name(market, "kline_1M"))
            reader.until(e="kline")
            trade("0.25", 50010, timezone.now())
            trade("0.25", 49990, timezone.now())
            found: dict[str, Any] = {}
            while found.get("n") != 3:
                found = reader.until(e="kline", s=market.symbol)["k"]
            (row,) = Venue().ask("klines", symbol=market.symbol, interval="1M")
            assert [found[letter] for letter in "tohlcvTqnVQB"] == row
            ids = (
                Trade.objects.filter(instrument=market.instrument).order_by("id").values_list("id", flat=True)
            )
            assert (found["f"], found["L"]) == (ids[0], ids[2])
            assert (found["x"], found["i"], found["s"]) == (False, "1M", market.symbol)
