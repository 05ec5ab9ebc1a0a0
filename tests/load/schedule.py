"""When actions arrive, decided before anything is sent: a slow platform does not slow its clients down.

A caller that waits for an answer before it asks again asks less while the platform is slow, and its
percentiles leave out whom it kept waiting. Here time runs from when an action was due.
"""

from __future__ import annotations

import random
from collections.abc import Iterator


def arrivals(rate: float, seconds: float, *, seed: int = 0, poisson: bool = False) -> Iterator[float]:
    """Seconds from the start at which the actions of one producer are due, in order.

    Evenly spaced, or as many independent clients come: exponential gaps of the same mean.
    """
    if not poisson:
        yield from (number / rate for number in range(int(rate * seconds)))
        return
    rng, due = random.Random(seed), 0.0
    while (due := due + rng.expovariate(rate)) < seconds:
        yield due


class Due:
    """Takes from a schedule what is due by a moment."""

    def __init__(self, times: Iterator[float]) -> None:
        self._times = times
        self._next: float | None = next(times, None)

    @property
    def next(self) -> float | None:
        """When the next is due; None after the last."""
        return self._next

    def until(self, now: float, most: int) -> list[float]:
        """The times of those that are due, the oldest first, at most so many."""
        found: list[float] = []
        while self._next is not None and self._next <= now and len(found) < most:
            found.append(self._next)
            self._next = next(self._times, None)
        return found

    def rest(self) -> int:
        """How many are left; they will not be taken any more."""
        left = sum(1 for _ in self._times) + (self._next is not None)
        self._next = None
        return left
