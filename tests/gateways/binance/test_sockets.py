"""What the sockets of this dialect have in common, apart from any socket."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import orjson
import pytest

from orders.feed.hub import Hub
from orders.feed.protocol import STOPPING, TOO_SLOW
from tests.gateways.ear import Ear
from tradeplatform.gateways.binance.sockets import (
    LIFE_OVER,
    TOO_MANY_REQUESTS,
    SocketDialect,
    SocketSession,
    request_id,
)


@pytest.mark.parametrize("number", [1, 0, -5, 2**63 - 1, "a-1_B", "x" * 36, None])
def test_an_id_is_a_number_or_a_short_word_or_nothing(number: Any) -> None:
    assert request_id({"id": number}) == number


@pytest.mark.parametrize("number", [2**63, 1.5, True, "", "x" * 37, "a b", [1], {}])
def test_no_other_id(number: Any) -> None:
    with pytest.raises(ValueError, match="id"):
        request_id({"id": number})


def test_only_a_planned_stop_is_announced() -> None:
    plain, wrapped = SocketDialect(), SocketDialect('{"event":%s}')
    assert orjson.loads(plain.closing(STOPPING) or "")["e"] == "serverShutdown"
    assert orjson.loads(wrapped.closing(STOPPING) or "")["event"].keys() == {"e", "E"}
    assert [plain.closing(why) for why in (TOO_SLOW, LIFE_OVER)] == [None, None]


class Quiet(SocketSession):
    """A socket whose messages nobody answers."""

    async def answer(self, text: str) -> None:
        """Nothing."""


def test_a_socket_lives_for_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        outlet = Ear()
        session = Quiet(Hub(), outlet)
        began = time.monotonic()
        monkeypatch.setattr(outlet, "last_pong", lambda: began + 24 * 60 * 60)
        session.tick(began + 24 * 60 * 60 - 1)
        assert outlet.closing is None
        session.tick(began + 24 * 60 * 60 + 1)
        assert outlet.closing is LIFE_OVER

    asyncio.run(scenario())


def test_five_messages_a_second_and_no_more() -> None:
    async def scenario() -> None:
        outlet = Ear()
        session = Quiet(Hub(), outlet)
        for _ in range(5):
            await session.receive("{}")
        assert outlet.closing is None
        await session.receive("{}")
        assert outlet.closing is TOO_MANY_REQUESTS

    asyncio.run(scenario())
