"""What is said on a connection, and how it ends."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from accounts.models import TradingAccount
from orders.market.intervals import Interval
from tests.factories import Market, make_market
from tests.feed.stream import Stream
from tests.feed.talk import Feed
from tests.gateways.binance.streams.talking import name, speaker

pytestmark = pytest.mark.django_db(transaction=True)


class TestConversation:
    def test_from_subscribing_to_leaving(self, server: Feed, market: Market, alice: TradingAccount) -> None:
        best, depth = name(market, "bookTicker"), name(market, "depth@100ms")
        with speaker(server) as reader:
            reader.subscribe(depth, best)
            assert reader.next()["s"] == market.symbol
            assert reader.ask("LIST_SUBSCRIPTIONS", number=2) == {"result": [depth, best], "id": 2}
            assert reader.ask("GET_PROPERTY", "combined", number="a") == {"result": False, "id": "a"}
            assert reader.ask("UNSUBSCRIBE", best, "no@trade", number=3) == {"result": None, "id": 3}
            assert reader.ask("SET_PROPERTY", "combined", True, number=4) == {"result": None, "id": 4}
            market.buy(alice, 1, 49000)
            market.drain()
            event = reader.next()
            assert (event["stream"], event["data"]["e"]) == (depth, "depthUpdate")

    def test_a_combined_connection_says_of_each_event_where_it_is_from(
        self, server: Feed, market: Market
    ) -> None:
        best, five = name(market, "bookTicker"), name(market, "depth5")
        with speaker(server, f"/stream?streams={best}/{five}") as reader:
            heard = {message["stream"]: message["data"] for message in (reader.next(), reader.next())}
            assert heard[best]["s"] == market.symbol
            assert heard[five]["bids"] == []
            assert reader.ask("GET_PROPERTY", "combined") == {"result": True, "id": 1}

    def test_any_address_will_do_for_who_subscribes_later(self, server: Feed, market: Market) -> None:
        for path in ("/ws/", "/ws/17", "/stream"):
            with speaker(server, path) as reader:
                reader.subscribe(name(market, "bookTicker"))

    @pytest.mark.parametrize("wrong", ["nosuch@trade", "BTCUSDT@trade", "junk"])
    def test_what_does_not_exist_is_refused_and_nothing_is_subscribed(
        self, server: Feed, market: Market, wrong: str
    ) -> None:
        with speaker(server) as reader:
            assert reader.ask("SUBSCRIBE", name(market, "trade"), wrong, number=9) == {
                "error": {"code": 2, "msg": f"Invalid request: invalid stream `{wrong}`"},
                "id": 9,
            }
            assert reader.ask("LIST_SUBSCRIPTIONS") == {"result": [], "id": 1}

    def test_an_address_that_names_what_does_not_exist(self, server: Feed) -> None:
        with speaker(server, "/ws/nosuch@trade") as reader:
            assert reader.next()["error"]["msg"] == "Invalid request: invalid stream `nosuch@trade`"

    def test_more_streams_than_a_connection_may_have(self, server: Feed) -> None:
        with speaker(server) as reader:
            names = [f"s{number}@trade" for number in range(1_025)]
            answer = reader.ask("SUBSCRIBE", *names)
            assert answer["error"] == {"code": 2, "msg": "Invalid request: at most 1024 streams a connection"}

    def test_more_than_five_messages_a_second(self, server: Feed) -> None:
        with speaker(server) as reader:
            for number in range(20):
                try:
                    reader.connection.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": number}))
                except ConnectionClosed:
                    break
            code, reason, said = reader.hear_close()
            assert (code, reason) == (1008, "too_many_requests")
            assert 5 <= len(said) < 12

    def test_times_in_microseconds_are_not_served_in_milliseconds(self, server: Feed) -> None:
        with pytest.raises(InvalidStatus) as refused, speaker(server, "/ws/a@trade?timeUnit=MICROSECOND"):
            pass
        assert refused.value.response.status_code == 403

    def test_a_page_of_another_site(self, server: Feed) -> None:
        with pytest.raises(InvalidStatus) as refused:
            connect(server.url.removesuffix("/v1"), origin=Origin("https://evil.example"))
        assert refused.value.response.status_code == 403


class TestManyStreams:
    """1,024 on a connection, by SUBSCRIBE; an address is read by the server of HTTP, which takes 16 kB."""

    @pytest.fixture
    def names(self, transactional_db: None) -> list[str]:
        """Of streams that exist; 16 kB of them are some 650."""
        speeds = ("", "@100ms", "@1000ms")
        kinds = [f"depth{levels}{speed}" for levels in ("", "5", "10", "20") for speed in speeds]
        kinds += [f"kline_{interval}" for interval in Interval]
        kinds += ["trade", "aggTrade", "bookTicker", "ticker", "miniTicker", "avgPrice"]
        markets = [make_market() for _ in range(1_024 // len(kinds) + 1)]
        return [name(market, kind) for market in markets for kind in kinds][:1_025]

    def test_as_many_as_are_promised(self, server: Feed, names: list[str]) -> None:
        with speaker(server) as reader:
            begin, last, beyond = names[:1_000], names[1_000:1_024], names[1_024:]
            reader.subscribe(*begin)
            reader.connection.send(json.dumps({"method": "SUBSCRIBE", "params": last, "id": 2}))
            assert reader.until(id=2) == {"result": None, "id": 2}
            reader.connection.send(json.dumps({"method": "SUBSCRIBE", "params": beyond, "id": 3}))
            assert reader.until(id=3)["error"]["msg"] == "Invalid request: at most 1024 streams a connection"
            reader.connection.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": 4}))
            assert reader.until(id=4)["result"] == names[:1_024]

    def test_an_address_takes_what_fits_and_the_rest_is_added(self, server: Feed, names: list[str]) -> None:
        fit = 15_000 // (len(names[0]) + 14)
        with speaker(server, f"/stream?streams={'/'.join(names[:fit])}") as reader:
            reader.connection.send(json.dumps({"method": "SUBSCRIBE", "params": names[fit:1_024], "id": 1}))
            assert reader.until(id=1) == {"result": None, "id": 1}
            reader.connection.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": 2}))
            assert reader.until(id=2)["result"] == names[:1_024]

    def test_an_address_that_is_longer_is_no_connection_and_harms_nobody(
        self, server: Feed, names: list[str]
    ) -> None:
        with speaker(server) as neighbour:
            with pytest.raises(InvalidMessage), speaker(server, f"/stream?streams={'/'.join(names)}"):
                pass
            assert neighbour.ask("LIST_SUBSCRIPTIONS") == {"result": [], "id": 1}


class TestLife:
    def test_who_answers_pings_stays_and_who_does_not_is_closed(self, server: Feed) -> None:
        with speaker(server) as well, handshaken(server) as silent:
            began = time.monotonic()
            assert close_code(silent) == 1008
            assert time.monotonic() - began > 7
            assert well.ask("LIST_SUBSCRIPTIONS") == {"result": [], "id": 1}

    @pytest.mark.parametrize("path", ["/ws", "/stream"])
    def test_a_reader_that_stops_is_closed_and_not_buffered_for(
        self, server: Feed, market: Market, path: str
    ) -> None:
        stream = Stream(market)
        address = urlsplit(server.url)
        plain = socket.socket()
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plain.connect((address.hostname, address.port))
        how: dict[str, Any] = {"sock": plain, "max_queue": 1, "ping_interval": None, "compression": None}
        with speaker(server, path, **how) as slow, speaker(server, path) as fast:
            for reader in (slow, fast):
                reader.subscribe(name(market, "trade"))
            before = server.memory()
            for _ in range(20):
                stream.publish(stream.trades(10))
                for _ in range(200):
                    fast.next()
            assert server.memory() - before < 8_000_000
            code, reason, _said = slow.hear_close()
            assert (code, reason) == (4408, "too_slow")

    def test_a_planned_stop_is_announced(self, serve: Callable[..., Feed], market: Market) -> None:
        stopped = serve()
        best = name(market, "bookTicker")
        with speaker(stopped) as plain, speaker(stopped, f"/stream?streams={best}") as combined:
            plain.ask("LIST_SUBSCRIPTIONS")
            combined.next()
            stopped.process.terminate()
            code, reason, said = plain.hear_close()
            assert (code, reason, said[-1]["e"]) == (1012, "server_stopping", "serverShutdown")
            code, reason, said = combined.hear_close()
            assert (code, said[-1]["data"]["e"]) == (1012, "serverShutdown")


def handshaken(feed: Feed) -> socket.socket:
    """A connection of somebody who never answers a ping."""
    address = urlsplit(feed.url)
    plain = socket.create_connection((address.hostname or "", address.port or 0), timeout=20)
    key = "dGhlIHNhbXBsZSBub25jZQ=="
    plain.sendall(
        f"GET /ws HTTP/1.1\r\nHost: {address.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    heard = b""
    while not heard.endswith(b"\r\n\r\n"):
        heard += plain.recv(1)
    return plain


def close_code(plain: socket.socket) -> int:
    """Read frames up to the close frame; each is short and in one piece."""
    heard = b""
    while heard[:1] != b"\x88":
        more = plain.recv(4096)
        assert more, "dropped without a close frame"
        heard += more
        while heard and heard[0] != 0x88 and len(heard) >= 2 + heard[1]:
            heard = heard[2 + heard[1] :]
    return int.from_bytes(heard[2:4])
