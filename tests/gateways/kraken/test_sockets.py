"""The book channel over real sockets: it is the committed book, at every depth."""

from __future__ import annotations

import socket
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from accounts.models import TradingAccount
from orders.models import Side
from tests.factories import Market
from tests.feed.flow_of_orders import random_flow, stored_book
from tests.feed.stream import Stream
from tests.feed.talk import Feed
from tests.gateways.kraken.client import KrakenBook, Message
from tests.gateways.kraken.talking import Speaker, speaker
from tradeplatform.common.valkey import client

pytestmark = pytest.mark.django_db(transaction=True)


def name_of(market: Market) -> str:
    return f"{market.instrument.base.code}/{market.instrument.quote.code}"


def copy(depth: int) -> KrakenBook:
    return KrakenBook(depth=depth, prices=2, quantities=4)


def committed(market: Market, depth: int) -> tuple[dict[Decimal, Decimal], dict[Decimal, Decimal]]:
    """(bids, asks) as they are stored, as far as the depth shows them."""
    _seq, bids, asks = stored_book(market)
    return tuple({Decimal(p): Decimal(q) for p, q in side[:depth]} for side in (bids, asks))  # type: ignore[return-value]


def follow(reader: Speaker, book: KrakenBook, wanted: Any) -> None:
    """Take messages until the book is as it should be; each is checked as it is taken."""
    while (book.bids, book.asks) != wanted:
        book.take(reader.next())


def timeless(message: Message) -> Message:
    """An answer without its times, which it must have."""
    assert message["time_in"] <= message["time_out"]
    return {key: value for key, value in message.items() if key not in {"time_in", "time_out"}}


class TestBook:
    """Snapshots and updates."""

    def test_at_every_depth_it_is_the_committed_book(self, feed: Feed, pair: Market) -> None:
        accounts = [pair.trader() for _ in range(4)]
        name = name_of(pair)
        with speaker(feed) as ten, speaker(feed) as more, speaker(feed) as late:
            ten.subscribe(name)
            more.subscribe(name, depth=25)
            readers = [(ten, copy(10)), (more, copy(25))]
            for step in random_flow(pair, accounts, steps=60, seed=3):
                if step == 30:
                    late.subscribe(name, depth=1000)
                    readers.append((late, copy(1000)))
            assert min(len(side) for side in committed(pair, 1000)) > 5
            for (reader, book), depth in zip(readers, (10, 25, 1000), strict=True):
                follow(reader, book, committed(pair, depth))
                assert book.snapshots == 1
                assert book.updates > 10

    def test_answers_come_before_what_they_announce(self, feed: Feed, pair: Market) -> None:
        name = name_of(pair)
        pair.buy(pair.trader(), 2, 49000)
        pair.drain()
        with speaker(feed) as reader:
            answer = timeless(
                reader.ask("subscribe", req_id=5, params={"channel": "book", "symbol": [name], "depth": 25})
            )
            assert answer == {
                "method": "subscribe",
                "success": True,
                "result": {"channel": "book", "symbol": name, "depth": 25, "snapshot": True},
                "req_id": 5,
            }
            snapshot = reader.next()
            assert snapshot["type"] == "snapshot"
            assert snapshot["data"][0]["bids"] == [{"price": Decimal(49000), "qty": Decimal(2)}]
            assert timeless(reader.ask("ping", req_id=6)) == {"method": "pong", "req_id": 6}
            left = reader.ask("unsubscribe", params={"channel": "book", "symbol": [name], "depth": 25})
            assert timeless(left) == {
                "method": "unsubscribe",
                "success": True,
                "result": {"channel": "book", "symbol": name, "depth": 25},
            }
            pair.buy(pair.trader(), 2, 48000)
            pair.drain()
            assert reader.ask("ping")["method"] == "pong", "nothing more of the book"

    def test_subscribing_again_sends_a_fresh_snapshot_and_may_change_the_depth(
        self, feed: Feed, pair: Market, trader: TradingAccount
    ) -> None:
        for number in range(12):
            pair.buy(trader, 1, 49000 - number)
        pair.drain()
        with speaker(feed) as reader:
            for depth, shown in ((10, 10), (10, 10), (25, 12)):
                assert reader.subscribe(name_of(pair), depth=depth)["result"]["depth"] == depth
                snapshot = reader.next()
                assert (snapshot["type"], len(snapshot["data"][0]["bids"])) == ("snapshot", shown)
            pair.buy(trader, 1, 49001)
            pair.drain()
            update = reader.next()
            assert (update["type"], len(update["data"][0]["bids"])) == ("update", 1)
            assert reader.ask("ping")["method"] == "pong", "one of each update, not two"

    def test_an_instrument_without_a_slash_is_called_by_its_symbol(self, feed: Feed, market: Market) -> None:
        with speaker(feed) as reader:
            assert reader.subscribe(market.symbol)["result"]["symbol"] == market.symbol
            assert reader.next()["data"][0]["symbol"] == market.symbol

    def test_a_socket_that_says_nothing_hears_a_heartbeat(self, feed: Feed, pair: Market) -> None:
        with speaker(feed) as reader:
            reader.hear_system("online")
            assert reader.connection.recv(timeout=10) == '{"channel":"heartbeat"}'

    def test_our_own_feed_has_the_same_checksum(self, feed: Feed, pair: Market) -> None:
        pair.buy(pair.trader(), 2, 49000)
        pair.sell(pair.trader(), 1, 51000)
        pair.drain()
        with speaker(feed) as reader, feed.socket() as ours:
            reader.subscribe(name_of(pair))
            ours.ask("subscribed", op="subscribe", channel="book", symbol=pair.symbol)
            assert reader.next()["data"][0]["checksum"] == ours.hear("book")["checksum"]


