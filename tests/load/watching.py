"""Looks on while a load runs: how far the shards are, what each process costs, what is written where."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import psutil
import psycopg

_SHARDS = "SELECT id, position FROM orders_shard ORDER BY id"
_TABLES = """
    SELECT coalesce(parent.relname, t.relname),
        sum(n_tup_ins)::bigint, sum(n_tup_upd)::bigint, sum(n_tup_del)::bigint
    FROM pg_stat_user_tables t LEFT JOIN pg_inherits i ON i.inhrelid = t.relid
    LEFT JOIN pg_class parent ON parent.oid = i.inhparent GROUP BY 1
"""


@dataclass(slots=True)
class Track:
    """Where one shard was, and when that could first be seen by others."""

    times: list[float] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)

    def seen(self, position: int) -> float | None:
        """When the command at this position was seen to be applied; None if never."""
        at = bisect_left(self.positions, position)
        return self.times[at] if at < len(self.times) else None

    def at(self, moment: float) -> int:
        """The position as it was seen at a moment."""
        before = bisect_left(self.times, moment)
        return self.positions[max(0, before - 1)]


class Watch:
    """Reads the shards' positions every few milliseconds, on a connection of its own."""

    def __init__(self, database_url: str, *, every: float = 0.02) -> None:
        """Starts at once; `every` is also how exact the times of outcomes are."""
        self.tracks: dict[int, Track] = {}
        self._every = every
        self._stop = threading.Event()
        self._connection = psycopg.connect(database_url, autocommit=True, application_name="load-watch")
        self._look()
        self._thread = threading.Thread(target=self._run, name="load-watch", daemon=True)
        self.on_look: Callable[[], None] = lambda: None
        self._thread.start()

    def applied(self) -> int:
        """Commands applied so far, of all shards, since the platform was made."""
        return sum(track.positions[-1] for track in self.tracks.values())

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        while not self._stop.wait(self._every):
            self._look()
            self.on_look()

    def _look(self) -> None:
        rows = self._connection.execute(_SHARDS, prepare=True).fetchall()
        now = time.monotonic()
        for shard_id, position in rows:
            track = self.tracks.setdefault(shard_id, Track())
            if not track.positions or track.positions[-1] != position:
                track.times.append(now)
                track.positions.append(position)


def rows_written(database_url: str) -> dict[str, tuple[int, int, int]]:
    """(inserted, updated, deleted) rows by table since the database was made, partitions with parents."""
    with psycopg.connect(database_url, autocommit=True, application_name="load-watch") as connection:
        return {name: (ins, upd, dele) for name, ins, upd, dele in connection.execute(_TABLES).fetchall()}


class Cpu:
    """Seconds of CPU by process, from when this was made."""

    def __init__(self, named: Mapping[str, int], database_url: str) -> None:
        """`named` are process ids by what their processes are."""
        self._named, self._url = dict(named), database_url
        self._begun, self._before = time.monotonic(), self._now()

    def shares(self) -> dict[str, float]:
        """Cores used by each since then, the busiest first; what hardly ran is left out."""
        took, now = time.monotonic() - self._begun, self._now()
        used = {name: (seconds - self._before.get(name, 0.0)) / took for name, seconds in now.items()}
        return {name: used[name] for name in sorted(used, key=lambda one: -used[one]) if used[name] >= 0.005}

    def _now(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for name, pid in self._named.items():
            if name == "postgres":
                continue
            for process in _family(pid):
                found[name] = found.get(name, 0.0) + _seconds(process)
        if "postgres" in self._named:
            names = self._backends()
            for process in _family(self._named["postgres"]):
                name = f"postgres: {names.get(process.pid, 'background')}"
                found[name] = found.get(name, 0.0) + _seconds(process)
        return found

    def _backends(self) -> dict[int, str]:
        """What each process of PostgreSQL does: its client's name, or its own."""
        sql = "SELECT pid, coalesce(nullif(application_name, ''), backend_type) FROM pg_stat_activity"
        with psycopg.connect(self._url, autocommit=True, application_name="load-watch") as connection:
            return dict(connection.execute(sql).fetchall())


def _family(pid: int) -> list[Any]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _seconds(process: Any) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)
