"""Whatever is lost between the drain and a socket, the socket ends up with the truth."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import orjson
import pytest

from accounts.models import TradingAccount
from orders.feed import hub as hub_module
from orders.feed.hub import hub
from orders.services import frames
from orders.services.frames import Frame, market_channel
from tests.factories import Market
from tests.feed.book import ClientBook
from tests.feed.flow_of_orders import random_flow, stored_book
from tests.feed.talk import Feed, Socket, Talk, do, eventually, talk, token_for
from tradeplatform.common.valkey import client

pytestmark = pytest.mark.django_db(transaction=True)

Publish = Callable[[Sequence[Frame]], None]


@pytest.fixture
def losing(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[int, Frame], bool]], None]:
    """Let the drain lose frames: those for which the function of batch number and frame is true."""
    publish: Publish = frames.publish
    batches = 0

    def lose(is_lost: Callable[[int, Frame], bool]) -> None:
        def publish_some(sent: Sequence[Frame]) -> None:
            nonlocal batches
            batches += 1
            publish([frame for frame in sent if not is_lost(batches, frame)])

        monkeypatch.setattr(frames, "publish", publish_some)

    return lose


def book_of(reader: Socket, market: Market) -> ClientBook:
    """Subscribe, and return the book after its snapshot."""
    reader.ask("subscribed", op="subscribe", channel="book", symbol=market.symbol)
    book = ClientBook()
    book.take(reader.hear("book"))
    return book


def catch_up(reader: Socket, book: ClientBook, market: Market) -> None:
    """Take messages until the book is the committed one; each is checked on the way."""
    seq, bids, asks = stored_book(market)
    while book.seq < seq:
        book.take(reader.hear("book"))
    assert (book.seq, book.best_bids(), book.best_asks()) == (seq, bids, asks)


def kill_subscriptions() -> int:
    """Cut every subscriber's connection; how many there were."""
    return int(client().client_kill_filter(_type="pubsub"))


def allow_subscriptions(rule: str) -> None:
    """Change what Valkey lets its user do, and nothing else: redis-py's own acl_setuser resets the rest."""
    client().execute_command("ACL", "SETUSER", "default", rule)  # type: ignore[no-untyped-call]


