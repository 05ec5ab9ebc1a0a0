"""Whether a shard takes new orders: not while the oldest that waits for it waits too long.

What is accepted is committed and will be matched, but at a market that its owner no longer sees; so it is
refused in time instead. Cancels are taken, and amends that only take quantity off. Each process looks for
itself, ten times a second and only while orders come, with one statement on the index of what waits; it
needs nothing but the database that the order goes to.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from django.conf import settings
from django.utils import timezone

from tradeplatform.common.db import fetch
from tradeplatform.common.errors import Refusal
from tradeplatform.common.overload import Full, overloaded

_FRESH_SECONDS = 0.1
# How far back the pace of a shard is measured: some of its batches.
_PACE_SECONDS = 5.0
LEAST_WAIT, LONGEST_WAIT = 1, 60

# One sequence numbers the commands of all shards: the way from the first to the last that wait, and how far
# the first has moved meanwhile, are measured by the same.
_ENDS = """
    SELECT s.id, f.at, f.id, l.id FROM orders_shard s
    CROSS JOIN LATERAL (SELECT id, at FROM orders_command
        WHERE shard_id = s.id AND status = 'pending' ORDER BY id LIMIT 1) f
    CROSS JOIN LATERAL (SELECT id FROM orders_command
        WHERE shard_id = s.id AND status = 'pending' ORDER BY id DESC LIMIT 1) l
"""


@dataclass(frozen=True, slots=True)
class Behind:
    """A shard on which the oldest command waits too long, and when there may be room again."""

    lag_seconds: float
    retry_after: int

    def refusal(self) -> Refusal:
        """Of a new order, or of an amend that asks for more."""
        return overloaded(
            Full.SHARD,
            "The market is behind with its work: no new order is taken, cancels are. Nothing was done.",
            retry_after=self.retry_after,
            lag_seconds=round(self.lag_seconds, 1),
        )


class Pressure:
    """What this process knows of the shards."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing was looked at yet."""
        self._clock = clock
        self._lock = threading.Lock()
        self._fresh_until = -math.inf
        self._behind: Mapping[int, Behind] = {}
        #: Of each shard on which something waits: when its oldest command had which id.
        self._heads: dict[int, deque[tuple[float, int]]] = {}

    def behind(self) -> Mapping[int, Behind]:
        """The shards that take no new orders, by id. Raises what the database does."""
        if settings.SHARD_LAG_LIMIT_SECONDS and self._clock() >= self._fresh_until:
            self._look()
        return self._behind

    def check(self, shard_id: int) -> None:
        """Raises Refusal overloaded where the shard takes no new orders."""
        if found := self.behind().get(shard_id):
            raise found.refusal()

    def _look(self) -> None:
        """Look anew, unless another thread does: then what was seen before is good enough."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            rows = fetch(_ENDS, prepared=True)
            now, at = self._clock(), timezone.now()
            heads = {shard: self._heads.get(shard, deque()) for shard, *_ends in rows}
            behind = {}
            for shard, since, first, last in rows:
                seen = heads[shard]
                seen.append((now, first))
                while now - seen[0][0] > _PACE_SECONDS:
                    seen.popleft()
                lag = (at - since).total_seconds()
                if lag > settings.SHARD_LAG_LIMIT_SECONDS:
                    behind[shard] = Behind(lag, _wait(seen, last, lag))
            self._heads, self._behind = heads, behind
            self._fresh_until = now + _FRESH_SECONDS
        finally:
            self._lock.release()


def _wait(seen: deque[tuple[float, int]], last: int, lag: float) -> int:
    """Whole seconds until what waits is done at the pace that was seen; what it has taken so far, without."""
    (then, was), (now, first) = seen[0], seen[-1]
    left = (last - first + 1) * (now - then) / (first - was) if first > was else lag
    return min(max(math.ceil(left), LEAST_WAIT), LONGEST_WAIT)


#: The one of this process.
PRESSURE = Pressure()
