"""Real matching workers are frozen while they hold their shards, until the database ends their sessions.

Each is caught where it waits for a row that the test holds: one in its last read, one in its last write but
one. They believe that they have their shards when they wake up, and must write nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psutil
import pytest
from django.db import transaction
from django.utils import timezone

from accounts.models import LedgerAccount, TradingAccount
from orders.models import Book, Command, CommandStatus, Event, Fill, Order, OrderStatus, Shard, Side
from orders.services import books
from orders.services.drain import drain_all
from tests.factories import Market, fund, make_account, make_market, stored
from tests.running import Platform
from tests.threads import elsewhere
from tests.tradeplatform.supervisor.waiting import wait_for
from tradeplatform.common.db import fetch
from tradeplatform.common.invariants import check_all
from tradeplatform.supervisor.processes import read_records

pytestmark = pytest.mark.live

PATIENCE = 40.0
_SELLERS_MONEY = "SELECT id FROM accounts_ledgeraccount WHERE account_id = %s FOR UPDATE"
_BOOK = "SELECT seq FROM orders_book WHERE instrument_id = %s FOR UPDATE"
_WHO_WAITS_FOR_ME = (
    "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
)


class Frost:
    """A market on one shard of the platform: an ask of 2 rests, and a bid that takes 1 of it follows."""

    def __init__(self, platform: Platform, shard_id: int) -> None:
        self.market: Market = make_market(shard=Shard.objects.get(id=shard_id))
        self.seller, self.buyer = self._trader(), self._trader()
        name = f"shard-{shard_id}"
        record = next(found for found in read_records(platform.var_dir) if found.name == name)
        self.worker = psutil.Process(record.pid)
        self.ask = self.send(self.seller, Side.SELL, 2)
        self.wait_until_applied()

    def _trader(self) -> TradingAccount:
        account = make_account(currency=self.market.instrument.quote)
        fund(account, self.market.instrument.base, 100, now=timezone.now())
        fund(account, self.market.instrument.quote, 10_000_000, now=timezone.now())
        return account

    def send(self, account: TradingAccount, side: Side, quantity: int) -> int:
        """An order at 50000; its id."""
        order = self.market.request(account, side, quantity, 50_000)
        return self.market.send(order, now=timezone.now()).order_id

    def wait_until_applied(self) -> None:
        """By whomever."""
        mine = Command.objects.filter(instrument_id=self.market.instrument.id, status=CommandStatus.PENDING)
        wait_for(lambda: not mine.exists(), "the commands to be applied", seconds=PATIENCE)

    def epoch(self) -> int:
        """How often the shard has changed hands."""
        return Shard.objects.get(id=self.market.shard.id).epoch

    @contextmanager
    def frozen(self, held: str, key: int) -> Iterator[int]:
        """Freeze the worker where it waits for what the test holds; the bid that it was about to match."""
        with transaction.atomic():
            fetch(held, [key])
            bid = elsewhere(lambda: self.send(self.buyer, Side.BUY, 1))
            wait_for(lambda: fetch(_WHO_WAITS_FOR_ME) == [(1,)], "the worker to wait", seconds=PATIENCE)
            self.worker.suspend()
        try:
            yield bid
        finally:
            self.worker.resume()

    def written(self) -> object:
        """All that a drain writes of this market."""
        instrument, both = self.market.instrument, (self.seller, self.buyer)
        return [
            list(rows.order_by(key).values())
            for rows, key in (
                (Event.objects.filter(instrument_id=instrument.id), "seq"),
                (Order.objects.filter(instrument=instrument), "id"),
                (Fill.objects.filter(instrument=instrument), "id"),
                (Command.objects.filter(instrument_id=instrument.id), "id"),
                (Book.objects.filter(instrument=instrument), "pk"),
                (LedgerAccount.objects.filter(account__in=both), "id"),
            )
        ]


def test_a_worker_frozen_past_the_end_of_its_session_writes_nothing(platform: Platform) -> None:
    """At once on two shards: whoever takes over waits for as long as the database lets a session idle."""
    reading, writing = Frost(platform, 1), Frost(platform, 2)
    scenes = reading, writing
    before = [scene.epoch() for scene in scenes]
    with ExitStack() as stack:
        bids = [
            stack.enter_context(reading.frozen(_SELLERS_MONEY, reading.seller.id)),
            stack.enter_context(writing.frozen(_BOOK, writing.market.instrument.id)),
        ]
        started = time.monotonic()
        for scene in scenes:
            drain_all(shard_id=scene.market.shard.id, clock=timezone.now, owner="the next")
        took_over = time.monotonic() - started

        assert [scene.epoch() for scene in scenes] == [epoch + 1 for epoch in before]
        assert [scene.market.trades() for scene in scenes] == [[("1", "50000")]] * 2
        assert [stored(bid).status for bid in bids] == [OrderStatus.FILLED] * 2
        by_the_next = [scene.written() for scene in scenes]

    # The thawed workers find their sessions gone; they are well, and have the next command's turn.
    last = [scene.send(scene.buyer, Side.BUY, 1) for scene in scenes]
    for scene in scenes:
        scene.wait_until_applied()
    print(f"frozen workers were replaced within {took_over:.1f} s")  # noqa: T201 - a figure of the run

    assert [scene.epoch() for scene in scenes] == [epoch + 2 for epoch in before]
    assert [scene.worker.is_running() for scene in scenes] == [True, True]
    assert [stored(order).status for order in last] == [OrderStatus.FILLED] * 2
    for scene, told in zip(scenes, by_the_next, strict=True):
        assert isinstance(told, list)
        now = scene.written()
        assert isinstance(now, list)
        # Facts only grow: what the next wrote is all there, and nothing beside it but the last bid's.
        assert now[0][: len(told[0])] == told[0]
        assert [len(now[kind]) - len(told[kind]) for kind in range(4)] == [2, 1, 2, 1]
        assert len({row["position"] for row in now[3]}) == len(now[3]) == 3
        book = Book.objects.get(instrument=scene.market.instrument)
        assert books.rebuild([book]).state_hash(book.instrument_id) == book.state_hash
    assert [finding for finding in check_all() if not finding.holds] == []