class TestLostFrames:
    """Something published was not heard."""

    def test_a_gap_brings_one_fresh_snapshot_to_everybody(
        self, feed: Feed, market: Market, losing: Callable[..., None]
    ) -> None:
        accounts = [market.trader() for _ in range(3)]
        losing(lambda batch, frame: batch == 5 and frame.channel == market_channel(market.symbol))
        with feed.socket() as first, feed.socket() as second:
            books = [(first, book_of(first, market)), (second, book_of(second, market))]
            for step in random_flow(market, accounts, steps=10, seed=3):
                if step == 3:
                    for reader, book in books:
                        catch_up(reader, book, market)
            for reader, book in books:
                catch_up(reader, book, market)
                assert book.snapshots == 2

    def test_many_gaps(self, feed: Feed, market: Market, losing: Callable[..., None]) -> None:
        accounts = [market.trader() for _ in range(3)]
        losing(lambda batch, _frame: batch % 3 == 0 and batch < 40)
        with feed.socket() as reader:
            book = book_of(reader, market)
            for _ in random_flow(market, accounts, steps=45, seed=4):
                pass
            catch_up(reader, book, market)
            assert book.snapshots >= 2

    def test_trades_after_a_gap_are_told_again(
        self,
        feed: Feed,
        market: Market,
        alice: TradingAccount,
        bob: TradingAccount,
        losing: Callable[..., None],
    ) -> None:
        def trade(price: int) -> None:
            market.sell(alice, 1, price)
            market.buy(bob, 1, price)
            market.drain()

        losing(lambda batch, _frame: batch == 2)
        with feed.socket() as reader:
            reader.ask("subscribed", op="subscribe", channel="trades", symbol=market.symbol)
            reader.hear("trade", action="snapshot")
            trade(50000)
            assert [t["price"] for t in reader.hear("trade")["trades"]] == ["50000.00"]
            trade(50001)
            trade(50002)
            again = reader.hear("trade", action="snapshot")
            while len(again["trades"]) < 3:
                again = reader.hear("trade", action="snapshot")
            assert [t["price"] for t in again["trades"]] == ["50000.00", "50001.00", "50002.00"]

    def test_private_snapshots_after_a_lost_batch(
        self, feed: Feed, market: Market, alice: TradingAccount, losing: Callable[..., None]
    ) -> None:
        losing(lambda batch, _frame: batch == 1)
        with feed.socket() as reader:
            reader.log_in(alice)
            reader.hear("heartbeat", live=True)
            for channel in ("orders", "balances"):
                reader.ask("subscribed", op="subscribe", channel=channel, account=alice.pk)
            assert reader.hear("order", action="snapshot")["orders"] == []
            reader.hear("balance", action="snapshot")
            first = market.sell(alice, 1, 51000)
            market.drain()
            second = market.sell(alice, 2, 52000)
            market.drain()
            known = [order["id"] for order in reader.hear("order", action="snapshot")["orders"]]
            told = "snapshot"
            if known == [str(first)]:  # the audit, each five seconds, came between the two batches
                told = "update"
                known += [order["id"] for order in reader.hear("order", action=told)["orders"]]
            assert known == [str(first), str(second)]
            held = {b["asset"]: b["held"] for b in reader.hear("balance", action=told)["balances"]}
            assert held[market.instrument.base.code] == "3.00000000"

    async def test_the_newest_batch_lost_is_found_by_the_audit(
        self,
        market: Market,
        alice: TradingAccount,
        losing: Callable[..., None],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(hub_module, "_AUDIT_SECONDS", 0.1)
        losing(lambda _batch, _frame: True)
        async with talk() as socket:
            await _watch_all(socket, market, alice)
            order = await do(lambda: market.sell(alice, 1, 51000))
            await do(market.drain)
            book = await socket.hear("book")
            assert (book["action"], book["seq"], book["asks"]) == ("snapshot", 1, [["51000.00", "1.0000"]])
            told = await socket.hear("order")
            assert (told["action"], [o["id"] for o in told["orders"]]) == ("snapshot", [str(order)])

    def test_a_frame_with_another_book_s_checksum(
        self, feed: Feed, market: Market, alice: TradingAccount
    ) -> None:
        with feed.socket() as reader:
            book = book_of(reader, market)
            market.buy(alice, 1, 49000)
            market.drain()
            catch_up(reader, book, market)
            lie = {
                "type": "market",
                "symbol": market.symbol,
                "first_seq": 2,
                "seq": 2,
                "time": 0,
                "checksum": 12345,
                "bids": [["48000.00", "7.0000"]],
                "asks": [],
                "trades": [],
            }
            client().publish(market_channel(market.symbol), orjson.dumps(lie))
            book.take(reader.hear("book", action="snapshot"))
            assert (book.seq, book.best_bids()) == (1, [["49000.00", "1.0000"]])
            market.buy(alice, 1, 49500)
            market.drain()
            catch_up(reader, book, market)

    @pytest.mark.parametrize(
        "body", [b"", b"{", b"[]", b"7", b'{"type": "market"}', b'{"first_seq": "x", "seq": 9}']
    )
    def test_a_frame_that_is_none(
        self, feed: Feed, market: Market, alice: TradingAccount, body: bytes
    ) -> None:
        with feed.socket() as reader:
            book = book_of(reader, market)
            client().publish(market_channel(market.symbol), body)
            book.take(reader.hear("book", action="snapshot"))
            market.buy(alice, 1, 49000)
            market.drain()
            catch_up(reader, book, market)

    def test_repeated_and_late_frames_are_passed_over(
        self, feed: Feed, market: Market, alice: TradingAccount, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        publish, sent = frames.publish, list[Frame]()

        def publish_and_keep(batch: Sequence[Frame]) -> None:
            sent.extend(batch)
            publish(batch)

        monkeypatch.setattr(frames, "publish", publish_and_keep)
        with feed.socket() as reader:
            reader.log_in(alice)
            reader.ask("subscribed", op="subscribe", channel="orders", account=alice.pk)
            reader.hear("order", action="snapshot")
            book = book_of(reader, market)
            for price in (49000, 49100, 49200):
                market.buy(alice, 1, price)
                market.drain()
            catch_up(reader, book, market)
            publish(sent)
            publish(sent[::-1])
            last = market.buy(alice, 1, 49300)
            market.drain()
            catch_up(reader, book, market)
            assert (book.snapshots, book.deltas) == (1, 4)
            told = [reader.hear("order", action="update") for _ in range(4)]
            assert [message["position"] for message in told] == [1, 2, 3, 4]
            assert told[-1]["orders"][0]["id"] == str(last)


async def _watch_all(socket: Talk, market: Market, account: TradingAccount) -> None:
    await socket.ask("authenticated", op="auth", token=await do(lambda: token_for(account)))
    await socket.ask("subscribed", op="subscribe", channel="orders", account=account.pk)
    assert (await socket.hear("order"))["orders"] == []
    await socket.ask("subscribed", op="subscribe", channel="book", symbol=market.symbol)
    assert (await socket.hear("book"))["seq"] == 0
    # It is once it has read how far the shards have come, which takes as long as it takes.
    here = hub()
    await asyncio.to_thread(eventually, lambda: here.live)


class TestLostConnection:
    """The process loses its subscription."""

    def test_a_killed_subscription_comes_back_and_everything_is_read_again(
        self, feed: Feed, market: Market, alice: TradingAccount
    ) -> None:
        with feed.socket() as reader:
            reader.log_in(alice)
            reader.hear("heartbeat", live=True)
            reader.ask("subscribed", op="subscribe", channel="orders", account=alice.pk)
            reader.hear("order", action="snapshot")
            book = book_of(reader, market)
            for number in range(3):
                assert kill_subscriptions() >= 1
                reader.hear("heartbeat", live=False)
                order = market.buy(alice, 1, 49000 + number)
                market.drain()
                reader.hear("heartbeat", live=True)
                catch_up(reader, book, market)
                told: list[dict[str, Any]] = []
                while str(order) not in [o["id"] for o in told]:
                    told = reader.hear("order")["orders"]
            assert book.snapshots >= 2

    def test_random_flow_under_repeated_kills(self, feed: Feed, market: Market) -> None:
        accounts = [market.trader() for _ in range(3)]
        with feed.socket() as reader:
            book = book_of(reader, market)
            for step in random_flow(market, accounts, steps=40, seed=9):
                if step % 10 == 5:
                    kill_subscriptions()
            catch_up(reader, book, market)

    def test_a_server_started_without_valkey_finds_it_later(
        self, feed: Feed, market: Market, alice: TradingAccount
    ) -> None:
        with feed.socket() as reader:
            reader.hear("heartbeat", live=True)
            # Nobody may subscribe: the server keeps trying and says that it is not live.
            allow_subscriptions("-subscribe")
            try:
                kill_subscriptions()
                reader.hear("heartbeat", live=False)
                reader.ask("subscribed", op="subscribe", channel="book", symbol=market.symbol)
                market.buy(alice, 1, 49000)
                market.drain()
            finally:
                allow_subscriptions("+subscribe")
            book = ClientBook()
            book.take(reader.hear("book", action="snapshot"))
            catch_up(reader, book, market)
            eventually(lambda: reader.hear("heartbeat")["live"])
