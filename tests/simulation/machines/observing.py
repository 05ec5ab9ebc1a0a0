"""Looks at the shards twenty times a second, on the database's own host: who has them, and since when."""

from __future__ import annotations

import itertools
import threading
import time
from dataclasses import dataclass

import psycopg

from tests.simulation.machines.network import Host

_EVERY = 0.05


@dataclass(frozen=True, slots=True)
class Stand:
    """A shard at a moment at which it had changed."""

    at: float
    epoch: int
    owner: str
    position: int

    @property
    def host(self) -> str:
        """Of the worker that has it; empty where nobody has."""
        return self.owner.partition("@")[2].partition(":")[0]


class Observer:
    """Keeps what has changed, for each shard."""

    def __init__(self, host: Host, url: str) -> None:
        """Begins to look at once."""
        self._host, self._url = host, url
        self._seen: dict[int, list[Stand]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, name="observer")
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        with self._host.inside(), psycopg.connect(self._url, autocommit=True) as reader:
            while not self._stop.wait(_EVERY):
                now = time.monotonic()
                for shard, *stand in reader.execute("SELECT id, epoch, owner, position FROM orders_shard"):
                    seen = self._seen.setdefault(shard, [])
                    if not seen or [seen[-1].epoch, seen[-1].owner, seen[-1].position] != stand:
                        seen.append(Stand(now, *stand))

    def now(self, shard: int) -> Stand:
        """How it stands."""
        return self._seen[shard][-1]

    def shards(self) -> list[int]:
        """Their numbers."""
        return sorted(self._seen)

    def last_outcome(self, shard: int, before: float) -> float:
        """When commands were last applied, up to a moment."""
        return self._outcomes(shard, float("-inf"), before)[-1].at

    def first_outcome(self, shard: int, after: float, *, not_by: str) -> Stand | None:
        """When commands were first applied by another host, from a moment on."""
        return next((s for s in self._outcomes(shard, after, float("inf")) if s.host != not_by), None)

    def _outcomes(self, shard: int, after: float, before: float) -> list[Stand]:
        seen = self._seen[shard]
        moved = [later for earlier, later in itertools.pairwise(seen) if later.position > earlier.position]
        return [stand for stand in moved if after <= stand.at <= before]
