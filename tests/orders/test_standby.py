"""Of the workers of a shard one applies its commands, and the others take over when it does not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.db import InternalError, OperationalError, transaction
from django.db.models import F
from django.utils import timezone
from psycopg.errors import IdleInTransactionSessionTimeout

from orders.models import Command, Order, Quarantine, Shard, ShardStatus, Side
from orders.services import books, drain, standby
from orders.services.drain import OWNER, WORKER, ShardStopped
from orders.services.pending import PendingCommand
from orders.tasks import drain_shard, poll
from tests.factories import NOW, Market, make_market, stored
from tests.threads import PATIENCE, start_elsewhere, wait_for_a_lock

pytestmark = pytest.mark.django_db

MINE, OTHERS = f"{WORKER}here:1:aa", f"{WORKER}there:1:bb"
A_WHILE = timedelta(seconds=3)


@pytest.fixture
def market() -> Market:
    """Its shard is another worker's, which has just applied an ask."""
    market = make_market()
    market.sell(market.trader(), 1, 50_000)
    market.drain()
    Shard.objects.filter(id=market.shard.id).update(owner=OTHERS, drained_at=NOW)
    return market


def seen(market: Market, now: datetime, owner: str = MINE) -> tuple[bool, bool]:
    """Whether the shard is another's, and whether `owner` has to look after it."""
    (found,) = standby.look([market.shard.id], now=now, owner=owner)
    return found.elsewhere, found.due


def leave_waiting(market: Market, at: datetime) -> None:
    market.send(market.request(market.trader(), Side.SELL, 1, 50_001), now=at)
    Command.objects.filter(shard_id=market.shard.id, status="pending").update(at=at)


def test_nothing_waits_and_nobody_has_to_do_anything(market: Market) -> None:
    assert seen(market, NOW + A_WHILE) == (True, False)
    assert seen(market, NOW + A_WHILE, OTHERS) == (False, False)


def test_what_was_not_woken_is_the_owners_first(market: Market) -> None:
    leave_waiting(market, NOW)
    soon = NOW + timedelta(seconds=1.5)

    assert seen(market, soon) == (True, False)
    assert seen(market, soon, OTHERS) == (False, True)


def test_a_shard_on_which_nothing_is_applied_is_taken_over(market: Market) -> None:
    leave_waiting(market, NOW)

    assert seen(market, NOW + A_WHILE) == (True, True)


def test_one_that_is_behind_but_at_work_is_left_to_its_worker(market: Market) -> None:
    leave_waiting(market, NOW)
    later = NOW + timedelta(minutes=1)
    Shard.objects.filter(id=market.shard.id).update(drained_at=later)

    assert seen(market, later + timedelta(seconds=1)) == (True, False)


@pytest.mark.parametrize("owner", ["", "web@api:7:cc", "command@desk:8:dd"])
def test_whoever_passes_by_has_no_shard(market: Market, owner: str) -> None:
    """Such as who presses the kill switch and drains: it listens to no queue."""
    Shard.objects.filter(id=market.shard.id).update(owner=owner)

    assert seen(market, NOW) == (False, False)


def test_a_stopped_shard_is_nobodys_to_look_after(market: Market) -> None:
    leave_waiting(market, NOW)
    Shard.objects.filter(id=market.shard.id).update(status="stopped", stop_reason="a test")

    assert seen(market, NOW + A_WHILE) == (True, False)
    standby.take([market.shard.id])
    assert Shard.objects.get(id=market.shard.id).owner == OTHERS


def test_a_worker_takes_its_shards_when_it_starts_and_leaves_them_when_it_ends(market: Market) -> None:
    before = Shard.objects.get(id=market.shard.id).epoch
    standby.take([market.shard.id])
    taken = Shard.objects.get(id=market.shard.id)
    assert (taken.owner, taken.epoch) == (OWNER, before + 1)

    standby.leave(owner=OTHERS)
    assert Shard.objects.get(id=market.shard.id).owner == OWNER
    standby.leave()
    assert Shard.objects.get(id=market.shard.id).owner == ""


@pytest.mark.django_db
def test_who_is_woken_for_a_stopped_shard_has_nothing_to_say() -> None:
    """Why it stands was said when it was stopped, and an operator starts it again."""
    market = make_market()
    leave_waiting(market, timezone.now() - A_WHILE)
    Shard.objects.filter(id=market.shard.id).update(status=ShardStatus.STOPPED, stop_reason="because")

    drain_shard(shard_id=market.shard.id)

    assert Command.objects.filter(status="pending").count() == 1


@pytest.mark.django_db
def test_who_stops_a_shard_says_why() -> None:
    market = make_market()
    market.sell(market.trader(), 1, 50000)
    market.drain()
    Order.objects.filter(instrument=market.instrument).update(leaves=Decimal("0.5"), quantity=Decimal("0.5"))
    books.forget(market.shard.id)
    leave_waiting(market, timezone.now() - A_WHILE)

    with pytest.raises(ShardStopped, match="names the orders"):
        drain_shard(shard_id=market.shard.id)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "come", [lambda shard_id: drain_shard(shard_id=shard_id), lambda shard_id: poll([shard_id])]
)
def test_a_shard_that_is_just_being_taken_is_not_taken_back(come: Callable[[int], object]) -> None:
    """Whoever had it is woken, or polls, before the one that starts on another host has committed."""
    market = make_market()
    standby.take([market.shard.id])
    leave_waiting(market, timezone.now() - A_WHILE)
    before = Shard.objects.get(id=market.shard.id)
    with transaction.atomic():
        Shard.objects.filter(id=market.shard.id).update(owner=OTHERS, epoch=F("epoch") + 1)
        coming = start_elsewhere(lambda: come(market.shard.id))
        wait_for_a_lock()
    coming.result(PATIENCE)

    after = Shard.objects.get(id=market.shard.id)
    assert (before.owner, after.owner, after.epoch) == (OWNER, OTHERS, before.epoch + 1)
    assert (after.position, Command.objects.filter(status="pending").count()) == (before.position, 1)


def test_a_session_that_the_database_ended_sets_no_command_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that was frozen for too long: the command is not to blame, and is applied by the next."""
    market = make_market()
    order = market.sell(market.trader(), 1, 50_000)

    def wake_up_too_late(_shard_id: int, _limit: int) -> list[PendingCommand]:
        raise InternalError("terminating connection") from IdleInTransactionSessionTimeout()

    with monkeypatch.context() as patched:
        patched.setattr(drain, "read_pending", wake_up_too_late)
        with pytest.raises(OperationalError, match="terminating connection"):
            drain.drain_all(shard_id=market.shard.id, clock=timezone.now)

    assert not Quarantine.objects.exists()
    assert stored(order).status == "pending"
    market.drain()
    assert stored(order).status == "open"
