"""What is counted in a process, and what all processes have counted together."""

from __future__ import annotations

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as Unreachable

from orders import metrics as orders
from tests.system.counting import count_in_a_process, flat, here, own_hashes
from tradeplatform.common import metrics
from tradeplatform.common.metrics import Publisher
from tradeplatform.common.valkey import client
from tradeplatform.system.telling import IN_USE


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Hashes of this test's own."""
    return own_hashes(monkeypatch)


def test_what_two_processes_counted_is_added_up(names: tuple[str, str]) -> None:
    count_in_a_process(names, orders=3, seconds=0.03)
    count_in_a_process(names, orders=4, seconds=0.3)

    found = flat(metrics.read())

    assert found["orders_accepted_total", "api"] == 7
    assert found["outcome_seconds_count",] == 7
    assert found["outcome_seconds_sum",] == pytest.approx(3 * 0.03 + 4 * 0.3)
    bounds = ["0.02", "0.05", "0.2", "0.5", "+Inf"]
    assert [found["outcome_seconds_bucket", bound] for bound in bounds] == [0, 3, 3, 7, 7]


def test_each_process_adds_only_what_came_since(names: tuple[str, str]) -> None:
    publisher, before = Publisher(), here()["fenced_total",]
    publisher.publish()
    orders.FENCED.inc(2)
    publisher.publish()
    publisher.publish()

    assert flat(metrics.read())["fenced_total",] == before + 2


def test_a_counter_is_seen_at_zero_before_it_rises(names: tuple[str, str]) -> None:
    Publisher().publish()

    stored = client().hgetall(names[0])
    assert b'["tradeplatform_orders_accepted_total",[["door","replay"]]]' in stored


def test_what_could_not_be_added_is_added_later(
    names: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher, before = Publisher(), here()["fenced_total",]
    orders.FENCED.inc()
    with monkeypatch.context() as patch:
        nowhere = Redis(port=1, socket_connect_timeout=1)
        patch.setattr(metrics, "client", lambda: nowhere)
        with pytest.raises(Unreachable):
            publisher.publish()
    publisher.publish()

    assert flat(metrics.read())["fenced_total",] == before + 1


def test_gauges_are_added_up_over_the_processes_that_live(
    names: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    IN_USE.labels("test").set(3)
    for process in ("one", "two"):
        monkeypatch.setattr(metrics, "_process", lambda name=process: name)
        Publisher().publish()
    assert flat(metrics.read())["pool_in_use", "test"] == 6

    monkeypatch.setattr(metrics, "_GAUGE_SECONDS", -1)
    assert ("pool_in_use", "test") not in flat(metrics.read())
    assert client().hlen(names[1]) == 0


def test_one_amount_seen_many_times_is_as_many_amounts() -> None:
    one = metrics.Histogram("one_test", "Each.", buckets=(1, 2), registry=None)
    many = metrics.Histogram("one_test", "Each.", buckets=(1, 2), registry=None)

    for amount, times in ((1, 3), (1.5, 2), (9, 4)):
        many.observe_many(amount, times)
        for _ in range(times):
            one.observe(amount)

    assert flat(list(one.collect())) == flat(list(many.collect()))
