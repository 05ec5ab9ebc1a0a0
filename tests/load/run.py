"""One load against one platform: producers start together, somebody looks on, and what came of it is told."""

from __future__ import annotations

import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

import psycopg

from tests.load.doors import Door
from tests.load.producing import ACCEPTED, COMMANDS, COUNTERS, DUE, TRANSFERS, Job, Sent, produce
from tests.load.watching import Cpu, Watch, rows_written

_AHEAD, _STATISTICS_SECONDS = 0.3, 1.1
_SETTLE_SECONDS = 600.0

#: Told each second of a run: seconds since its start, and what was due, accepted and applied so far.
Progress = Callable[[float, int, int, int, int], None]


@dataclass(slots=True)
class Result:
    """What a load was answered, and what became of it."""

    seconds: float
    took: float
    due: int
    unsent: int
    accepted: int
    refused: dict[str, int]
    kinds: dict[str, int]
    calls: int
    committed_in_time: int
    lag_commands: int
    lag_seconds: float
    acknowledged: list[float]
    outcomes: list[float]
    cpu: dict[str, float]
    rows: dict[str, tuple[int, int, int]]
    orders: int = 0
    traded: int = 0
    rejected: int = 0
    trades: int = 0
    rates: list[int] = field(default_factory=list)

    @property
    def committed_rate(self) -> float:
        """Actions a second that were accepted, applied and committed within the time of the run."""
        return self.committed_in_time / self.seconds


def run(
    jobs: Sequence[Job],
    opened: Callable[[], Door],
    *,
    database_url: str,
    processes: dict[str, int],
    progress: Progress = lambda *_: None,
    during: Callable[[float], None] = lambda _start: None,
) -> Result:
    """Run the jobs, each in a process of its own, until everything they sent has been applied.

    `during` is called in this thread once the clock has started, with its start.
    """
    context = multiprocessing.get_context("spawn")
    counters = context.Array("q", COUNTERS * len(jobs), lock=False)
    backlog = context.Value("q", 0, lock=False)
    pipes: list[Connection] = []
    producers = []
    for job in jobs:
        mine, theirs = context.Pipe()
        producer = context.Process(target=produce, args=(job, opened, counters, backlog, theirs), daemon=True)
        producer.start()
        theirs.close()
        producers.append(producer)
        pipes.append(mine)
    watch = Watch(database_url)
    try:
        for pipe in pipes:
            pipe.recv()
        _settled(database_url)
        # So long a connection may keep what it has counted to itself.
        time.sleep(_STATISTICS_SECONDS)
        return _Running(jobs, pipes, counters, backlog, watch, database_url).run(
            processes | {f"producer {job.number}": _pid(p) for job, p in zip(jobs, producers, strict=True)},
            progress,
            during,
        )
    finally:
        watch.stop()
        for producer in producers:
            producer.join(10)
            producer.kill()


