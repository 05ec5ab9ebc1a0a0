"""How often a shard is drained: between two drains its worker waits as long as the first of them took.

Much of a drain costs the same for one command and for hundreds. Who drains as often as he can takes the
processor from those whose commands he would drain; what comes while he waits goes in together. Where nothing
was done lately nobody waits.
"""

from __future__ import annotations

import time
from collections.abc import Callable

#: Seconds; with drains that long there is much in each already.
AT_MOST = 0.05


class Pace:
    """Of one worker: `wait`, then drain within it."""

    def __init__(self, sleep: Callable[[float], object], clock: Callable[[], float] = time.monotonic) -> None:
        """`sleep` returns after so many seconds, or sooner where the worker ends."""
        self._sleep, self._clock = sleep, clock
        self._began = self._until = clock()

    def wait(self) -> None:
        """Until as much time has gone by as the last drain took."""
        if (pause := self._until - self._clock()) > 0:
            self._sleep(pause)

    def __enter__(self) -> None:
        """A drain begins."""
        self._began = self._clock()

    def __exit__(self, *_: object) -> None:
        """It has ended, one way or another."""
        now = self._clock()
        self._until = now + min(now - self._began, AT_MOST)