class TestLosses:
    """What is missed is made good."""

    def test_a_reader_that_stops_gets_one_message_for_all_it_missed(self, feed: Feed, pair: Market) -> None:
        stream, slow_book, fast_book = Stream(pair), copy(100), copy(100)
        address = urlsplit(feed.url)
        plain = socket.socket()
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plain.connect((address.hostname, address.port))
        how = {"sock": plain, "max_queue": 1, "ping_interval": None, "compression": None}
        with speaker(feed, **how) as slow, speaker(feed) as fast:
            for reader, book in ((slow, slow_book), (fast, fast_book)):
                reader.subscribe(name_of(pair), depth=100)
                book.take(reader.next())
            before = feed.memory()
            for _ in range(60):
                stream.publish(stream.deltas(20))
                wanted = {Decimal(p): Decimal(q) for p, q in stream.book.best_bids()[:100]}
                follow(fast, fast_book, (wanted, {}))
            assert feed.memory() - before < 8_000_000
            follow(slow, slow_book, (wanted, {}))
            assert (slow_book.snapshots, fast_book.snapshots) == (1, 1)
            assert slow_book.updates < 800
            assert fast_book.updates > slow_book.updates

    def test_a_lost_connection_to_valkey(self, feed: Feed, pair: Market, trader: TradingAccount) -> None:
        book = copy(10)
        with speaker(feed) as reader:
            reader.subscribe(name_of(pair))
            book.take(reader.next())
            reader.systems.clear()
            client().client_kill_filter(_type="pubsub")
            pair.buy(trader, 2, 49000)
            pair.drain()
            follow(reader, book, ({Decimal(49000): Decimal(2)}, {}))
            reader.hear_system("online")
            assert reader.systems == ["maintenance", "online"]
            assert book.snapshots == 1

    def test_a_server_that_is_told_to_stop_says_so(self, serve: Callable[..., Feed], pair: Market) -> None:
        feed = serve()
        with speaker(feed) as reader:
            feed.process.terminate()
            assert reader.hear_close() == (1012, "server_stopping")


class TestBadManners:
    """Junk on the wire."""

    def test_unknown_pairs_are_refused_one_by_one(self, feed: Feed, pair: Market) -> None:
        with speaker(feed) as reader:
            reader.say(
                method="subscribe",
                params={"channel": "book", "symbol": ["XXX/YYY", name_of(pair)]},
                req_id=1,
            )
            assert timeless(reader.next()) == {
                "method": "subscribe",
                "error": "Currency pair not supported XXX/YYY",
                "success": False,
                "symbol": "XXX/YYY",
                "req_id": 1,
            }
            assert reader.next()["success"] is True

    def test_what_was_not_subscribed_cannot_be_left(self, feed: Feed, pair: Market) -> None:
        with speaker(feed) as reader:
            answer = reader.ask("unsubscribe", params={"channel": "book", "symbol": [name_of(pair)]})
            assert (answer["success"], answer["error"]) == (False, "Subscription not found")

    def test_junk_is_answered_then_ended(self, feed: Feed) -> None:
        with speaker(feed) as reader:
            reader.connection.send("{{{")
            assert reader.next()["error"] == "Malformed request"
            for _ in range(10):
                reader.connection.send(b"\x00")
            assert reader.hear_close() == (4400, "too_many_errors")

    def test_a_flood(self, feed: Feed) -> None:
        with speaker(feed) as reader:
            for _ in range(2_000):
                try:
                    reader.say(method="ping")
                except ConnectionClosed:
                    break
            assert reader.hear_close() == (4429, "too_many_messages")

    def test_a_message_larger_than_the_limit(self, feed: Feed) -> None:
        with speaker(feed) as reader:
            reader.connection.send("x" * 70_000)
            assert reader.hear_close()[0] == 1009

    def test_more_pairs_than_a_connection_may_have(self, feed: Feed, pair: Market) -> None:
        with speaker(feed) as reader:
            reader.subscribe(name_of(pair))
            reader.next()
            answer = reader.subscribe(*(f"A{n}/B" for n in range(64)))
            assert answer["error"] == "Too many subscriptions: at most 64 pairs a connection"

    def test_a_page_of_another_site(self, feed: Feed) -> None:
        url = feed.url.removesuffix("/ws/v1") + "/v2"
        with pytest.raises(InvalidStatus) as refused:
            connect(url, origin=Origin("https://evil.example"))
        assert refused.value.response.status_code == 403

    def test_hanging_up_leaves_nothing_behind(self, feed: Feed, pair: Market) -> None:
        for _ in range(10):
            with speaker(feed) as reader:
                reader.say(method="subscribe", params={"channel": "book", "symbol": [name_of(pair)]})
                reader.connection.socket.close()
        pair.send(pair.request(pair.trader(), Side.BUY, 1, 49000))
        pair.drain()
        with speaker(feed) as reader:
            reader.subscribe(name_of(pair))
            assert len(reader.next()["data"][0]["bids"]) == 1
