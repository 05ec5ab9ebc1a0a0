"""Wall 11: feeds may drop; snapshot plus seq, and the checksum, let a client notice and catch up."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import orjson
import pytest

from instruments.scaling import book_checksum
from instruments.selectors import rules_by_id
from orders import selectors
from orders.models import Order, Side
from orders.services import frames
from tests.factories import Market, make_market

pytestmark = pytest.mark.django_db


@dataclass
class Client:
    """What a client keeps, and how it knows that it has missed something."""

    seq: int = -1
    bids: dict[str, str] = field(default_factory=dict)
    asks: dict[str, str] = field(default_factory=dict)
    gaps: int = 0

    def take(self, frame: dict[str, Any], market: Market) -> None:
        """Apply a frame; on a gap, take a snapshot first."""
        if frame["seq"] <= self.seq:
            return
        if frame["first_seq"] != self.seq + 1:
            self.gaps += 1
            self.snapshot(market)
            if frame["seq"] <= self.seq:
                return
        for side, levels in (("bids", self.bids), ("asks", self.asks)):
            for price, quantity in frame[side]:
                if Decimal(quantity):
                    levels[price] = quantity
                else:
                    levels.pop(price, None)
        self.seq = frame["seq"]
        assert self.checksum() == frame["checksum"]

    def snapshot(self, market: Market) -> None:
        """The book as committed, at its seq."""
        rules = rules_by_id([market.instrument.id])[market.instrument.id]
        depth = selectors.depth(rules, limit=1_000)
        self.seq = depth.seq
        self.bids = {f"{price:.2f}": f"{quantity:.4f}" for price, quantity in depth.bids}
        self.asks = {f"{price:.2f}": f"{quantity:.4f}" for price, quantity in depth.asks}

    def checksum(self) -> int:
        """As the documentation of the feed tells a client to compute it."""

        def digits(levels: dict[str, str], *, falling: bool) -> list[tuple[int, int]]:
            ordered = sorted(levels, key=Decimal, reverse=falling)
            return [(int(p.replace(".", "")), int(levels[p].replace(".", ""))) for p in ordered]

        return book_checksum(asks=digits(self.asks, falling=False), bids=digits(self.bids, falling=True))


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Every market frame that was published, in order."""
    found: list[dict[str, Any]] = []

    def publish(published: list[frames.Frame]) -> None:
        bodies = [orjson.loads(frame.body) for frame in published]
        found.extend(body for body in bodies if body["type"] == "market")

    monkeypatch.setattr(frames, "publish", publish)
    return found


def trade_at_random(market: Market, rng: random.Random, rounds: int) -> None:
    """Orders around the price, some cancelled, a drain after every few."""
    traders = [market.trader(base=1000, quote=100_000_000) for _ in range(4)]
    for _ in range(rounds):
        for _ in range(rng.randint(1, 6)):
            trader = rng.choice(traders)
            price = 50000 + rng.randint(-8, 8)
            market.send(
                market.request(trader, rng.choice([Side.BUY, Side.SELL]), f"0.{rng.randint(1, 99):02}", price)
            )
        live = list(Order.objects.resting().filter(instrument=market.instrument).order_by("id"))
        if live and rng.random() < 0.5:
            market.cancel(rng.choice(live).id)
        market.drain()


@pytest.mark.parametrize("seed", range(3))
def test_wall_11_a_client_that_loses_frames_notices_and_catches_up(
    told: list[dict[str, Any]], seed: int
) -> None:
    rng = random.Random(seed)
    market = make_market()
    careful, unlucky, late = Client(), Client(), Client()
    for number in range(30):
        trade_at_random(market, rng, 1)
        frame = told[-1]
        careful.take(frame, market)
        if rng.random() < 0.5:
            unlucky.take(frame, market)
        if number == 20:
            late.snapshot(market)
        if number > 20:
            late.take(frame, market)
    unlucky.take(told[-1], market)
    truth = Client()
    truth.snapshot(market)

    for client in (careful, unlucky, late):
        assert (client.seq, client.bids, client.asks) == (truth.seq, truth.bids, truth.asks)
    # The first frame finds everybody without a book; after that only who lost frames sees gaps.
    assert careful.gaps == 1
    assert unlucky.gaps > 3
    assert late.gaps == 0


def test_wall_11_frames_heard_twice_or_too_late_do_no_harm(told: list[dict[str, Any]]) -> None:
    market, client = make_market(), Client()
    trade_at_random(market, random.Random(7), 10)
    for frame in told:
        for again in told[: told.index(frame) + 1]:
            client.take(again, market)

    truth = Client()
    truth.snapshot(market)
    assert (client.seq, client.bids, client.asks) == (truth.seq, truth.bids, truth.asks)


def test_wall_11_frames_follow_each_other_without_a_gap(told: list[dict[str, Any]]) -> None:
    market = make_market()
    trade_at_random(market, random.Random(8), 15)

    assert [frame["first_seq"] for frame in told] == [1, *(frame["seq"] + 1 for frame in told[:-1])]
    assert told[-1]["seq"] == market.book().seq
    trades = [trade["seq"] for frame in told for trade in frame["trades"]]
    assert trades == sorted(set(trades))


def test_wall_11_the_checksum_catches_a_client_that_miscounts(told: list[dict[str, Any]]) -> None:
    market, client = make_market(), Client()
    client.snapshot(market)
    trade_at_random(market, random.Random(9), 1)
    client.take(told[-1], market)
    (price, *_) = client.bids or client.asks
    (client.bids or client.asks)[price] = "77.0000"

    trade_at_random(market, random.Random(10), 1)

    with pytest.raises(AssertionError):
        client.take(told[-1] | {"bids": [], "asks": []}, market)
