"""The plan: pure arithmetic on calendar bounds, for any date and whatever partitions there are."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_partition import PartitionPolicy, Period
from django_partition.planning import Create, Detach, Partition, Span, Tune, gaps, label, plan


def utc(year: int, *parts: int) -> datetime:
    return datetime(*(year, *parts), tzinfo=UTC)  # type: ignore[misc, arg-type]


def day(year: int, month: int, number: int) -> Span:
    start = utc(year, month, number)
    return Span(start, start + timedelta(days=1))


def policy(period: Period = Period.DAY, **values: Any) -> PartitionPolicy:
    return PartitionPolicy(key="at", period=period, **{"ahead": 2, **values})


DAYS = policy()
MONTHS = policy(Period.MONTH)


@pytest.mark.parametrize(
    ("today", "bounds"),
    [
        (date(1970, 1, 1), [utc(1970, 1, 1), utc(1970, 1, 2), utc(1970, 1, 3), utc(1970, 1, 4)]),
        (date(2028, 2, 28), [utc(2028, 2, 28), utc(2028, 2, 29), utc(2028, 3, 1), utc(2028, 3, 2)]),
        (date(2100, 2, 27), [utc(2100, 2, 27), utc(2100, 2, 28), utc(2100, 3, 1), utc(2100, 3, 2)]),
        (date(2099, 12, 31), [utc(2099, 12, 31), utc(2100, 1, 1), utc(2100, 1, 2), utc(2100, 1, 3)]),
    ],
)
def test_days_follow_the_calendar(today: date, bounds: list[datetime]) -> None:
    assert plan(DAYS, [], today) == [Create(*pair) for pair in pairwise(bounds)]


@pytest.mark.parametrize(
    ("today", "bounds"),
    [
        (date(2026, 11, 30), [utc(2026, 11, 1), utc(2026, 12, 1), utc(2027, 1, 1), utc(2027, 2, 1)]),
        (date(2028, 1, 31), [utc(2028, 1, 1), utc(2028, 2, 1), utc(2028, 3, 1), utc(2028, 4, 1)]),
        (date(2100, 12, 31), [utc(2100, 12, 1), utc(2101, 1, 1), utc(2101, 2, 1), utc(2101, 3, 1)]),
    ],
)
def test_months_follow_the_calendar(today: date, bounds: list[datetime]) -> None:
    assert plan(MONTHS, [], today) == [Create(*pair) for pair in pairwise(bounds)]


def test_nothing_to_do_when_all_is_there() -> None:
    there = [day(2026, 11, number) for number in (20, 21, 22)]
    assert plan(DAYS, there, date(2026, 11, 20)) == []


def test_a_partition_is_tuned_where_its_parameters_are_not_the_policys() -> None:
    def piece(number: int, **storage: str) -> Partition:
        return Partition(*bounds[number], name="", storage=storage)

    bounds = {number: (utc(2026, 11, number), utc(2026, 11, number + 1)) for number in range(18, 24)}
    there = [
        piece(19),  # expires today
        piece(20, fillfactor="70", parallel_workers="2"),
        piece(21, fillfactor="100"),
        piece(22),
    ]

    actions = plan(policy(retain=0, storage={"fillfactor": "70"}), there, date(2026, 11, 20))

    assert actions == [Tune(*bounds[21]), Tune(*bounds[22]), Detach(*bounds[19])]


def test_missed_periods_are_healed() -> None:
    there = [day(2026, 11, number) for number in (15, 17, 20, 21, 22)]
    assert plan(DAYS, there, date(2026, 11, 20)) == [
        Create(utc(2026, 11, 16), utc(2026, 11, 17)),
        Create(utc(2026, 11, 18), utc(2026, 11, 19)),
        Create(utc(2026, 11, 19), utc(2026, 11, 20)),
    ]


def test_an_absurd_old_partition_does_not_make_thousands() -> None:
    there = [day(1970, 1, 1), *(day(2026, 11, number) for number in (20, 21, 22))]
    actions = plan(policy(heal=2), there, date(2026, 11, 20))
    assert actions == [
        Create(utc(2026, 11, 18), utc(2026, 11, 19)),
        Create(utc(2026, 11, 19), utc(2026, 11, 20)),
    ]


def test_retention_goes_past_gaps() -> None:
    there = [day(2026, 11, number) for number in (1, 3, 17, 18, 19, 20, 21, 22)]
    assert plan(policy(retain=2), there, date(2026, 11, 20)) == [
        Detach(utc(2026, 11, 1), utc(2026, 11, 2)),
        Detach(utc(2026, 11, 3), utc(2026, 11, 4)),
        Detach(utc(2026, 11, 17), utc(2026, 11, 18)),
    ]


def test_waiting_rows_get_a_partition_wherever_they_are() -> None:
    there = [day(2026, 11, number) for number in (19, 20, 21, 22)]
    waiting = [utc(2026, 11, 23), utc(2099, 5, 5)]
    assert plan(DAYS, there, date(2026, 11, 20), waiting) == [
        Create(utc(2026, 11, 23), utc(2026, 11, 24), moves_rows=True),
        Create(utc(2099, 5, 5), utc(2099, 5, 6), moves_rows=True),
    ]


def test_waiting_rows_older_than_retention_leave_with_their_partition() -> None:
    there = [day(2026, 11, number) for number in (18, 19, 20, 21, 22)]
    assert plan(policy(retain=2), there, date(2026, 11, 20), [utc(2026, 10, 5)]) == [
        Create(utc(2026, 10, 5), utc(2026, 10, 6), moves_rows=True),
        Detach(utc(2026, 10, 5), utc(2026, 10, 6)),
    ]


def test_a_change_from_days_to_months_fills_around_the_days() -> None:
    there = [day(2026, 11, 20), day(2026, 11, 21), day(2026, 12, 1)]
    assert plan(policy(Period.MONTH, ahead=1), there, date(2026, 11, 20)) == [
        Create(utc(2026, 11, 1), utc(2026, 11, 20)),
        Create(utc(2026, 11, 22), utc(2026, 12, 1)),
        Create(utc(2026, 12, 2), utc(2027, 1, 1)),
    ]


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        (Span(utc(2026, 11, 1), utc(2026, 12, 1)), "2026_11"),
        (Span(utc(2026, 12, 1), utc(2027, 1, 1)), "2026_12"),
        (Span(utc(2028, 2, 29), utc(2028, 3, 1)), "2028_02_29"),
        (Span(utc(2026, 11, 2), utc(2026, 12, 1)), "2026_11_02_000000"),
        (Span(utc(2026, 11, 2, 18, 30, 5), utc(2026, 11, 3)), "2026_11_02_183005"),
    ],
)
def test_names_say_the_bounds(span: Span, expected: str) -> None:
    assert label(span) == expected


@pytest.mark.parametrize("wrong", [{"ahead": 0}, {"retain": -1}, {"heal": -1}])
def test_impossible_policies_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"must be at least 1|cannot be negative"):
        policy(**wrong)


dates = st.dates(date(1970, 1, 1), date(2100, 12, 31))
policies = st.builds(
    PartitionPolicy,
    key=st.just("at"),
    period=st.sampled_from(Period),
    ahead=st.integers(1, 9),
    retain=st.none() | st.integers(0, 40),
    heal=st.integers(0, 40),
)


@st.composite
def situations(draw: st.DrawFn) -> tuple[PartitionPolicy, list[Span], date, list[datetime]]:
    """A policy, a date, partitions that do not overlap (calendar ones and odd ones), and waiting periods."""
    rule, today = draw(policies), draw(dates)
    noon = datetime(today.year, today.month, today.day, 12, tzinfo=UTC)
    near = st.datetimes(
        (noon - timedelta(days=400)).replace(tzinfo=None),
        (noon + timedelta(days=400)).replace(tzinfo=None),
        timezones=st.just(UTC),
    )
    far = st.datetimes(datetime(1970, 1, 1), datetime(2100, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone
    there: list[Span] = []
    for moment in draw(st.lists(near | far, max_size=12)):
        shape = draw(st.sampled_from([Period.DAY, Period.MONTH, None]))
        lower = moment if shape is None else shape.floor(moment)
        upper = lower + draw(st.timedeltas(timedelta(seconds=1), timedelta(days=70)))
        there += gaps(there, lower, upper if shape is None else shape.shift(lower, 1))
    waiting = [
        rule.period.floor(moment)
        for moment in draw(st.lists(near | far, max_size=3))
        if not any(each.lower <= moment < each.upper for each in there)
    ]
    return rule, there, today, waiting


@given(situations())
def test_plan_keeps_its_promises(
    situation: tuple[PartitionPolicy, list[Span], date, list[datetime]],
) -> None:
    rule, there, today, waiting = situation
    period = rule.period
    actions = plan(rule, there, today, waiting)
    made = [action for action in actions if isinstance(action, Create)]
    gone = {(action.lower, action.upper) for action in actions if isinstance(action, Detach)}
    every = sorted([*there, *made], key=lambda each: each.lower)
    kept = [each for each in every if (each.lower, each.upper) not in gone]

    # No overlap, and nothing empty or reversed.
    assert all(each.lower < each.upper for each in every)
    assert all(left.upper <= right.lower for left, right in pairwise(every))

    # From the day on: the current period and those ahead, each instant exactly once.
    start = period.floor(datetime(today.year, today.month, today.day, tzinfo=UTC))
    horizon = period.shift(start, rule.ahead + 1)
    assert list(gaps(kept, start, horizon)) == []

    # No gap inside, back to the oldest partition, as far as the policy retains and heals.
    cutoff = None if rule.retain is None else period.shift(start, -rule.retain)
    oldest = min([start, *waiting, *(each.lower for each in there)])
    floor = max(filter(None, [oldest, cutoff, period.shift(start, -rule.heal)]))
    assert list(gaps(kept, floor, horizon)) == []

    # Only what exists is detached, all of what is too old, and nothing younger.
    assert gone <= {(each.lower, each.upper) for each in every}
    assert gone == {(each.lower, each.upper) for each in every if cutoff and each.upper <= cutoff}

    # Every waiting row gets a home.
    assert all(list(gaps(every, each, period.shift(each, 1))) == [] for each in waiting)

    # Done is done.
    assert plan(rule, kept, today) == []
