"""Wall 10: wake-ups are hints: losing, repeating or reordering them changes only latency."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

import pytest
from celery import current_app
from celery.signals import worker_ready
from django.conf import settings
from django.utils import timezone
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from orders.models import Command, Side
from orders.selectors import waiting_shards
from orders.services import frames, wake
from orders.tasks import drain_shard, poll, sweep_waiting_shards
from tests.factories import Market, everything_stored, make_market, stored
from tests.threads import elsewhere
from tradeplatform.common.valkey import client

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def market() -> Iterator[Market]:
    """A market whose wake-ups nobody fetches from the broker but the test."""
    market = make_market()
    forget(market)
    yield market
    forget(market)


def forget(market: Market) -> None:
    """Nothing is on its way to the shard."""
    client().delete(queue_key(market), f"wake:{market.shard.id}")


def queue_key(market: Market) -> str:
    """Where Valkey keeps the shard's queue: a list, which is not there when it is empty."""
    return f"{settings.CELERY_BROKER_TRANSPORT_OPTIONS['global_keyprefix']}{market.shard.queue}"


def messages(market: Market) -> int:
    """How many wake-ups wait in the shard's queue."""
    return int(client().llen(queue_key(market)))


def sell(market: Market, number: int = 1) -> list[int]:
    trader = market.trader()
    return [
        market.send(market.request(trader, Side.SELL, 1, 50000), now=timezone.now()).order_id
        for _ in range(number)
    ]


def test_wall_10_a_commit_wakes_the_shard_once_however_many_commit(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a busy machine five commits may take longer than the mark stays.
    monkeypatch.setattr(wake, "_PENDING_MS", 60_000)

    sell(market, 5)

    assert messages(market) == 1


def test_wall_10_what_rolls_back_wakes_nobody(market: Market) -> None:
    trader = market.trader(base=0)

    outcomes = market.send_all([market.request(trader, Side.SELL, 1, 50000)])

    assert (len(outcomes), messages(market)) == (1, 0)


def test_wall_10_a_lost_wake_up_is_made_up_for_by_the_sweep(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = Redis(host="127.0.0.1", port=1, retry=Retry(NoBackoff(), 0))
    with monkeypatch.context() as patched:
        patched.setattr(wake, "client", lambda: nowhere)
        (order_id,) = sell(market)  # accepted all the same
    assert (stored(order_id).status, messages(market)) == ("pending", 0)

    now = timezone.now()
    assert market.shard.id in waiting_shards(
        now=now + timedelta(seconds=1.1), longer_than=timedelta(seconds=1)
    )
    age(market)
    sweep_waiting_shards()

    assert messages(market) == 1
    drain_shard(shard_id=market.shard.id)
    assert stored(order_id).status == "open"


def test_wall_10_a_worker_that_polls_needs_no_wake_up(market: Market) -> None:
    (order_id,) = sell(market)
    forget(market)
    poll([market.shard.id])
    assert stored(order_id).status == "pending"  # a wake-up may still be on its way

    age(market)
    poll([market.shard.id + 1])
    assert stored(order_id).status == "pending"
    poll([market.shard.id])

    assert (stored(order_id).status, messages(market)) == ("open", 0)


def test_wall_10_who_polls_leaves_alone_what_this_process_is_draining(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    (order_id,) = sell(market)
    age(market)
    polled: list[str] = []

    def poll_meanwhile(**_how: object) -> None:
        elsewhere(lambda: poll([market.shard.id]))
        polled.append(stored(order_id).status)

    with monkeypatch.context() as patched:
        patched.setattr("orders.tasks.drain_all", poll_meanwhile)
        drain_shard(shard_id=market.shard.id)

    assert polled == ["pending"]


def test_wall_10_a_worker_that_starts_wakes_what_waited(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    # This process is no worker: a thread that tells its counts would outlive the test.
    monkeypatch.setattr("tradeplatform.celery.PUBLISHER.keep_on", lambda: False)
    sell(market)
    forget(market)

    worker_ready.send(sender=None)

    assert messages(market) == 1


def age(market: Market) -> None:
    """Let what is pending have waited for a minute."""
    Command.objects.filter(shard_id=market.shard.id).update(at=timezone.now() - timedelta(minutes=1))


def test_wall_10_a_lost_message_blocks_the_next_for_a_second_at_most(market: Market) -> None:
    """The mark of a wake-up that is on its way lapses by itself."""
    sell(market)

    remaining = client().pttl(f"wake:{market.shard.id}")

    assert 0 < int(remaining) <= 1000


def test_wall_10_a_repeated_wake_up_does_nothing_more(market: Market) -> None:
    sell(market, 3)
    drain_shard(shard_id=market.shard.id)
    before = everything_stored()

    for _ in range(5):
        drain_shard(shard_id=market.shard.id, sent_by="a newer version")

    assert everything_stored() == before


def test_wall_10_wake_ups_of_shards_in_any_order_do_the_same() -> None:
    outcomes = []
    for order in ((0, 1), (1, 0), (1, 1, 0, 0)):
        markets = [make_market(), make_market()]
        for market in markets:
            sell(market)
            market.buy(market.trader(), 1, 50000)
        for number in order:
            drain_shard(shard_id=markets[number].shard.id)
        outcomes.append([(market.trades(), market.book().seq) for market in markets])

    assert outcomes == [[([("1", "50000")], 3)] * 2] * 3


def test_wall_10_what_commits_while_the_drain_runs_wakes_again(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mark is taken away before reading, so nothing falls between two wake-ups."""
    (first,) = sell(market)
    client().delete(queue_key(market))
    late: list[int] = []
    publish = frames.publish

    def commit_one_more(told: Sequence[frames.Frame]) -> None:
        if not late:
            late.extend(elsewhere(lambda: sell(market)))
        publish(told)

    monkeypatch.setattr(frames, "publish", commit_one_more)
    drain_shard(shard_id=market.shard.id)

    assert (stored(first).status, messages(market)) == ("open", 1)
    drain_shard(shard_id=market.shard.id)
    assert stored(late[0]).status == "open"


def test_wall_10_a_wake_up_is_only_a_number(market: Market) -> None:
    """It carries no order: there is nothing in it to lose."""
    sell(market)

    with current_app.connection_for_read() as connection:
        message = connection.SimpleQueue(market.shard.queue).get(block=False)

    args, kwargs, _embedded = message.payload
    assert (args, kwargs) == ([], {"shard_id": market.shard.id})
