"""The last 24 hours and the average price, as REST has them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import TradingAccount
from orders.models import Side
from orders.services.journal import microseconds
from tests.factories import Market, make_market
from tests.feed.talk import Feed
from tests.gateways.binance.client import Venue
from tests.gateways.binance.streams.talking import name, speaker, timeless

pytestmark = pytest.mark.django_db(transaction=True)


class TestTickers:
    def test_tickers_are_as_rest_has_them(
        self, server: Feed, market: Market, alice: TradingAccount, bob: TradingAccount
    ) -> None:
        at = timezone.now()
        with speaker(server) as reader:
            reader.subscribe(*(name(market, kind) for kind in ("ticker", "miniTicker", "avgPrice")))
            market.send(market.request(bob, Side.SELL, "0.5", 50000), now=at)
            market.send(market.request(alice, Side.BUY, "0.25", 50000), now=at)
            market.drain(now=at)
            heard: dict[str, dict[str, Any]] = {}
            while len(heard) < 3:
                event = reader.next()
                if "50000.00000000" in {event.get("c"), event.get("w")} and event.get("T") != 0:
                    heard[event["e"]] = timeless(event)
            rest = Venue().ask("ticker/24hr", symbol=market.symbol)
            full, mini, average = (heard[kind] for kind in ("24hrTicker", "24hrMiniTicker", "avgPrice"))
            assert mini == {
                "e": "24hrMiniTicker",
                "s": market.symbol,
                "c": "50000.00000000",
                "o": "50000.00000000",
                "h": "50000.00000000",
                "l": "50000.00000000",
                "v": "0.25000000",
                "q": "12500.00000000",
            }
            assert mini.items() - {("e", "24hrMiniTicker")} <= full.items()
            words = {"p": "priceChange", "P": "priceChangePercent", "w": "weightedAvgPrice", "Q": "lastQty"}
            words |= {"b": "bidPrice", "B": "bidQty", "a": "askPrice", "A": "askQty", "F": "firstId"}
            words |= {"L": "lastId", "n": "count", "x": "prevClosePrice"}
            assert {letter: full[letter] for letter in words} == {
                letter: rest[word] for letter, word in words.items()
            }
            assert (full["a"], full["A"]) == ("50000.00000000", "0.25000000")
            assert full["C"] - full["O"] <= timedelta(days=1) / timedelta(milliseconds=1)
            assert average == {
                "e": "avgPrice",
                "s": market.symbol,
                "i": "5m",
                "w": "50000.00000000",
                "T": microseconds(at) // 1_000,
            }

    def test_an_array_has_what_has_changed(self, server: Feed, market: Market, alice: TradingAccount) -> None:
        other = make_market()
        with speaker(server, "/ws/!ticker@arr") as reader:
            everything = reader.next()
            assert {market.symbol, other.symbol} <= {one["s"] for one in everything}
            market.buy(alice, 1, 49000)
            market.drain()
            (changed,) = reader.next()
            assert (changed["s"], changed["b"]) == (market.symbol, "49000.00000000")