class _Running:
    def __init__(
        self,
        jobs: Sequence[Job],
        pipes: Sequence[Connection],
        counters: Any,
        backlog: Any,
        watch: Watch,
        database_url: str,
    ) -> None:
        self._seconds = max(job.seconds for job in jobs)
        self._pipes, self._counters, self._backlog = pipes, counters, backlog
        self._watch, self._url = watch, database_url
        self._applied_before = watch.applied()
        self._transfers: list[tuple[float, int]] = []

    def run(self, processes: dict[str, int], progress: Progress, during: Callable[[float], None]) -> Result:
        rows, cpu = rows_written(self._url), Cpu(processes, self._url)
        since = _now_there(self._url)
        self._watch.on_look = self._look
        self._start = time.monotonic() + _AHEAD
        for pipe in self._pipes:
            pipe.send(self._start)
        during(self._start)
        rates = self._follow(progress)
        shares = cpu.shares()
        sent = [pipe.recv() for pipe in self._pipes]
        last_sent = max(one.ended for one in sent)
        lag = self._backlog.value
        _settled(self._url)
        settled = time.monotonic()
        time.sleep(_STATISTICS_SECONDS)
        result = self._told(sent, last_sent, lag, settled)
        result.cpu, result.rates = shares, rates
        after = rows_written(self._url)
        result.rows = {
            name: (one[0] - before[0], one[1] - before[1], one[2] - before[2])
            for name, one in sorted(after.items())
            if one != (before := rows.get(name, (0, 0, 0)))
        }
        self._ask_what_traded(result, since)
        return result

    def _look(self) -> None:
        applied = self._watch.applied() - self._applied_before
        self._backlog.value = max(0, self._sum(COMMANDS) - applied)
        self._transfers.append((time.monotonic(), self._sum(TRANSFERS)))

    def _follow(self, progress: Progress) -> list[int]:
        """Tell of each second until the producers have ended; what was applied in each."""
        rates, second, before = [], 0, 0
        while not all(pipe.poll() for pipe in self._pipes):
            time.sleep(0.02)
            if time.monotonic() >= self._start + second + 1:
                second += 1
                applied = self._watch.applied() - self._applied_before
                progress(second, self._sum(DUE), self._sum(ACCEPTED), applied, self._backlog.value)
                rates.append(applied - before)
                before = applied
        return rates

    def _told(self, sent: Sequence[Sent], last_sent: float, lag: int, settled: float) -> Result:
        end = self._start + self._seconds
        in_time = sum(track.at(end) for track in self._watch.tracks.values()) - self._applied_before
        in_time += max((count for at, count in self._transfers if at <= end), default=0)
        refused, kinds = Counter[str](), Counter[str]()
        acknowledged: list[float] = []
        for one in sent:
            refused += one.refused
            kinds += one.kinds
            acknowledged.extend(one.acknowledged)
        return Result(
            seconds=self._seconds,
            took=last_sent - self._start,
            due=self._sum(DUE) + sum(one.unsent for one in sent),
            unsent=sum(one.unsent for one in sent),
            accepted=self._sum(ACCEPTED),
            refused=dict(refused.most_common()),
            kinds=dict(kinds.most_common()),
            calls=sum(one.calls for one in sent),
            committed_in_time=in_time,
            lag_commands=lag,
            lag_seconds=settled - last_sent,
            acknowledged=acknowledged,
            outcomes=self._outcomes([trace for one in sent for trace in one.traced]),
            cpu={},
            rows={},
        )

    def _outcomes(self, traced: Sequence[tuple[bool, int, float]]) -> list[float]:
        """Seconds from when each was due to when its outcome could be seen by others."""
        due = {(of_order, key): at for of_order, key, at in traced}
        orders = [key for of_order, key in due if of_order]
        commands = [key for of_order, key in due if not of_order]
        with psycopg.connect(self._url, autocommit=True) as connection:
            rows = connection.execute(
                "SELECT true, order_id, shard_id, position FROM orders_command"
                " WHERE kind = 1 AND order_id = ANY(%s) UNION ALL"
                " SELECT false, id, shard_id, position FROM orders_command WHERE id = ANY(%s)",
                [orders, commands],
            ).fetchall()
        found = []
        for of_order, key, shard_id, position in rows:
            seen = None if position is None else self._watch.tracks[shard_id].seen(position)
            if seen is not None:
                found.append(seen - due[of_order, key])
        return found

    def _ask_what_traded(self, result: Result, since: Any) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            row = connection.execute(
                "SELECT count(*), count(*) FILTER (WHERE filled > 0),"
                " count(*) FILTER (WHERE status = 'rejected') FROM orders_order WHERE created_at >= %s",
                [since],
            ).fetchone()
            trades = connection.execute(
                "SELECT count(*) FROM orders_trade WHERE at >= %s", [since]
            ).fetchone()
        assert row is not None
        assert trades is not None
        result.orders, result.traded, result.rejected = row
        (result.trades,) = trades

    def _sum(self, what: int) -> int:
        return int(sum(self._counters[what::COUNTERS]))


def _settled(database_url: str) -> None:
    """Until nothing waits; raises TimeoutError when that takes too long, which a stopped shard may be."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    with psycopg.connect(database_url, autocommit=True) as connection:
        sql = "SELECT EXISTS (SELECT FROM orders_command WHERE status = 'pending')"
        while connection.execute(sql).fetchone() == (True,):
            if time.monotonic() > deadline:
                raise TimeoutError(f"Commands still wait after {_SETTLE_SECONDS:.0f} s: is a shard stopped?")
            time.sleep(0.01)


def _now_there(database_url: str) -> Any:
    with psycopg.connect(database_url, autocommit=True) as connection:
        row = connection.execute("SELECT clock_timestamp()").fetchone()
        return row[0] if row else None


def _pid(process: Any) -> int:
    return int(process.pid)
