"""Wall 13: pending work is found by state; a reader of "ids after the last" loses what commits late."""

from __future__ import annotations

import threading

import pytest
from django.db import transaction

from orders.models import Command, CommandStatus, Event, Shard
from tests.factories import Market, make_market, money, stored
from tests.threads import PATIENCE, start_elsewhere

pytestmark = pytest.mark.django_db(transaction=True)


class SlowIntake:
    """An intake on another connection that has written and not yet committed."""

    def __init__(self, market: Market) -> None:
        self._written, self._commit = threading.Event(), threading.Event()
        trader = market.trader(base=10, quote=0)
        self.trader = trader

        def work() -> int:
            with transaction.atomic():
                order_id = market.sell(trader, 1, 50000)
                self._written.set()
                assert self._commit.wait(PATIENCE)
            return order_id

        self._outcome = start_elsewhere(work)
        assert self._written.wait(PATIENCE)

    def commit(self) -> int:
        """Let it commit; the id of its order."""
        self._commit.set()
        return self._outcome.result(PATIENCE)


def test_wall_13_a_command_that_commits_late_with_a_lower_id_is_not_lost() -> None:
    market = make_market()
    slow = SlowIntake(market)
    prompt = market.sell(market.trader(), 1, 50000)
    market.drain()
    assert (stored(prompt).status, market.book().seq) == ("open", 1)

    late = slow.commit()
    market.drain()

    first, second = Command.objects.order_by("id")
    assert (first.order_id, second.order_id) == (late, prompt)
    assert (first.position, second.position) == (2, 1)
    assert stored(late).status == "open"
    assert money(slow.trader, market.instrument.base) == ("10", "1")
    assert not Command.objects.filter(status=CommandStatus.PENDING).exists()


def test_wall_13_the_single_writer_gives_the_order() -> None:
    """As drained, not as numbered: the one that committed first stands first in the queue."""
    market = make_market()
    slow = SlowIntake(market)
    prompt = market.sell(market.trader(), 1, 50000)
    market.drain()
    late = slow.commit()
    market.buy(market.trader(), 1, 50000)
    market.drain()

    assert (stored(prompt).status, stored(late).status) == ("filled", "open")
    orders = Event.objects.filter(kind=1).order_by("seq").values_list("order_id", flat=True)
    assert list(orders)[:2] == [prompt, late]


def test_wall_13_an_id_that_never_commits_leaves_no_hole_to_wait_for() -> None:
    market = make_market()
    trader = market.trader()

    def abandon() -> None:
        with transaction.atomic():
            market.sell(trader, 1, 50000)
            raise OSError("the client is gone")

    with pytest.raises(OSError, match="the client is gone"):
        abandon()
    order_id = market.sell(trader, 1, 50000)

    assert market.drain().commands == 1
    assert stored(order_id).status == "open"
    assert Shard.objects.get(id=market.shard.id).position == 1


def test_wall_13_many_late_ones_are_applied_each_once() -> None:
    market = make_market()
    slow = [SlowIntake(market) for _ in range(4)]
    for one in reversed(slow):
        market.sell(market.trader(), 1, 50000)
        market.drain()
        one.commit()
    market.drain()

    assert market.book().seq == 8
    positions = list(Command.objects.order_by("position").values_list("position", flat=True))
    assert positions == list(range(1, 9))
