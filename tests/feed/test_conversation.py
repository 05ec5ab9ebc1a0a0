"""Who is let in, and what everybody may ask, through the real ASGI application."""

from __future__ import annotations

import asyncio

import pytest
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.utils import timezone

from accounts.models import TradingAccount
from orders.feed import hub as hub_module
from orders.feed.hub import hub
from orders.models import Side
from orders.services.phases import halt_instrument, resume_instrument
from tests.factories import ACTOR, NOW, Market, make_market
from tests.feed.talk import PATIENCE, Talk, do, subscribed, talk

pytestmark = pytest.mark.django_db(transaction=True)


class TestDoor:
    """Who is let in."""

    @pytest.mark.parametrize("origin", [None, *settings.WEBSOCKET_ORIGINS])
    async def test_programs_and_our_own_pages(self, origin: str | None, market: Market) -> None:
        async with talk(origin=origin) as socket:
            assert (await socket.ask("pong", op="ping", id="x"))["id"] == "x"

    @pytest.mark.parametrize(
        ("origin", "path"),
        [
            ("https://evil.example", "/ws/v1"),
            ("null", "/ws/v1"),
            (settings.WEBSOCKET_ORIGINS[0] + ".evil.example", "/ws/v1"),
            (None, "/ws/v2"),
            (None, "/"),
            (None, "/ws/v1/admin"),
        ],
    )
    async def test_others_are_not(self, origin: str | None, path: str) -> None:
        from tradeplatform.asgi import application  # noqa: PLC0415

        headers = [(b"origin", origin.encode())] if origin else []
        communicator = WebsocketCommunicator(application, path, headers=headers)
        accepted, _code = await communicator.connect(timeout=PATIENCE)
        assert not accepted

    async def test_a_full_server_sends_away(self, monkeypatch: pytest.MonkeyPatch, market: Market) -> None:
        async with talk():
            monkeypatch.setattr(hub_module, "MAX_SOCKETS", 1)
            from tradeplatform.asgi import application  # noqa: PLC0415

            second = WebsocketCommunicator(application, "/ws/v1")
            await second.connect(timeout=PATIENCE)
            assert await Talk(second).hear_close() == (1013, "too_many_sockets")
            await second.disconnect()

    async def test_the_last_socket_stops_the_hub(self, market: Market) -> None:
        async with talk() as socket:
            await subscribed(socket, channel="book", symbol=market.symbol)
            tasks = list(hub()._tasks)
            assert len(tasks) == 5
        await asyncio.wait(tasks, timeout=PATIENCE)
        assert all(task.done() for task in tasks)
        assert (hub()._tasks, hub()._markets, hub()._members) == ([], {}, set())


