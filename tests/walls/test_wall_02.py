"""Wall 2: one writer for each shard; a frozen worker whose shard was taken over writes nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, InterfaceError, connection

from accounts.models import Transfer
from orders.models import Command, Event, Order, Shard, Side
from orders.services import drain as draining
from orders.services.drain import Drained, Fenced, drain
from tests.factories import NOW, Market, everything_stored, make_market
from tests.threads import PATIENCE, start_elsewhere
from tradeplatform.common.invariants import check_all

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "readonly"])

OWNER = "the worker that freezes"


@pytest.fixture
def market() -> Market:
    """An ask of 2 rests; a bid that takes 1 of it is pending."""
    market = make_market()
    market.sell(market.trader(), 2, 50000)
    drain(shard_id=market.shard.id, now=NOW, owner=OWNER)
    market.buy(market.trader(), 1, 50000)
    return market


class FrozenWorker:
    """A drain on a connection of its own that stops dead right after a step, until it is thawed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
        self._frozen, self._thawed = threading.Event(), threading.Event()
        self._thread: int | None = None
        self._stop_after(monkeypatch, step)

    def _stop_after(self, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
        owner, name = draining, step
        if "." in step:
            first, name = step.split(".")
            owner = getattr(draining, first)
        real = getattr(owner, name)

        def stop(*args: Any, **how: Any) -> Any:
            result = real(*args, **how)
            if threading.get_ident() == self._thread:
                self._frozen.set()
                assert self._thawed.wait(PATIENCE)
            return result

        monkeypatch.setattr(owner, name, stop)

    def start(self, market: Market, *, prepare: Callable[[], None] = lambda: None) -> None:
        """Begin to drain, and return once it is frozen."""

        def work() -> Drained:
            self._thread = threading.get_ident()
            prepare()
            return drain(shard_id=market.shard.id, now=NOW, owner=OWNER)

        self._outcome = start_elsewhere(work)
        assert self._frozen.wait(PATIENCE)

    def thaw(self) -> Drained:
        """Let it go on; what it returns or raises."""
        self._thawed.set()
        return self._outcome.result(PATIENCE)


def stored(market: Market) -> object:
    """All that a drain writes."""
    commands = list(Command.objects.order_by("id").values_list("id", "status", "position", "last_seq"))
    events = list(Event.objects.order_by("instrument_id", "seq").values())
    shard = list(Shard.objects.filter(id=market.shard.id).values())
    return commands, events, shard, everything_stored(), Transfer.objects.count()


def lose_the_session_soon() -> None:
    """As for a shard worker in production: the server ends a transaction in which nothing happens."""
    with connection.cursor() as cursor:
        cursor.execute("SET idle_in_transaction_session_timeout = '200ms'")


@pytest.mark.parametrize(
    "step", ["read_pending", "OrderState.load", "mark_done", "_move_books", "_move_shard"]
)
def test_wall_02_a_frozen_worker_whose_shard_was_taken_over_writes_nothing(
    market: Market, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    worker = FrozenWorker(monkeypatch, step)
    worker.start(market, prepare=lose_the_session_soon)

    taken_over = drain(shard_id=market.shard.id, now=NOW, owner="the next")

    assert (taken_over.commands, taken_over.trades) == (1, 1)
    before = stored(market)
    with pytest.raises((DatabaseError, InterfaceError)):
        worker.thaw()
    assert stored(market) == before
    assert Shard.objects.get(id=market.shard.id).epoch == 2
    assert list(Event.objects.order_by("seq").values_list("seq", "epoch")) == [(1, 1), (2, 2), (3, 2)]


@pytest.mark.parametrize("owner", ["the next", OWNER], ids=["another epoch", "the same epoch"])
@pytest.mark.parametrize(
    ("step", "refusal"),
    [("read_pending", Fenced), ("OrderState.load", IntegrityError)],
    ids=["before it computes", "after it has computed"],
)
def test_wall_02_epoch_and_position_stop_it_even_where_the_lock_does_not(
    market: Market,
    monkeypatch: pytest.MonkeyPatch,
    owner: str,
    step: str,
    refusal: type[Exception],
) -> None:
    """As behind a pooler that gave the session away: both believe that they hold the row.

    What it computes afresh fits the tables and is stopped by the fence; what it had computed before is
    stopped by the primary key of events, since that seq is taken.
    """
    resting = Order.objects.get(side=Side.SELL)
    market.drain()
    market.cancel(resting.id)
    worker = FrozenWorker(monkeypatch, step)
    take = draining._take

    def take_without_lock(shard_id: int, by: str, now: datetime, *, yielding: bool) -> Shard:
        frozen = threading.get_ident() == worker._thread
        return Shard.objects.get(id=shard_id) if frozen else take(shard_id, by, now, yielding=yielding)

    monkeypatch.setattr(draining, "_take", take_without_lock)
    worker.start(market)

    drain(shard_id=market.shard.id, now=NOW, owner=owner)

    before = stored(market)
    with pytest.raises(refusal, match=r"has left epoch|orders_event"):
        worker.thaw()
    assert stored(market) == before


def test_wall_02_a_takeover_that_did_nothing_yet_stops_it_too(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = FrozenWorker(monkeypatch, "read_pending")
    monkeypatch.setattr(draining, "_take", lambda shard_id, *_by, **_how: Shard.objects.get(id=shard_id))
    worker.start(market)
    Shard.objects.filter(id=market.shard.id).update(owner="the next", epoch=2)

    before = stored(market)
    with pytest.raises(Fenced):
        worker.thaw()

    assert stored(market) == before


def test_wall_02_without_the_fence_a_command_is_applied_twice_and_the_invariants_say_so(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: neither lock nor fence. What stops a second writer above is the fence and nothing else."""
    resting = Order.objects.get(side=Side.SELL)
    market.drain()
    market.cancel(resting.id)
    worker = FrozenWorker(monkeypatch, "read_pending")
    take = draining._take

    def take_without_lock(shard_id: int, by: str, now: datetime, *, yielding: bool) -> Shard:
        frozen = threading.get_ident() == worker._thread
        return Shard.objects.get(id=shard_id) if frozen else take(shard_id, by, now, yielding=yielding)

    def move_without_fence(shard: Shard, applied: int, now: datetime) -> None:
        Shard.objects.filter(id=shard.id).update(position=shard.position + applied, drained_at=now)

    monkeypatch.setattr(draining, "_take", take_without_lock)
    monkeypatch.setattr(draining, "_move_shard", move_without_fence)
    worker.start(market)
    drain(shard_id=market.shard.id, now=NOW, owner="the next")
    before = stored(market)
    assert broken() == set()

    assert worker.thaw().commands == 1

    assert stored(market) != before
    assert broken() == {"iS3", "iS4"}


def broken() -> set[str]:
    """The codes of the invariants that do not hold."""
    return {finding.code for finding in check_all() if not finding.holds}


def test_wall_02_two_workers_take_turns(market: Market) -> None:
    trader = market.trader()
    for _ in range(40):
        market.sell(trader, "0.1", 50000)

    def work(owner: str) -> Callable[[], int]:
        def run() -> int:
            total = 0
            while done := drain(shard_id=market.shard.id, now=NOW, owner=owner, batch=3).commands:
                total += done
            return total

        return run

    workers = [start_elsewhere(work(name)) for name in ("one", "two")]
    done = [worker.result(PATIENCE) for worker in workers]

    assert sum(done) == 41
    assert list(Event.objects.order_by("seq").values_list("seq", flat=True)) == list(range(1, 44))
    assert market.book().seq == 43
    places = Command.objects.order_by("id").values_list("position", flat=True)
    assert list(places) == list(range(1, 43))
