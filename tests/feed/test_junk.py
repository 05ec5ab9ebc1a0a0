"""Messages that make no sense, and too many of those that do, through the real ASGI application."""

from __future__ import annotations

import pytest
from django.db import OperationalError

from accounts.models import TradingAccount
from orders.feed.protocol import MAX_MESSAGE_BYTES
from tests.factories import Market, everything_stored
from tests.feed.talk import do, talk

pytestmark = pytest.mark.django_db(transaction=True)


class TestJunk:
    """Messages that make no sense, and too many of those that do."""

    async def test_junk_is_answered_and_then_ends_the_conversation(self, market: Market) -> None:
        before = await do(everything_stored)
        junk = [
            " ",
            "{",
            "[]",
            '"ping"',
            "null",
            '{"op": "explode"}',
            '{"op": ["ping"]}',
            "[" * 1_000,
            "\0",
            "[1",
        ]
        async with talk() as socket, talk() as neighbour:
            codes = []
            for text in junk:
                await socket.say_raw(text)
                codes.append((await socket.hear("error"))["code"])
            assert set(codes) == {"malformed_json", "unknown_operation"}
            await socket.say_raw("one more")
            assert await socket.hear_close() == (4400, "too_many_errors")
            await neighbour.ask("pong", op="ping")
        assert await do(everything_stored) == before

    async def test_binary_is_not_understood(self, market: Market) -> None:
        async with talk() as socket:
            await socket.say_raw(data=b'{"op": "ping"}')
            assert (await socket.hear("error"))["code"] == "malformed_json"
            await socket.ask("pong", op="ping")

    async def test_asking_for_private_channels_again_and_again_without_a_token(
        self, market: Market, alice: TradingAccount
    ) -> None:
        async with talk() as socket:
            for _ in range(11):
                await socket.say(op="subscribe", channel="orders", account=alice.pk)
            assert await socket.hear_close() == (4401, "auth_required")

    async def test_too_many_messages(self, market: Market) -> None:
        async with talk() as socket:
            for _ in range(200):
                await socket.say(op="ping")
            assert await socket.hear_close() == (4429, "too_many_messages")

    async def test_a_burst_within_the_limits_is_answered(self, market: Market) -> None:
        async with talk() as socket:
            for number in range(60):
                await socket.say(op="ping", id=number)
            assert [(await socket.hear("pong"))["id"] for _ in range(60)] == list(range(60))

    async def test_a_message_of_the_greatest_size_and_one_larger(self, market: Market) -> None:
        async with talk() as socket:
            await socket.say_raw('{"op": "ping"}'.ljust(MAX_MESSAGE_BYTES))
            await socket.hear("pong")
            # Fewer characters than the limit, more bytes.
            await socket.say_raw("é" * (MAX_MESSAGE_BYTES // 2 + 1))
            assert await socket.hear_close() == (1009, "message_too_large")

    async def test_a_database_that_does_not_answer(
        self, market: Market, monkeypatch: pytest.MonkeyPatch
    ) -> None:

        def away(symbol: str) -> None:
            raise OperationalError("the connection is closed")

        async with talk() as socket:
            monkeypatch.setattr("orders.feed.session.find_rules", away)
            error = await socket.ask("error", op="subscribe", channel="book", symbol=market.symbol, id=3)
            assert (error["code"], error["id"]) == ("unavailable", 3)
