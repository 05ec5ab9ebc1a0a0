"""The small parts: positions of shards, the last day by the minute, token buckets, and the way out."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from orders.feed import protocol
from orders.feed.buckets import Bucket
from orders.feed.day import DayStats
from orders.feed.flow import Flow
from orders.feed.outlet import Outlet
from orders.feed.positions import ShardPositions
from orders.market.selectors import Candle

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


class TestPositions:
    """Noticing that a batch was missed."""

    def test_batches_in_a_row_are_all_heard(self) -> None:
        positions = ShardPositions()
        assert positions.begin({1: 10, 2: 5})
        assert positions.hear(shard=1, first=11, last=13)
        assert positions.hear(shard=2, first=6, last=6)
        assert positions.hear(shard=1, first=14, last=14)

    def test_a_missing_batch_is_noticed_once(self) -> None:
        positions = ShardPositions()
        positions.begin({1: 10})
        assert not positions.hear(shard=1, first=12, last=12)
        assert positions.hear(shard=1, first=13, last=15)

    def test_a_late_batch_is_no_news(self) -> None:
        positions = ShardPositions()
        positions.begin({1: 10})
        assert positions.hear(shard=1, first=8, last=10)
        assert positions.hear(shard=1, first=11, last=11)

    def test_a_new_shard_begins_with_its_first_batch(self) -> None:
        positions = ShardPositions()
        positions.begin({1: 10})
        assert positions.hear(shard=3, first=1, last=4)
        assert not positions.hear(shard=3, first=6, last=6)

    def test_what_is_heard_before_the_beginning_is_compared_with_it(self) -> None:
        positions = ShardPositions()
        assert positions.hear(shard=1, first=9, last=10)
        assert positions.hear(shard=1, first=11, last=11)
        assert positions.begin({1: 10})
        assert positions.hear(shard=1, first=12, last=12)

        positions.forget()
        assert positions.hear(shard=1, first=20, last=20)
        assert not positions.begin({1: 12})

    def test_a_batch_that_was_never_published_is_noticed_by_the_second_audit(self) -> None:
        positions = ShardPositions()
        positions.begin({1: 10})
        assert positions.audit({1: 12}), "it may be on its way"
        assert not positions.audit({1: 12})
        assert positions.audit({1: 12}), "it was dealt with"
        assert positions.hear(shard=1, first=13, last=13)

    def test_a_batch_that_came_between_two_audits_is_not_missed(self) -> None:
        positions = ShardPositions()
        positions.begin({1: 10})
        assert positions.audit({1: 12})
        assert positions.hear(shard=1, first=11, last=12)
        assert positions.audit({1: 13})
        assert positions.hear(shard=1, first=13, last=13)
        assert positions.audit({1: 13})

    def test_nothing_is_audited_before_the_beginning(self) -> None:
        positions = ShardPositions()
        assert positions.audit({1: 12})
        assert positions.audit({1: 12})


class TestDay:
    """The last 24 hours."""

    @staticmethod
    def candle(at: datetime, price: str) -> Candle:
        one = Decimal(price)
        return Candle(at, one, one + 2, one - 2, one + 1, Decimal(3), one * 3, Decimal(0), Decimal(0), 4)

    def test_an_empty_day(self) -> None:
        day = DayStats([])
        assert [day.open, day.high, day.low] == [None, None, None]
        assert [day.volume, day.quote_volume, day.trades] == [0, 0, 0]

    def test_trades_are_added_to_what_was_read(self) -> None:
        day = DayStats([self.candle(NOON, "100")])
        day.add(at=NOON + timedelta(seconds=30), price=Decimal(110), quantity=Decimal("0.5"))
        day.add(at=NOON + timedelta(seconds=70), price=Decimal(90), quantity=Decimal(1))
        assert (day.open, day.high, day.low) == (Decimal(100), Decimal(110), Decimal(90))
        assert (day.volume, day.quote_volume, day.trades) == (Decimal("4.5"), Decimal(445), 6)

    def test_minutes_leave_after_a_day(self) -> None:
        day = DayStats([self.candle(NOON, "100"), self.candle(NOON + timedelta(minutes=1), "50")])
        day.forget_before(NOON + timedelta(hours=24) - timedelta(microseconds=1))
        assert day.trades == 8
        day.forget_before(NOON + timedelta(hours=24))
        assert (day.open, day.high, day.low) == (Decimal(50), Decimal(52), Decimal(48))
        assert (day.volume, day.quote_volume, day.trades) == (Decimal(3), Decimal(150), 4)
        day.forget_before(NOON + timedelta(hours=25))
        assert [day.open, day.volume, day.trades] == [None, 0, 0]


def test_a_bucket_gives_its_size_at_once_and_its_rate_afterwards() -> None:
    bucket = Bucket(size=3, rate=2, now=100.0)
    assert [bucket.take(100.0) for _ in range(4)] == [True, True, True, False]
    assert [bucket.take(100.5), bucket.take(100.5)] == [True, False]
    assert [bucket.take(200.0) for _ in range(4)] == [True, True, True, False]


class Wire:
    """An ASGI `send` that remembers."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []

    async def __call__(self, message: dict[str, Any]) -> None:
        self.sent.append(message)

    def texts(self) -> list[str]:
        return [message["text"] for message in self.sent if message["type"] == "websocket.send"]


