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

from tests.load.producing import ACCEPTED, COMMANDS, COUNTERS, DUE, TRANSFERS, Job, Sent
from tests.load.watching import Cpu, Watch, rows_written

_AHEAD, _STATISTICS_SECONDS = 0.3, 1.1
_SETTLE_SECONDS = 600.0

#: Told each second of a run: seconds since its start, and what was due, accepted and applied so far.
Progress = Callable[[float, int, int, int, int], None]


@dataclass(slots=True, kw_only=True)
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
    acknowledged: list[float]
    #: What each part has seen, in the order given.
    parts: list[Sent]
    committed_in_time: int = 0
    lag_commands: int = 0
    lag_seconds: float = 0.0
    outcomes: list[float] = field(default_factory=list)
    cpu: dict[str, float] = field(default_factory=dict)
    rows: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    orders: int = 0
    traded: int = 0
    rejected: int = 0
    trades: int = 0
    rates: list[int] = field(default_factory=list)

    @property
    def committed_rate(self) -> float:
        """Actions a second that were accepted, applied and committed within the time of the run."""
        return self.committed_in_time / self.seconds

    @property
    def throughput(self) -> float:
        """Actions accepted, a second, from the start until the last of them had been applied."""
        return self.accepted / (self.took + self.lag_seconds)


#: What a producer's process runs, its job, and what opens its door there.
Part = tuple[Callable[..., None], Job, Callable[[], Any]]


def run(
    parts: Sequence[Part],
    *,
    database_url: str = "",
    processes: dict[str, int] | None = None,
    progress: Progress = lambda *_: None,
    during: Callable[[float], None] = lambda _start: None,
) -> Result:
    """Run the parts, each in a process of its own, until everything they sent has been applied.

    `during` is called in this thread once the clock has started, with its start. Without `database_url`, of a
    role that may read all, only what clients see is told: no outcomes, no rows, no CPU.
    """
    context = multiprocessing.get_context("spawn")
    counters = context.Array("q", COUNTERS * len(parts), lock=False)
    backlog = context.Value("q", 0, lock=False)
    pipes: list[Connection] = []
    producers = []
    jobs = [job for _, job, _ in parts]
    for produce, job, opened in parts:
        mine, theirs = context.Pipe()
        producer = context.Process(target=produce, args=(job, opened, counters, backlog, theirs), daemon=True)
        producer.start()
        theirs.close()
        producers.append(producer)
        pipes.append(mine)
    watch = Watch(database_url) if database_url else None
    try:
        for pipe in pipes:
            pipe.recv()
        if watch is None:
            return _Unseen(jobs, pipes, counters, backlog).run(progress, during)
        _settled(database_url)
        # So long a connection may keep what it has counted to itself.
        time.sleep(_STATISTICS_SECONDS)
        ours = {f"producer {job.number}": _pid(one) for job, one in zip(jobs, producers, strict=True)}
        running = _Running(jobs, pipes, counters, backlog, watch, database_url, (processes or {}) | ours)
        return running.run(progress, during)
    finally:
        if watch is not None:
            watch.stop()
        for producer in producers:
            producer.join(10)
            producer.kill()


class _Unseen:
    """A run on a platform of which we see the doors alone."""

    def __init__(self, jobs: Sequence[Job], pipes: Sequence[Connection], counters: Any, backlog: Any) -> None:
        self._seconds = max(job.seconds for job in jobs)
        self._pipes, self._counters, self._backlog = pipes, counters, backlog
        self._start = 0.0

    def run(self, progress: Progress, during: Callable[[float], None]) -> Result:
        """From the start to the last answer."""
        self._begin(during)
        self._follow(progress)
        return self._told([pipe.recv() for pipe in self._pipes])

    def _begin(self, during: Callable[[float], None]) -> None:
        self._start = time.monotonic() + _AHEAD
        for pipe in self._pipes:
            pipe.send(self._start)
        during(self._start)

    def _follow(self, progress: Progress) -> list[int]:
        """Tell of each second until the producers have ended; what was applied in each."""
        rates, second, before = [], 0, 0
        while not all(pipe.poll() for pipe in self._pipes):
            time.sleep(0.02)
            if time.monotonic() >= self._start + second + 1:
                second += 1
                applied = self._applied()
                progress(second, self._sum(DUE), self._sum(ACCEPTED), applied, self._backlog.value)
                rates.append(applied - before)
                before = applied
        return rates

    def _applied(self) -> int:
        return 0

    def _told(self, sent: list[Sent]) -> Result:
        refused, kinds = Counter[str](), Counter[str]()
        acknowledged: list[float] = []
        for one in sent:
            refused += one.refused
            kinds += one.kinds
            acknowledged.extend(one.acknowledged)
        return Result(
            seconds=self._seconds,
            took=max(one.ended for one in sent) - self._start,
            due=self._sum(DUE) + sum(one.unsent for one in sent),
            unsent=sum(one.unsent for one in sent),
            accepted=self._sum(ACCEPTED),
            refused=dict(refused.most_common()),
            kinds=dict(kinds.most_common()),
            calls=sum(one.calls for one in sent),
            acknowledged=acknowledged,
            parts=sent,
        )

    def _sum(self, what: int) -> int:
        return int(sum(self._counters[what::COUNTERS]))


class _Running(_Unseen):
    """A run on a platform whose database we see."""

    def __init__(
        self,
        jobs: Sequence[Job],
        pipes: Sequence[Connection],
        counters: Any,
        backlog: Any,
        watch: Watch,
        database_url: str,
        processes: dict[str, int],
    ) -> None:
        super().__init__(jobs, pipes, counters, backlog)
        self._watch, self._url, self._processes = watch, database_url, processes
        self._applied_before = watch.applied()
        self._transfers: list[tuple[float, int]] = []

    def run(self, progress: Progress, during: Callable[[float], None]) -> Result:
        """From the start until nothing waits any more."""
        rows, cpu = rows_written(self._url), Cpu(self._processes, self._url)
        since = _now_there(self._url)
        self._watch.on_look = self._look
        self._begin(during)
        rates = self._follow(progress)
        shares = cpu.shares()
        sent = [pipe.recv() for pipe in self._pipes]
        result = self._told(sent)
        result.cpu, result.rates = shares, rates
        result.lag_commands = self._backlog.value
        _settled(self._url)
        result.lag_seconds = time.monotonic() - max(one.ended for one in sent)
        time.sleep(_STATISTICS_SECONDS)
        result.committed_in_time = self._committed_by(self._start + self._seconds)
        result.outcomes = self._outcomes([trace for one in sent for trace in one.traced])
        result.rows = _differences(rows, rows_written(self._url))
        self._ask_what_traded(result, since)
        return result

    def _look(self) -> None:
        self._backlog.value = max(0, self._sum(COMMANDS) - self._applied())
        self._transfers.append((time.monotonic(), self._sum(TRANSFERS)))

    def _applied(self) -> int:
        return self._watch.applied() - self._applied_before

    def _committed_by(self, moment: float) -> int:
        """Commands applied and transfers done by then."""
        applied = sum(track.at(moment) for track in self._watch.tracks.values()) - self._applied_before
        return applied + max((count for at, count in self._transfers if at <= moment), default=0)

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


def _differences(
    before: dict[str, tuple[int, int, int]], after: dict[str, tuple[int, int, int]]
) -> dict[str, tuple[int, int, int]]:
    found = {}
    for name, counts in sorted(after.items()):
        ins, up, dele = before.get(name, (0, 0, 0))
        if counts != (ins, up, dele):
            found[name] = (counts[0] - ins, counts[1] - up, counts[2] - dele)
    return found


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
