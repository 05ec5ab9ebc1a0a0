"""A producer of single requests: each goes out when it is due, however many are still unanswered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.sharedctypes import SynchronizedArray
from typing import Any

from tests.load.actions import Action, Place
from tests.load.doors import AsyncDoor
from tests.load.flow import Flow
from tests.load.mix import MIXES
from tests.load.producing import DUE, Job, Tally
from tests.load.schedule import Due, arrivals

#: At most so many are under way while nothing is measured.
_STOCKING = 32


def produce_async(
    job: Job,
    opened: Callable[[], AsyncDoor],
    counters: SynchronizedArray[Any],
    backlog: Any,
    pipe: Connection,
) -> None:
    """As `producing.produce`, one action to a call. Rate 0: `job.most` callers, each after its answer."""
    asyncio.run(_Producer(job, opened(), counters, backlog, pipe).run())


class _Producer:
    def __init__(
        self, job: Job, door: AsyncDoor, counters: SynchronizedArray[Any], backlog: Any, pipe: Connection
    ) -> None:
        self._job, self._door, self._pipe, self._backlog = job, door, pipe, backlog
        self._flow = Flow(MIXES[job.mix], job.tickers, job.holders, seed=job.seed, tag=job.tag)
        self._tally = Tally(job, counters)
        self._start = 0.0

    async def run(self) -> None:
        """From the first connection to the last answer."""
        await self._door.open()
        await self._stock()
        self._pipe.send("ready")
        self._start = await asyncio.to_thread(self._pipe.recv)
        await asyncio.sleep(self._start - time.monotonic())
        try:
            if self._job.rate:
                await self._open_loop()
            else:
                await self._closed_loop()
        finally:
            self._tally.sent.ended = time.monotonic()
            self._pipe.send(self._tally.sent)
            await self._door.close()

    async def _stock(self) -> None:
        room = asyncio.Semaphore(_STOCKING)

        async def place(order: Place) -> None:
            async with room:
                answer = await self._door.do(order)
            if not answer.refused:
                self._flow.took(order, answer.key)

        await asyncio.gather(*(place(order) for order in self._flow.stock(*self._job.stock)))

    async def _open_loop(self) -> None:
        job, under_way = self._job, set[asyncio.Task[None]]()
        due = Due(arrivals(job.rate, job.seconds, seed=job.seed, poisson=job.poisson))
        while due.next is not None:
            await asyncio.sleep(max(0.0, self._start + due.next - time.monotonic()))
            for at in due.until(time.monotonic() - self._start, 1_000):
                task = asyncio.create_task(self._do(self._flow.next(), self._start + at))
                under_way.add(task)
                task.add_done_callback(under_way.discard)
        if under_way:
            _done, late = await asyncio.wait(under_way, timeout=job.seconds + 10)
            self._tally.sent.unsent = len(late)
            for task in late:
                task.cancel()

    async def _closed_loop(self) -> None:
        end = self._start + self._job.seconds

        async def caller() -> None:
            while (now := time.monotonic()) < end:
                if self._backlog.value > self._job.backlog:
                    await asyncio.sleep(0.005)
                else:
                    await self._do(self._flow.next(), now)

        await asyncio.gather(*(caller() for _ in range(self._job.most)))

    async def _do(self, action: Action, due: float) -> None:
        self._tally.count(DUE, 1)
        answer = await self._door.do(action)
        if isinstance(action, Place) and not answer.refused:
            self._flow.took(action, answer.key)
        self._tally.remember([action], [answer], [due], time.monotonic())