class Gate(Flow):
    """A flow that the test opens and closes."""

    def __init__(self, wire: Wire) -> None:
        super().__init__(wire)
        self.wire = wire
        self.event = asyncio.Event()
        self.event.set()
        self.stalled = 0.0

    async def opened(self) -> None:
        await self.event.wait()

    def release(self) -> None:
        self.event.set()

    def stalled_for(self) -> float:
        return self.stalled


class TestOutlet:
    """The queue, the writer and the flow."""

    @staticmethod
    async def settle() -> None:
        """Let every task do what it can do now."""
        for _ in range(20):
            await asyncio.sleep(0)

    async def test_nothing_is_sent_while_the_transport_is_full_and_the_newest_when_it_is_not(self) -> None:
        gate = Gate(Wire())
        outlet = Outlet(gate)
        writer = asyncio.create_task(outlet.run())
        outlet.send("first")
        await self.settle()
        gate.event.clear()
        outlet.send_latest("ticker", "old")
        await self.settle()
        outlet.send_latest("ticker", "new")
        await self.settle()
        assert gate.wire.texts() == ["first"]
        gate.event.set()
        await self.settle()
        assert gate.wire.texts() == ["first", "new"]
        writer.cancel()

    async def test_a_flow_that_takes_messages_now_is_given_them_now_unless_others_wait(self) -> None:
        class Direct(Gate):
            """Writes at once while it is open."""

            def write(self, text: str) -> bool:
                if self.event.is_set():
                    self.wire.sent.append({"type": "websocket.send", "text": text})
                return self.event.is_set()

        gate = Direct(Wire())
        outlet = Outlet(gate)
        outlet.send("1")
        outlet.send_delta("BTC", "2", lambda: "snapshot")
        assert gate.wire.texts() == ["1", "2"]
        gate.event.clear()
        outlet.send("3")
        gate.event.set()
        outlet.send("4")
        assert gate.wire.texts() == ["1", "2"], "4 must not overtake 3"
        writer = asyncio.create_task(outlet.run())
        await self.settle()
        assert gate.wire.texts() == ["1", "2", "3", "4"]
        writer.cancel()

    async def test_a_closed_outlet_throws_away_what_waits_and_says_why(self) -> None:
        gate = Gate(Wire())
        outlet = Outlet(gate)
        gate.event.clear()
        outlet.send("never sent")
        outlet.close(protocol.TOO_SLOW)
        outlet.close(protocol.AUTH_EXPIRED)
        outlet.send("too late")
        await outlet.run()
        assert [json.loads(text)["reason"] for text in gate.wire.texts()] == ["too_slow"]
        assert gate.wire.sent[-1] == {"type": "websocket.close", "code": 4408, "reason": "too_slow"}

    async def test_overflow_closes(self) -> None:
        outlet = Outlet(Gate(Wire()))
        for _ in range(1_001):
            outlet.send("trade")
        assert outlet.closing == protocol.TOO_SLOW

    async def test_standing_still_closes(self) -> None:
        gate = Gate(Wire())
        outlet = Outlet(gate)
        gate.stalled = 30.0
        outlet.tick(0.0, live=True)
        assert outlet.closing is None
        gate.stalled = 30.1
        outlet.tick(0.0, live=True)
        assert outlet.closing == protocol.TOO_SLOW

    async def test_a_quiet_socket_gets_a_heartbeat_and_a_busy_one_does_not(self) -> None:
        gate = Gate(Wire())
        outlet = Outlet(gate)
        writer = asyncio.create_task(outlet.run())
        now = time.monotonic()
        outlet.tick(now + 1, live=True)
        await self.settle()
        assert gate.wire.texts() == []
        outlet.tick(now + 6, live=False)
        await self.settle()
        (text,) = gate.wire.texts()
        assert json.loads(text) | {"time": ""} == {"type": "heartbeat", "time": "", "live": False}
        writer.cancel()
