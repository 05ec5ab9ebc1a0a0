"""A reader that stops reading gets the latest book later, or is closed; nobody else is harmed."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from accounts.models import TradingAccount
from orders.feed.protocol import MAX_SUBSCRIPTIONS, MESSAGES_PER_SECOND
from tests.factories import Market, make_market
from tests.feed.book import ClientBook
from tests.feed.stream import Stream
from tests.feed.talk import Feed, Socket, eventually

pytestmark = pytest.mark.django_db(transaction=True)

MEGABYTE = 1_000_000


def subscribe(reader: Socket, channel: str, market: Market) -> dict[str, Any]:
    """Subscribe, and return the first message of the channel."""
    reader.ask("subscribed", op="subscribe", channel=channel, symbol=market.symbol)
    return reader.hear({"book": "book", "trades": "trade"}[channel])


def read_to(reader: Socket, book: ClientBook, seq: int) -> None:
    """Take book messages until the book is at `seq`."""
    while book.seq < seq:
        book.take(reader.hear("book"))


def test_who_stops_reading_the_book_gets_the_latest_one(feed: Feed, market: Market) -> None:
    stream = Stream(market)
    slow_book, fast_book = ClientBook(), ClientBook()
    with feed.stubborn_socket() as slow, feed.socket() as fast:
        slow_book.take(subscribe(slow, "book", market))
        fast_book.take(subscribe(fast, "book", market))
        before = feed.memory()
        # Ten megabytes in all; the fast one reads, the slow one does not.
        for _ in range(150):
            stream.publish(stream.deltas(20))
            read_to(fast, fast_book, stream.book.seq)
        assert feed.memory() - before < 8 * MEGABYTE

        read_to(slow, slow_book, stream.book.seq)
        assert slow_book.best_bids() == fast_book.best_bids() == stream.book.best_bids()
        # What was in the kernel's and the server's buffers, then a snapshot in place of thousands of deltas.
        assert slow_book.snapshots >= 2
        assert slow_book.deltas < 1_000
        assert (fast_book.snapshots, fast_book.deltas) == (1, 3_000)

        stream.publish(stream.deltas(3))
        read_to(slow, slow_book, stream.book.seq)
        assert slow_book.best_bids() == stream.book.best_bids()


def test_who_stops_reading_trades_is_closed_and_told_why(feed: Feed, market: Market) -> None:
    stream = Stream(market)
    with feed.stubborn_socket() as slow, feed.socket() as fast:
        subscribe(slow, "trades", market)
        subscribe(fast, "trades", market)
        before = feed.memory()
        told = 0
        for _ in range(10):
            stream.publish(stream.trades(200))
            for _ in range(200):
                told += len(fast.hear("trade")["trades"])
        assert told == 10 * 200 * 20
        assert feed.memory() - before < 8 * MEGABYTE

        assert slow.hear_close() == (4408, "too_slow")
        stream.publish(stream.trades(1, size=1))
        assert len(fast.hear("trade")["trades"]) == 1


def test_a_slow_reader_s_own_orders_are_never_thrown_away_in_silence(
    feed: Feed, market: Market, alice: TradingAccount, bob: TradingAccount
) -> None:
    """Private messages that wait behind a full socket arrive, in order, once it is read."""
    stream = Stream(market)
    with feed.stubborn_socket() as slow:
        slow.log_in(alice)
        slow.ask("subscribed", op="subscribe", channel="orders", account=alice.pk)
        slow.hear("order", action="snapshot")
        subscribe(slow, "book", market)
        # Fill every buffer on the way with books.
        stream.publish(stream.deltas(2_000))
        sent = []
        for number in range(30):
            sent.append(str(market.sell(alice, 1, 51000 + number)))
            market.drain()
        told: list[str] = []
        while len(told) < 30:
            told += [order["id"] for order in slow.hear("order", action="update")["orders"]]
        assert told == sent


def test_a_reader_that_never_comes_back_is_cut_off(serve: Callable[..., Feed], market: Market) -> None:
    """Books alone never overflow a queue, so a socket that stands still is closed by the clock."""
    impatient = serve(application="tests.feed.impatient:application")
    stream = Stream(market)
    with impatient.stubborn_socket() as slow, impatient.socket() as well:
        subscribe(slow, "book", market)
        stream.publish(stream.deltas(2_000))
        eventually(lambda: impatient.connections() == 1)
        well.ask("pong", op="ping")


def test_who_subscribes_without_end_is_refused_at_the_limit_and_then_closed(feed: Feed) -> None:
    channels = ("book", "trades", "ticker", "status")
    symbols = [make_market().symbol for _ in range(MAX_SUBSCRIPTIONS // len(channels) + 1)]
    topics = [{"channel": channel, "symbol": symbol} for symbol in symbols for channel in channels]
    with feed.socket(max_queue=None) as greedy, feed.socket() as well:
        before = feed.memory()
        for number, topic in enumerate(topics[:MAX_SUBSCRIPTIONS]):
            if number >= 50:
                # As fast as is allowed, once the burst is used up.
                time.sleep(1 / MESSAGES_PER_SECOND)
            greedy.ask("subscribed", op="subscribe", **topic)
        refused = greedy.ask("error", op="subscribe", **topics[-1])
        assert (refused["code"], refused["context"]) == ("too_many_subscriptions", {"maximum": 64})
        with suppress(ConnectionClosed):
            for topic in topics * 50:
                greedy.say(op="subscribe", **topic)
        code, _reason = greedy.hear_close()
        assert code in {4400, 4429}
        assert feed.memory() - before < 8 * MEGABYTE
        well.ask("pong", op="ping")
