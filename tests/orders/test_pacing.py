"""A worker rests between drains as long as the last one took, at most so long, and not where it is idle."""

from __future__ import annotations

import pytest

from orders import tasks
from orders.models import Order, OrderStatus
from orders.services.pacing import AT_MOST, Pace
from tests.factories import make_market


class Clock:
    """Time that goes by when it is told to, or when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 6))
        self.now += seconds


def drained(pace: Pace, clock: Clock, seconds: float) -> None:
    with pace:
        clock.now += seconds


def test_who_has_done_nothing_does_not_wait() -> None:
    clock = Clock()

    Pace(clock.sleep, clock).wait()

    assert clock.slept == []


@pytest.mark.parametrize(
    ("took", "later", "waits"),
    [(0.010, 0.0, [0.010]), (0.010, 0.004, [0.006]), (0.010, 0.010, []), (2.0, 0.0, [AT_MOST])],
)
def test_the_next_waits_for_what_is_left_of_as_long(took: float, later: float, waits: list[float]) -> None:
    clock = Clock()
    pace = Pace(clock.sleep, clock)
    drained(pace, clock, took)
    clock.now += later

    pace.wait()
    pace.wait()

    assert clock.slept == waits


def test_a_drain_that_failed_counts_too() -> None:
    clock = Clock()
    pace = Pace(clock.sleep, clock)

    def fail() -> None:
        with pace:
            clock.now += 0.02
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()

    pace.wait()

    assert clock.slept == [0.02]


@pytest.mark.django_db(transaction=True)
def test_who_rests_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others may drain the shard meanwhile, and what is committed meanwhile is in the drain that follows."""
    market = make_market()
    trader = market.trader()
    first = market.buy(trader, 1, 49_000)
    clock, later = Clock(), list[int]()

    def sleep(_seconds: float) -> None:
        assert not tasks._turn.locked()
        later.append(market.buy(trader, 1, 49_001))

    monkeypatch.setattr(tasks, "_pace", Pace(sleep, clock))
    drained(tasks._pace, clock, 0.01)

    tasks.drain_shard(shard_id=market.shard.id)

    assert len(later) == 1
    assert set(Order.objects.filter(id__in=[first, *later]).values_list("status", flat=True)) == {
        OrderStatus.OPEN
    }
