"""Arrivals are decided beforehand: a slow answer delays none, it adds to what those who waited waited."""

from __future__ import annotations

from itertools import pairwise

from tests.load.report import percentiles
from tests.load.schedule import Due, arrivals


def test_even_arrivals_are_a_rate_for_a_time() -> None:
    assert list(arrivals(4, 1.5)) == [0.0, 0.25, 0.5, 0.75, 1.0, 1.25]


def test_poisson_arrivals_have_the_same_rate_and_are_the_same_for_a_seed() -> None:
    times = list(arrivals(1_000, 20, seed=3, poisson=True))

    assert abs(len(times) - 20_000) < 500
    assert times == sorted(times) == list(arrivals(1_000, 20, seed=3, poisson=True))
    assert times != list(arrivals(1_000, 20, seed=4, poisson=True))
    gaps = sorted(later - earlier for earlier, later in pairwise(times))
    # Of exponential gaps the median is ln 2 of the mean.
    assert 0.00066 < gaps[len(gaps) // 2] < 0.00073


def test_a_sender_that_was_kept_waiting_finds_all_that_came_meanwhile() -> None:
    due = Due(arrivals(10, 1))

    assert due.until(0.0, 100) == [0.0]
    assert due.until(0.05, 100) == []
    assert due.next == 0.1
    assert due.until(0.55, 3) == [0.1, 0.2, 0.3]
    assert due.until(0.55, 3) == [0.4, 0.5]
    assert due.rest() == 4
    assert due.next is None


def test_percentiles_are_of_those_who_waited_longest_too() -> None:
    assert percentiles([number / 1_000 for number in range(1, 101)]) == {
        "p50": 51.0,
        "p95": 96.0,
        "p99": 100.0,
        "max": 100.0,
    }
    assert percentiles([]) == {}
