"""Candles without a database: moved on by trades, closed by the clock, corrected by what comes late."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orders.feed.reading import CandlesRead
from orders.market.selectors import Candle
from tests.gateways.ear import Ear
from tests.risk.test_pretrade import RULES
from tradeplatform.gateways.binance.streams import klines
from tradeplatform.gateways.binance.streams.klines import KlineStream
from tradeplatform.gateways.binance.streams.names import parse
from tradeplatform.gateways.binance.streams.trades import Traded

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def trade(seq: int, at: datetime, price: int) -> Traded:
    return Traded(seq, seq, f"{price}.00", "1.0000", at, "buy", seq)


def stream(monkeypatch: pytest.MonkeyPatch, *, now: datetime) -> tuple[KlineStream, Ear]:
    """A stream of minutes that has read nothing, and who hears it."""
    monkeypatch.setattr(klines, "now", lambda: now)
    found, ear = KlineStream(parse("x@kline_1m"), RULES), Ear()
    found.load(CandlesRead(0, []))
    found.add(ear, combined=False)
    return found, ear


def heard(ear: Ear) -> list[tuple[Any, ...]]:
    """(seconds after noon, open, close, trades, closed) of each event."""
    ks = [json.loads(text)["k"] for text in ear.heard]
    began = NOON.timestamp()
    return [(k["t"] / 1_000 - began, k["o"].split(".")[0], k["c"].split(".")[0], k["n"], k["x"]) for k in ks]


async def until_closed(ear: Ear) -> None:
    """Let the clock's turn come: it closes the candle as the second event."""
    async with asyncio.timeout(20):
        while len(ear.heard) < 2:  # noqa: ASYNC110 - a stream tells its ears and nobody else
            await asyncio.sleep(0)


def test_trades_move_it_and_a_later_one_closes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        found, ear = stream(monkeypatch, now=NOON + timedelta(seconds=30))
        found.traded([trade(1, NOON, 100), trade(2, NOON + timedelta(seconds=9), 90)])
        found.traded([trade(3, NOON + timedelta(seconds=125), 80)])
        assert heard(ear) == [
            (0, "100", "100", 1, False),
            (0, "100", "90", 2, True),
            (60, "90", "90", 0, True),
        ]
        found.rest()

    asyncio.run(scenario())


def test_the_clock_closes_it_without_a_trade(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        # A quarter of a second after the end, and no earlier.
        found, ear = stream(monkeypatch, now=NOON + timedelta(seconds=60, milliseconds=250))
        found.traded([trade(1, NOON, 100)])
        await until_closed(ear)
        assert heard(ear) == [(0, "100", "100", 1, False), (0, "100", "100", 1, True)]
        found.rest()

    asyncio.run(scenario())


def test_a_late_trade_corrects_the_closed_one(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        found, ear = stream(monkeypatch, now=NOON + timedelta(seconds=61))
        found.traded([trade(1, NOON, 100)])
        await until_closed(ear)
        found.traded([trade(2, NOON + timedelta(seconds=59), 95)])
        assert heard(ear)[-1] == (0, "100", "95", 2, True)
        # The running one has no trade yet: it stands at the corrected close.
        assert json.loads(found.now() or "")["k"]["o"] == "95.00000000"
        found.rest()

    asyncio.run(scenario())


def test_a_trade_that_was_read_already_is_not_counted_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        found, _ear = stream(monkeypatch, now=NOON + timedelta(seconds=5))
        found.traded([trade(4, NOON, 100)])
        found.traded([trade(4, NOON, 100), trade(5, NOON, 100)])
        assert json.loads(found.now() or "")["k"]["n"] == 2
        found.rest()

    asyncio.run(scenario())


def test_it_goes_on_from_what_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        found, _ear = stream(monkeypatch, now=NOON + timedelta(seconds=5))
        one = klines._with(klines._flat(NOON, RULES.tick_size), trade(7, NOON, 100))
        found.load(CandlesRead(7, [one]))
        found.traded([trade(8, NOON, 110)])
        event = json.loads(found.now() or "")["k"]
        ids = [(RULES.id << 40) + seq for seq in (7, 8)]
        assert (event["o"], event["c"], [event["f"], event["L"]]) == ("100.00000000", "110.00000000", ids)
        assert isinstance(one, Candle)
        found.rest()

    asyncio.run(scenario())
