"""Real sockets to a real Daphne: what comes out of the feed is what is in the database."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from accounts.models import LedgerAccount, TradingAccount
from instruments.scaling import text
from instruments.selectors import rules_by_id
from orders.feed.protocol import MAX_MESSAGE_BYTES
from orders.models import Fill, Order, Side, Trade
from orders.rendering import order_json, stored_fill_json, trade_json
from orders.services.requests import Accepted
from tests.factories import Market, fund, make_market
from tests.feed.book import ClientBook
from tests.feed.flow_of_orders import random_flow, stored_book
from tests.feed.talk import Feed, Socket, eventually
from tradeplatform.common.valkey import client

pytestmark = pytest.mark.django_db(transaction=True)


def follow(book_socket: Socket, book: ClientBook, seq: int) -> None:
    """Take book messages until the book is at `seq`; each is checked as it is taken."""
    while book.seq < seq or not book.snapshots:
        book.take(book_socket.hear("book"))


class TestMarketData:
    """What everybody may see."""

    def test_snapshot_and_deltas_are_the_committed_book(self, feed: Feed, market: Market) -> None:
        accounts = [market.trader() for _ in range(5)]
        flow = random_flow(market, accounts, steps=60, seed=7)
        early, late, joined = ClientBook(), ClientBook(), ClientBook()
        with feed.socket() as first, feed.socket() as second, feed.socket() as third:
            first.ask("subscribed", op="subscribe", channel="book", symbol=market.symbol)
            follow(first, early, 0)
            for step in flow:
                if step == 20:
                    second.ask("subscribed", op="subscribe", channel="book", symbol=market.symbol)
                if step == 40:
                    third.ask("subscribed", op="subscribe", channel="book", symbol=market.symbol)
            seq, bids, asks = stored_book(market)
            assert len(bids) > 5
            assert len(asks) > 5
            for reader, book in ((first, early), (second, late), (third, joined)):
                follow(reader, book, seq)
                assert (book.seq, book.best_bids(), book.best_asks()) == (seq, bids, asks)
            # A snapshot may stand in for deltas at any time, as on a machine too busy to listen.
            assert min(early.snapshots, late.snapshots, joined.snapshots) == 1 or early.deltas < 60
            assert early.deltas > late.deltas > joined.deltas > 0

    def test_trades_are_the_committed_trades(self, feed: Feed, market: Market) -> None:
        accounts = [market.trader() for _ in range(3)]
        with feed.socket() as reader:
            reader.ask("subscribed", op="subscribe", channel="trades", symbol=market.symbol)
            assert reader.hear("trade", action="snapshot")["trades"] == []
            for _ in random_flow(market, accounts, steps=30, seed=11):
                pass
            rules = rules_by_id([market.instrument.pk])[market.instrument.pk]
            stored = [
                trade_json(trade, rules)
                for trade in Trade.objects.filter(instrument=market.instrument).order_by("seq")
            ]
            assert len(stored) > 5
            told: list[dict[str, Any]] = []
            while len(told) < len(stored):
                told += reader.hear("trade", action="update")["trades"]
            assert told == stored
            with feed.socket() as late:
                late.ask("subscribed", op="subscribe", channel="trades", symbol=market.symbol)
                assert late.hear("trade", action="snapshot")["trades"] == stored[-50:]

    def test_a_book_of_thousands_of_levels(self, feed: Feed, transactional_db: None) -> None:
        market = make_market(max_open_orders=10_000)
        account = market.trader(quote=10**9)
        orders = [market.request(account, Side.BUY, 1, 49000 - number) for number in range(4_000)]
        for start in range(0, len(orders), 1_000):
            outcomes = market.send_all(orders[start : start + 1_000])
            assert all(isinstance(outcome, Accepted) for outcome in outcomes)
        market.drain()
        seq, bids, _asks = stored_book(market)
        assert len(bids) == 4_000
        book = ClientBook()
        with feed.socket() as reader:
            reader.ask("subscribed", op="subscribe", channel="book", symbol=market.symbol)
            message = reader.hear("book")
            # Our messages may be larger than the ones we take.
            assert len(json.dumps(message)) > MAX_MESSAGE_BYTES
            book.take(message)
            assert (book.seq, book.best_bids()) == (seq, bids)
            market.sell(market.trader(), 1, 49000)
            market.drain()
            follow(reader, book, seq + 2)
            assert book.best_bids() == stored_book(market)[1]

    def test_a_socket_that_says_nothing_hears_a_heartbeat(self, feed: Feed, market: Market) -> None:
        with feed.socket() as reader:
            reader.hear("heartbeat", live=True)
            started = time.monotonic()
            assert reader.next() | {"time": ""} == {"type": "heartbeat", "time": "", "live": True}
            assert 3 < time.monotonic() - started < 15

    def test_never_authenticating_is_no_crime(
        self, feed: Feed, market: Market, alice: TradingAccount
    ) -> None:
        with feed.socket() as reader:
            for channel in ("book", "trades", "ticker", "status"):
                reader.ask("subscribed", op="subscribe", channel=channel, symbol=market.symbol)
            market.buy(alice, 1, 49000)
            market.drain()
            assert reader.hear("book", action="delta")["bids"] == [["49000.00", "1.0000"]]
            reader.ask("pong", op="ping")


class TestPrivateStreams:
    """What only the owner may see."""

    def test_the_stream_adds_up_to_the_account(self, feed: Feed, market: Market) -> None:
        accounts = [market.trader() for _ in range(3)]
        mine = accounts[0]
        orders: dict[str, dict[str, Any]] = {}
        balances: dict[str, dict[str, Any]] = {}
        fills: list[dict[str, Any]] = []
        with feed.socket() as reader:
            reader.log_in(mine)
            for channel in ("orders", "fills", "balances"):
                reader.ask("subscribed", op="subscribe", channel=channel, account=mine.pk)
            for channel in ("order", "fill", "balance"):
                reader.hear(channel, action="snapshot")
            for _ in random_flow(market, accounts, steps=30, seed=5):
                pass
            rules = rules_by_id([market.instrument.pk])[market.instrument.pk]
            # The last thing there is to hear.
            market.sell(mine, 1, 54000, client_order_id="the-last")
            market.drain()

            while "the-last" not in {order["client_order_id"] for order in orders.values()}:
                message = reader.hear("order", action="update")
                assert message["account"] == mine.pk
                orders |= {order["id"]: order for order in message["orders"]}
            stored = {str(o.pk): order_json(o, rules) for o in Order.objects.filter(account=mine)}
            assert orders == stored

            wanted = [stored_fill_json(f, rules) for f in Fill.objects.filter(account=mine).order_by("id")]
            while len(fills) < len(wanted):
                fills += reader.hear("fill", action="update")["fills"]
            assert fills == wanted
            assert len(fills) > 5

            ledger = {
                row.asset.code: {
                    "asset": row.asset.code,
                    "balance": text(row.balance, row.asset.decimals),
                    "held": text(row.held, row.asset.decimals),
                    "available": text(row.available, row.asset.decimals),
                }
                for row in LedgerAccount.objects.filter(account=mine).select_related("asset")
            }
            while balances != ledger:
                message = reader.hear("balance", action="update")
                balances |= {balance["asset"]: balance for balance in message["balances"]}

    def test_nobody_hears_of_another_s(
        self, feed: Feed, market: Market, alice: TradingAccount, bob: TradingAccount
    ) -> None:
        with feed.socket() as hers, feed.socket() as his:
            for reader, account in ((hers, alice), (his, bob)):
                reader.log_in(account)
                for channel in ("orders", "fills", "balances"):
                    reader.ask("subscribed", op="subscribe", channel=channel, account=account.pk)
                for channel in ("order", "fill", "balance"):
                    reader.hear(channel, action="snapshot")
            market.sell(alice, 2, 50000)
            market.buy(bob, 1, 50000)
            market.drain()
            for reader, account, other in ((hers, alice, bob), (his, bob, alice)):
                heard = [reader.hear(kind, action="update") for kind in ("order", "fill", "balance")]
                assert {message["account"] for message in heard} == {account.pk}
                assert {order["account"] for order in heard[0]["orders"]} == {account.pk}
                assert {fill["account"] for fill in heard[1]["fills"]} == {account.pk}
                assert len(heard[1]["fills"]) == 1
                assert str(other.user.username) not in str(heard)
                assert {message["type"] for message in reader.passed_over} <= {"heartbeat"}


class TestBadManners:
    """Junk on the wire; a neighbour on the same server must not notice."""

    @pytest.fixture(autouse=True)
    def _neighbour_is_well(self, feed: Feed, market: Market) -> Any:
        with feed.socket() as neighbour:
            neighbour.ask("subscribed", op="subscribe", channel="book", symbol=market.symbol)
            neighbour.hear("book")
            yield
            account = market.trader()
            market.buy(account, 1, 49000)
            market.drain()
            assert neighbour.hear("book")["bids"] == [["49000.00", "1.0000"]]

    def test_a_message_larger_than_the_limit(self, feed: Feed) -> None:
        with feed.socket() as reader:
            reader.connection.send("x" * 70_000)
            assert reader.hear_close()[0] == 1009

    def test_ten_megabytes_in_fragments(self, feed: Feed) -> None:
        before = feed.memory()
        with feed.socket() as reader:
            # All of it may be on its way before the refusal is heard.
            with suppress(ConnectionClosed):
                reader.connection.send("x" * 10_000 for _ in range(1_000))
            assert reader.hear_close()[0] == 1009
        assert feed.memory() - before < 8_000_000

    def test_text_that_is_not_utf_8(self, feed: Feed) -> None:
        with feed.socket() as reader:
            reader.connection.send(b"\xff\xfe{}", text=True)
            assert reader.hear_close()[0] == 1007

    def test_binary(self, feed: Feed) -> None:
        with feed.socket() as reader:
            reader.connection.send(b'{"op": "ping"}')
            assert reader.hear("error")["code"] == "malformed_json"
            reader.ask("pong", op="ping")

    def test_junk_without_end(self, feed: Feed) -> None:
        with feed.socket() as reader:
            for _ in range(11):
                reader.connection.send("{{{")
            assert reader.hear_close() == (4400, "too_many_errors")

    def test_a_flood(self, feed: Feed) -> None:
        with feed.socket() as reader:
            for number in range(2_000):
                try:
                    reader.say(op="ping", id=number)
                except ConnectionClosed:
                    break
            assert reader.hear_close() == (4429, "too_many_messages")

    def test_hanging_up_in_the_middle_of_everything(self, feed: Feed, market: Market) -> None:
        for _ in range(20):
            with feed.socket() as reader:
                reader.say(op="subscribe", channel="book", symbol=market.symbol)
                reader.connection.socket.close()

    @pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
    def test_a_page_of_another_site(self, feed: Feed, origin: str) -> None:
        with pytest.raises(InvalidStatus) as refused:
            connect(feed.url, origin=Origin(origin))
        assert refused.value.response.status_code == HTTPStatus.FORBIDDEN

    @pytest.mark.parametrize("path", ["/ws/v2", "/", "/ws/v1/../../etc", "/wsx"])
    def test_a_wrong_path(self, feed: Feed, path: str) -> None:
        with pytest.raises(InvalidStatus) as refused:
            connect(feed.url.removesuffix("/ws/v1") + path)
        assert refused.value.response.status_code == HTTPStatus.FORBIDDEN

    def test_plain_http(self, feed: Feed) -> None:
        answer = httpx.get(feed.url.replace("ws://", "http://"))
        assert answer.status_code == HTTPStatus.NOT_FOUND

    def test_a_stranger_who_never_finishes_his_handshake(self, feed: Feed) -> None:
        address = urlsplit(feed.url)
        with socket.create_connection((address.hostname, address.port)) as stranger:
            stranger.sendall(b"GET /ws/v1 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n")


def test_a_client_that_vanished_is_forgotten(serve: Callable[..., Feed], market: Market) -> None:
    feed = serve("--ping-interval=1", "--ping-timeout=1")
    address = urlsplit(feed.url)
    request = (
        "GET /ws/v1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    with (
        socket.create_connection((address.hostname, address.port), timeout=20) as silent,
        feed.socket() as well,
    ):
        silent.sendall(request.encode())
        assert silent.recv(12) == b"HTTP/1.1 101"
        # Whatever is sent is read, no ping is ever answered.
        with suppress(ConnectionResetError):
            while silent.recv(65_536):
                pass
        well.ask("pong", op="ping")


def test_a_stopped_server_leaves_no_connection_behind(serve: Callable[..., Feed], market: Market) -> None:
    feed = serve()

    def subscriptions() -> int:
        """Of this server: others with sockets come and go beside it."""
        ports = {connection.laddr.port for connection in feed.process.net_connections()}
        readers = client().client_list(_type="pubsub")
        return sum(int(reader["addr"].rpartition(":")[2]) in ports for reader in readers)

    assert subscriptions() == 0
    with feed.socket() as reader:
        reader.ask("subscribed", op="subscribe", channel="book", symbol=market.symbol)
        reader.hear("book")
        assert subscriptions() == 1
    eventually(lambda: subscriptions() == 0)
    fund(market.trader(), market.instrument.base, 1)


def test_a_server_that_is_told_to_stop_says_so(serve: Callable[..., Feed], market: Market) -> None:
    feed = serve()
    with feed.socket() as follower, feed.socket() as idle, feed.stubborn_socket():
        follower.ask("subscribed", op="subscribe", channel="book", symbol=market.symbol)
        feed.process.terminate()
        assert follower.hear_close() == (1012, "server_stopping")
        assert idle.hear_close() == (1012, "server_stopping")
        # The third reads nothing, not even its close, and keeps nobody waiting for long.
        feed.process.wait(timeout=8)
