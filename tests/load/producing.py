"""A producer: a process of its own that sends what its part of the clients do, and remembers how it went."""

from __future__ import annotations

import time
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.sharedctypes import SynchronizedArray
from typing import Any

from tests.load.actions import Action, Holder, Place, Ticker, Transfer
from tests.load.doors import Answer, Door
from tests.load.flow import Flow
from tests.load.mix import MIXES
from tests.load.schedule import Due, arrivals
from tradeplatform.common.garbage import leave_out_what_is_loaded

#: Places in the counters that producers share with the run: each writes its own row.
DUE, ACCEPTED, REFUSED, COMMANDS, TRANSFERS = range(5)
COUNTERS = 5
_NAP = 0.001


@dataclass(frozen=True, slots=True)
class Job:
    """What one producer has to do. `rate` 0 = as fast as `backlog` commands that wait allow."""

    number: int
    mix: str
    tickers: Sequence[Ticker]
    holders: Sequence[Holder]
    tag: str
    seed: int
    rate: float
    seconds: float
    most: int
    poisson: bool = False
    backlog: int = 0
    stock: tuple[int, int] = (0, 0)
    trace_every: int = 10


@dataclass(slots=True)
class Sent:
    """What a producer has seen: counts by kind, refusals by code, seconds to each acknowledgement.

    `traced` are some of the accepted requests, with when they were due: (whether the key is an order's, key,
    moment).
    """

    kinds: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    acknowledged: array[float] = field(default_factory=lambda: array("d"))
    traced: list[tuple[bool, int, float]] = field(default_factory=list)
    calls: int = 0
    unsent: int = 0
    ended: float = 0.0


def produce(
    job: Job, opened: Callable[[], Door], counters: SynchronizedArray[Any], backlog: Any, pipe: Connection
) -> None:
    """Stock the books, say "ready", start at the moment that is sent, and send back a `Sent`.

    `counters` has COUNTERS places for each producer; `backlog` is how many commands wait, as last seen.
    """
    flow = Flow(MIXES[job.mix], job.tickers, job.holders, seed=job.seed, tag=job.tag)
    door = opened()
    stock = flow.stock(*job.stock)
    for at in range(0, len(stock), job.most):
        heard(flow, stock[at : at + job.most], door.send(stock[at : at + job.most]))
    pipe.send("ready")
    start: float = pipe.recv()
    # As a door's process has done; and what a run remembers would be looked through as well.
    leave_out_what_is_loaded()
    _Producer(job, flow, door, counters, backlog, start).run(pipe)


class _Producer:
    def __init__(
        self,
        job: Job,
        flow: Flow,
        door: Door,
        counters: SynchronizedArray[Any],
        backlog: Any,
        start: float,
    ) -> None:
        self._job, self._flow, self._door, self._start = job, flow, door, start
        self._backlog = backlog
        self._tally = Tally(job, counters)

    def run(self, pipe: Connection) -> None:
        """Until all is sent, or twice the time is over."""
        if self._job.rate:
            self._open_loop()
        else:
            self._closed_loop()
        self._tally.sent.ended = time.monotonic()
        pipe.send(self._tally.sent)

    def _open_loop(self) -> None:
        job = self._job
        due = Due(arrivals(job.rate, job.seconds, seed=job.seed, poisson=job.poisson))
        while due.next is not None:
            now = time.monotonic() - self._start
            if now > 2 * job.seconds + 10:
                self._tally.sent.unsent = due.rest()
                return
            times = due.until(now, job.most)
            if times:
                self._send([self._start + at for at in times])
            else:
                time.sleep(max(0.0, min(due.next - now, 0.05)))

    def _closed_loop(self) -> None:
        job = self._job
        while (now := time.monotonic()) < self._start + job.seconds:
            if now < self._start or self._backlog.value > job.backlog:
                time.sleep(_NAP)
                continue
            self._send([now] * job.most)

    def _send(self, due: Sequence[float]) -> None:
        actions = [self._flow.next() for _ in due]
        self._tally.count(DUE, len(actions))
        answers = self._door.send(actions)
        now = time.monotonic()
        heard(self._flow, actions, answers)
        self._tally.remember(actions, answers, due, now)


class Tally:
    """Counts what was answered: for the run at once, for the report at the end."""

    def __init__(self, job: Job, counters: SynchronizedArray[Any]) -> None:
        self.sent = Sent()
        self._accepted = 0
        self._every = job.trace_every
        self._counters, self._row = counters, job.number * COUNTERS

    def remember(
        self, actions: Sequence[Action], answers: Sequence[Answer], due: Sequence[float], now: float
    ) -> None:
        """What one call was answered, at `now`."""
        sent, taken, commands, transfers = self.sent, 0, 0, 0
        sent.calls += 1
        for action, answer, at in zip(actions, answers, due, strict=True):
            sent.kinds[type(action).__name__.lower()] += 1
            sent.acknowledged.append(now - at)
            if answer.refused:
                sent.refused[answer.refused] += 1
                continue
            taken += 1
            if isinstance(action, Transfer):
                transfers += 1
                continue
            commands += 1
            self._accepted += 1
            if answer.key and self._accepted % self._every == 0:
                sent.traced.append((isinstance(action, Place), answer.key, at))
        self.count(ACCEPTED, taken)
        self.count(REFUSED, len(actions) - taken)
        self.count(COMMANDS, commands)
        self.count(TRANSFERS, transfers)

    def count(self, what: int, more: int) -> None:
        """So many more of it."""
        self._counters[self._row + what] += more


def heard(flow: Flow, actions: Sequence[Action], answers: Sequence[Answer]) -> None:
    """Let a flow know which of its orders were taken."""
    for action, answer in zip(actions, answers, strict=True):
        if isinstance(action, Place) and not answer.refused:
            flow.took(action, answer.key)