class TestPublic:
    """Market data, for a socket that never says who it is."""

    async def test_book_snapshot_then_delta(self, market: Market, alice: TradingAccount) -> None:
        await do(lambda: market.buy(alice, 2, 49000))
        await do(market.drain)
        async with talk() as socket:
            await subscribed(socket, channel="book", symbol=market.symbol)
            snapshot = await socket.hear("book")
            assert (snapshot["action"], snapshot["seq"]) == ("snapshot", 1)
            assert (snapshot["bids"], snapshot["asks"]) == ([["49000.00", "2.0000"]], [])

            await do(lambda: market.sell(alice, "0.5", 51000))
            await do(market.drain)
            delta = await socket.hear("book")
            assert (delta["action"], delta["first_seq"], delta["seq"]) == ("delta", 2, 2)
            assert (delta["bids"], delta["asks"]) == ([], [["51000.00", "0.5000"]])

    async def test_a_level_that_is_gone_has_quantity_zero(
        self, market: Market, alice: TradingAccount
    ) -> None:
        order = await do(lambda: market.buy(alice, 2, 49000))
        await do(market.drain)
        async with talk() as socket:
            await subscribed(socket, channel="book", symbol=market.symbol)
            await socket.hear("book")
            await do(lambda: market.cancel(order, alice))
            await do(market.drain)
            assert (await socket.hear("book"))["bids"] == [["49000.00", "0.0000"]]

    async def test_a_late_joiner_gets_the_book_as_it_is(self, market: Market, alice: TradingAccount) -> None:
        async with talk() as first, talk() as late:
            await subscribed(first, channel="book", symbol=market.symbol)
            assert (await first.hear("book"))["seq"] == 0
            await do(lambda: market.buy(alice, 2, 49000))
            await do(market.drain)
            assert (await first.hear("book"))["seq"] == 1
            await subscribed(late, channel="book", symbol=market.symbol)
            snapshot = await late.hear("book")
            assert (snapshot["action"], snapshot["seq"]) == ("snapshot", 1)
            assert snapshot["bids"] == [["49000.00", "2.0000"]]

    async def test_subscribing_again_sends_a_fresh_snapshot(self, market: Market) -> None:
        async with talk() as socket:
            for _ in range(2):
                await subscribed(socket, channel="book", symbol=market.symbol)
                assert (await socket.hear("book"))["action"] == "snapshot"

    async def test_after_unsubscribing_there_is_silence(
        self, market: Market, alice: TradingAccount, bob: TradingAccount
    ) -> None:
        async with talk() as socket:
            for channel in ("book", "trades"):
                await subscribed(socket, channel=channel, symbol=market.symbol)
            await socket.hear("book")
            answer = await socket.ask("unsubscribed", op="unsubscribe", channel="book", symbol=market.symbol)
            assert answer == {"type": "unsubscribed", "channel": "book", "symbol": market.symbol, "id": None}
            await socket.ask("unsubscribed", op="unsubscribe", channel="book", symbol=market.symbol)
            await socket.hear("trade")
            await do(lambda: (market.buy(alice, 1, 50000), market.sell(bob, 1, 50000)))
            await do(market.drain)
            # Books and trades come from the same frames: had the book been sent, it would be here by now.
            assert len((await socket.hear("trade"))["trades"]) == 1
            assert [m for m in socket.passed_over if m["type"] == "book"] == []

    async def test_trades_first_the_recent_then_each(
        self, market: Market, alice: TradingAccount, bob: TradingAccount
    ) -> None:
        def trade(price: int) -> None:
            market.sell(alice, 1, price)
            market.buy(bob, 1, price)
            market.drain()

        await do(lambda: trade(50000))
        async with talk() as socket:
            await subscribed(socket, channel="trades", symbol=market.symbol)
            snapshot = await socket.hear("trade")
            assert snapshot["action"] == "snapshot"
            assert [(t["seq"], t["price"], t["quantity"], t["taker_side"]) for t in snapshot["trades"]] == [
                (3, "50000.00", "1.0000", "buy")
            ]
            await do(lambda: trade(50100))
            update = await socket.hear("trade")
            assert (update["action"], update["seq"]) == ("update", 6)
            assert [(t["seq"], t["price"]) for t in update["trades"]] == [(6, "50100.00")]
            assert set(update["trades"][0]) == {
                "id",
                "symbol",
                "seq",
                "price",
                "quantity",
                "taker_side",
                "time",
            }

    async def test_ticker_of_an_empty_and_of_a_moving_market(
        self, market: Market, alice: TradingAccount, bob: TradingAccount
    ) -> None:

        async with talk() as socket:
            await subscribed(socket, channel="ticker", symbol=market.symbol)
            empty = await socket.hear("ticker")
            assert {empty[name] for name in ("last", "bid", "ask", "open", "high", "low")} == {None}
            assert (empty["volume"], empty["quote_volume"], empty["trades"]) == ("0.0000", "0.00000000", 0)

            def move() -> None:
                now = timezone.now()
                market.send(market.request(alice, Side.SELL, 3, 50000), now=now)
                market.send(market.request(bob, Side.BUY, 1, 50000), now=now)
                market.send(market.request(bob, Side.BUY, 2, 49000), now=now)
                market.drain(now=now)

            await do(move)
            ticker = await socket.hear("ticker")
            wanted = ("last", "bid", "bid_quantity", "ask", "ask_quantity", "open", "volume", "quote_volume")
            assert [ticker[name] for name in wanted] == [
                "50000.00",
                "49000.00",
                "2.0000",
                "50000.00",
                "2.0000",
                "50000.00",
                "1.0000",
                "50000.00000000",
            ]
            assert ticker["trades"] == 1

    async def test_status_follows_the_book(self, market: Market) -> None:

        async with talk() as socket:
            await subscribed(socket, channel="status", symbol=market.symbol)
            assert (await socket.hear("status"))["status"] == "active"
            for act, expected in ((halt_instrument, "halted"), (resume_instrument, "active")):
                await do(lambda act=act: act(symbol=market.symbol, actor=ACTOR, now=NOW, reason="test"))  # type: ignore[misc]
                await do(market.drain)
                assert (await socket.hear("status"))["status"] == expected

    async def test_unknown_symbol(self, market: Market) -> None:
        async with talk() as socket:
            for symbol in ("NOPE", market.symbol.lower(), "\u202e", "a\0b"):
                error = await socket.ask("error", op="subscribe", channel="book", symbol=symbol, id=9)
                assert (error["code"], error["id"]) == ("unknown_symbol", 9)

    async def test_too_many_subscriptions(self, market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("orders.feed.protocol.MAX_SUBSCRIPTIONS", 2)
        async with talk() as socket:
            for channel in ("book", "trades", "book"):
                await subscribed(socket, channel=channel, symbol=market.symbol)
            error = await socket.ask("error", op="subscribe", channel="status", symbol=market.symbol)
            assert (error["code"], error["context"]) == ("too_many_subscriptions", {"maximum": 2})
            await socket.ask("unsubscribed", op="unsubscribe", channel="book", symbol=market.symbol)
            await subscribed(socket, channel="status", symbol=market.symbol)


async def test_two_markets_do_not_mix(market: Market, alice: TradingAccount) -> None:
    other = await do(make_market)
    async with talk() as socket:
        await subscribed(socket, channel="book", symbol=other.symbol)
        await socket.hear("book")
        await do(lambda: market.buy(alice, 1, 49000))
        await do(market.drain)
        await subscribed(socket, channel="book", symbol=market.symbol)
        message = await socket.hear("book")
        assert (message["symbol"], message["seq"]) == (market.symbol, 1)
