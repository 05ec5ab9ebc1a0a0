"""A sample a minute: what happened between two, also when sums began again, and for how long it is kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orders import metrics as orders
from tests.system.counting import own_hashes
from tradeplatform.common.metrics import Publisher
from tradeplatform.system.models import Minute
from tradeplatform.system.sampling import KEPT, course, quantile, take_sample

pytestmark = pytest.mark.django_db

AT = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def minute(number: int, **sums: Any) -> None:
    Minute.objects.create(at=AT + timedelta(minutes=number), sums=sums)


def test_what_happened_is_the_difference_of_two_samples() -> None:
    minute(0, accepted=100, requests=50, errors=1, outcomes={"0.1": 10, "+Inf": 10}, lag=0, overloaded=7)
    minute(1, accepted=700, requests=150, errors=6, outcomes={"0.1": 20, "+Inf": 20}, lag=3.5, overloaded=9)

    (moment,) = course(since=AT)

    assert (moment.at, moment.accepted, moment.lag_seconds) == (AT + timedelta(minutes=1), 10, 3.5)
    assert (moment.errors_percent, moment.overloaded) == (5, 2)
    assert (moment.p50_ms, moment.p95_ms) == (50, 95)


def test_sums_that_fell_began_again_at_zero() -> None:
    minute(0, accepted=1_000, requests=900, errors=0, outcomes={"+Inf": 70}, lag=0)
    minute(1, accepted=60, requests=60, errors=6, outcomes={"+Inf": 30}, lag=0)

    (moment,) = course(since=AT)

    assert (moment.accepted, moment.errors_percent) == (1, 10)


def test_without_valkey_only_the_lag_is_known() -> None:
    minute(0, accepted=1, requests=1, errors=0, outcomes={"+Inf": 1}, lag=0)
    minute(1, lag=9)
    minute(2, accepted=2, requests=2, errors=0, outcomes={"+Inf": 2}, lag=0)

    away, back = course(since=AT)

    assert (away.accepted, away.p95_ms, away.errors_percent, away.lag_seconds) == (None, None, None, 9)
    assert back.accepted is None


@pytest.mark.parametrize(
    ("share", "bounds", "wanted"),
    [
        (0.5, [], None),
        (0.5, [(1.0, 0)], None),
        (0.5, [(1.0, 10)], 0.5),
        (0.95, [(1.0, 10), (2.0, 20)], 1.9),
        (0.95, [(1.0, 10), (float("inf"), 20)], 1.0),
        (0.5, [(1.0, 0), (2.0, 4)], 1.5),
    ],
)
def test_a_quantile_is_that_of_prometheus(
    share: float, bounds: list[tuple[float, float]], wanted: float | None
) -> None:
    assert quantile(share, bounds) == pytest.approx(wanted)


def test_a_minute_is_sampled_once_and_old_ones_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    own_hashes(monkeypatch)
    minute(0, lag=0)
    minute(1, lag=0)
    now = AT + KEPT + timedelta(seconds=30)
    before = orders.ACCEPTED.labels("api")._value.get()
    Publisher().publish()

    taken = take_sample(now)
    orders.ACCEPTED.labels("api").inc()
    again = take_sample(now + timedelta(seconds=20))

    assert taken.at == again.at == AT + KEPT
    assert taken.sums["accepted"] >= before
    assert set(taken.sums) == {"accepted", "requests", "errors", "outcomes", "lag", "overloaded"}
    assert list(Minute.objects.values_list("at", flat=True).order_by("at")) == [
        AT + timedelta(minutes=1),
        taken.at,
    ]
