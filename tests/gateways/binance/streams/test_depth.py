"""Streams of a book: a local book is what REST has, without a gap, whatever was lost."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import TradingAccount
from orders.models import TimeInForce
from tests.factories import Market
from tests.feed.flow_of_orders import random_flow
from tests.feed.stream import Stream
from tests.feed.talk import Feed, eventually
from tests.gateways.binance.client import Venue
from tests.gateways.binance.streams.talking import GapError, LocalBook, name, speaker, timeless
from tradeplatform.common.valkey import client

pytestmark = pytest.mark.django_db(transaction=True)


class TestDiffDepth:
    def test_every_local_book_is_what_rest_has(self, server: Feed, market: Market) -> None:
        accounts = [market.trader() for _ in range(4)]
        fast, slow = name(market, "depth@100ms"), name(market, "depth")
        with speaker(server) as first, speaker(server) as second, speaker(server, f"/ws/{fast}") as late:
            first.subscribe(fast)
            second.subscribe(slow)
            books = [(first, LocalBook(market.symbol)), (second, LocalBook(market.symbol))]
            for _reader, book in books:
                book.fetch()
            for step in random_flow(market, accounts, steps=40, seed=5):
                if step == 20:
                    book = LocalBook(market.symbol)
                    book.fetch()
                    books.append((late, book))
            for reader, book in books:
                book.follow(reader)
                assert book.events >= 2

    def test_the_shape_and_the_range_of_an_event(
        self, server: Feed, market: Market, alice: TradingAccount, bob: TradingAccount
    ) -> None:
        market.buy(alice, 1, 49000)
        market.drain()
        before = Venue().ask("depth", symbol=market.symbol)["lastUpdateId"]
        with speaker(server) as reader:
            reader.subscribe(name(market, "depth@100ms"))
            market.buy(alice, "0.5", 49000)
            market.sell(bob, 2, 51000)
            market.drain()
            found = Venue().ask("depth", symbol=market.symbol)
            assert timeless(reader.next()) == {
                "e": "depthUpdate",
                "s": market.symbol,
                "U": before + 1,
                "u": found["lastUpdateId"],
                "b": [["49000.00000000", "1.50000000"]],
                "a": [["51000.00000000", "2.00000000"]],
            }
            market.buy(alice, "0.5", 51000, tif=TimeInForce.IOC)
            market.sell(bob, "1.5", 49000)
            market.drain()
            event = reader.next()
            assert event["U"] == found["lastUpdateId"] + 1
            assert (event["b"], event["a"]) == (
                [["49000.00000000", "0.00000000"]],
                [["51000.00000000", "1.50000000"]],
            )

    def test_a_range_is_told_though_nothing_can_be_seen(
        self, server: Feed, market: Market, alice: TradingAccount
    ) -> None:
        with speaker(server) as reader:
            reader.subscribe(name(market, "depth@100ms"))
            before = Venue().ask("depth", symbol=market.symbol)["lastUpdateId"]
            market.buy(alice, 1, 46000, tif=TimeInForce.IOC)
            market.drain()
            after = Venue().ask("depth", symbol=market.symbol)["lastUpdateId"]
            event = reader.next()
            assert (event["U"], event["u"], event["b"], event["a"]) == (before + 1, after, [], [])
            assert after > before

    def test_what_happens_within_the_interval_is_one_event(self, server: Feed, market: Market) -> None:
        stream = Stream(market)
        with speaker(server) as reader:
            reader.subscribe(name(market, "depth"))
            stream.publish(stream.deltas(1, levels=1))
            first = reader.next()
            stream.publish(stream.deltas(30, levels=2))
            second = reader.next()
            assert (first["U"], first["u"]) == (1, 1)
            assert (second["U"], second["u"]) == (2, 31)
            assert second["b"] == [["40000.00000000", "31.00000000"], ["39999.00000000", "31.00000000"]]

    def test_a_lost_frame_is_made_good_without_a_gap(
        self, server: Feed, market: Market, losing: Callable[..., Any]
    ) -> None:
        accounts, lose = [market.trader() for _ in range(3)], losing(market)
        with speaker(server) as reader:
            reader.subscribe(name(market, "depth@100ms"))
            book = LocalBook(market.symbol)
            book.fetch()
            began = time.monotonic()
            for step in random_flow(market, accounts, steps=30, seed=6):
                if step == 10:
                    book.follow(reader)
                    # Its first event is long enough ago that it must have its book.
                    eventually(lambda: time.monotonic() - began > 0.7)
                if step in (12, 20):
                    lose()
            book.follow(reader)

    def test_who_may_have_fetched_a_book_from_within_a_loss_begins_again(
        self, server: Feed, market: Market, alice: TradingAccount, losing: Callable[..., Any]
    ) -> None:
        with speaker(server) as reader:
            reader.subscribe(name(market, "depth@100ms"))
            losing(market)()
            for price in (49000, 49001):
                market.buy(alice, 1, price)
                market.drain()
            code, reason, said = reader.hear_close()
            assert (code, reason, said) == (1012, "begin_again", [])

    def test_a_gap_would_be_noticed(self, server: Feed, market: Market, alice: TradingAccount) -> None:
        with speaker(server) as reader:
            reader.subscribe(name(market, "depth@100ms"))
            book = LocalBook(market.symbol)
            book.fetch()
            events = []
            for price in (49000, 49001, 49002):
                market.buy(alice, 1, price)
                market.drain()
                events.append(reader.next())
            book.take(events[0])
            with pytest.raises(GapError):
                book.take(events[2])

    def test_a_lost_connection_to_valkey(self, server: Feed, market: Market, alice: TradingAccount) -> None:
        with speaker(server) as reader:
            reader.subscribe(name(market, "depth@100ms"))
            book = LocalBook(market.symbol)
            book.fetch()
            began = time.monotonic()
            market.buy(alice, 1, 49000)
            market.drain()
            book.follow(reader)
            eventually(lambda: time.monotonic() - began > 0.7)
            market.buy(alice, 1, 49001)
            market.drain()
            book.follow(reader)
            client().client_kill_filter(_type="pubsub")
            market.buy(alice, 1, 49002)
            market.drain()
            book.follow(reader)


class TestOtherBookStreams:
    def test_the_best_levels(self, server: Feed, market: Market, alice: TradingAccount) -> None:
        for number in range(7):
            market.buy(alice, 1, 49000 - number)
        market.drain()
        with speaker(server) as reader:
            reader.subscribe(name(market, "depth5@100ms"))
            first = reader.next()
            assert first["bids"] == [[f"{49000 - n}.00000000", "1.00000000"] for n in range(5)]
            assert (first["asks"], first["lastUpdateId"]) == (
                [],
                Venue().ask("depth", symbol=market.symbol)["lastUpdateId"],
            )
            market.buy(alice, 1, 46000)
            market.buy(alice, 2, 49001)
            market.drain()
            second = reader.next()
            assert second["bids"][:2] == [["49001.00000000", "2.00000000"], ["49000.00000000", "1.00000000"]]
            assert len(second["bids"]) == 5

    def test_the_best_of_each_side(
        self, server: Feed, market: Market, alice: TradingAccount, bob: TradingAccount
    ) -> None:
        with speaker(server) as reader:
            reader.subscribe(name(market, "bookTicker"))
            zero = "0.00000000"
            seq = Venue().ask("depth", symbol=market.symbol)["lastUpdateId"]
            nothing = {"s": market.symbol, "b": zero, "B": zero, "a": zero, "A": zero}
            assert reader.next() == nothing | {"u": seq}
            market.buy(alice, "1.5", "49000.5")
            market.drain()
            seq = Venue().ask("depth", symbol=market.symbol)["lastUpdateId"]
            one = nothing | {"b": "49000.50000000", "B": "1.50000000"}
            assert reader.next() == one | {"u": seq}
            market.buy(alice, 1, 48000)
            market.drain()
            market.sell(bob, 2, 51000)
            market.drain()
            seq = Venue().ask("depth", symbol=market.symbol)["lastUpdateId"]
            assert reader.next() == one | {"u": seq, "a": "51000.00000000", "A": "2.00000000"}
