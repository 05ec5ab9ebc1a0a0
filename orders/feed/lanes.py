"""Threads that work on the database for the event loop, each kind of work with threads of its own.

Whoever finds them busy waits for his turn: one of each who asks, then the next of each.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from dataclasses import dataclass
from typing import Any, Generic, ParamSpec, TypeVar

from channels.db import database_sync_to_async

from tradeplatform.common.overload import Full, queue_full, watch
from tradeplatform.common.together import LOCK_PATIENCE
from tradeplatform.common.turns import Turns

P = ParamSpec("P")
T = TypeVar("T")
Ask = TypeVar("Ask")
Answer = TypeVar("Answer")

_clock = time.monotonic

#: All there are, so that who ends a process can end them.
LANES: list[Threads] = []


class Threads:
    """So many threads, and connections at most: work of one kind does not hold up another."""

    def __init__(self, name: str, threads: int) -> None:
        self.threads = threads
        self.executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
        LANES.append(self)

    async def do(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do it in one of them. Raises what it raises."""
        run: Any = database_sync_to_async(work, thread_sensitive=False, executor=self.executor)
        found: T = await run(*args, **kwargs)
        return found


class Lane(Threads):
    """At most `room` wait for one of the threads; where it is not given, whoever asks bounds them."""

    def __init__(self, name: str, threads: int, *, room: int | None = None) -> None:
        super().__init__(name, threads)
        self._free = threads
        self._turns: Turns[asyncio.Future[None]] = Turns(room)
        watch(name, self._turns)

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do it in one of the threads. Raises what it raises, and overloaded where there is no room."""
        return await self.run_for(None, work, *args, **kwargs)

    async def run_for(self, whose: Hashable, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As `run`, in turns with what others than `whose` ask."""
        await self._take_thread(whose)
        try:
            return await self.do(work, *args, **kwargs)
        finally:
            self._leave_thread()

    async def _take_thread(self, whose: Hashable) -> None:
        if self._free:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        gives_way = self._turns.put(turn, whose)
        if gives_way is not None and not gives_way.done():
            gives_way.set_exception(queue_full(Full.SOCKETS))
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled() and turn.exception() is None:
                # Its turn had come when it left.
                self._leave_thread()
            raise

    def _leave_thread(self) -> None:
        """Leave the thread to whose turn it is."""
        while (turn := self._turns.take()) is not None:
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


class Lists(Threads, Generic[Ask, Answer]):
    """One thread that answers in lists of at most `most`: who comes while one is answered is in the next.

    `answer_each` answers each in order, with an exception where it is to be raised; what it raises itself is
    raised for all. At most `room` wait, for LOCK_PATIENCE: behind a list that waits for a lock they would be
    answered after both time-outs.
    """

    def __init__(
        self,
        name: str,
        answer_each: Callable[[Sequence[Ask]], Sequence[Answer | Exception]],
        *,
        most: int,
        room: int,
    ) -> None:
        super().__init__(name, 1)
        self._answer_each, self._most = answer_each, most
        self._turns: Turns[_Waiting[Ask, Answer]] = Turns(room)
        self._serving: asyncio.Task[None] | None = None
        watch(name, self._turns)

    async def ask(self, whose: Hashable, ask: Ask) -> Answer:
        """Its answer, in turns with what others than `whose` ask. Raises its exception, overloaded too."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        gives_way = self._turns.put(_Waiting(ask, answer, _clock()), whose)
        if gives_way is not None:
            gives_way.refuse()
        if self._serving is None or self._serving.done():
            # For all of them: what is bound to the first to come, such as his correlation id, is his alone.
            self._serving = asyncio.create_task(self._serve(), context=Context())
        return await answer

    async def _serve(self) -> None:
        while taken := self._take():
            answers: Sequence[Answer | Exception]
            try:
                answers = await self.do(self._answer_each, [one.ask for one in taken])
            except Exception as error:  # noqa: BLE001 - each is told
                answers = [error] * len(taken)
            for one, found in zip(taken, answers, strict=True):
                if one.answer.done():
                    # Whoever asked has gone; what was done is done.
                    continue
                if isinstance(found, Exception):
                    one.answer.set_exception(found)
                else:
                    one.answer.set_result(found)

    def _take(self) -> list[_Waiting[Ask, Answer]]:
        """Those whose turn it is, and who still wait."""
        taken: list[_Waiting[Ask, Answer]] = []
        while len(taken) < self._most and (waiting := self._turns.take()) is not None:
            if _clock() - waiting.since > LOCK_PATIENCE:
                waiting.refuse()
            if not waiting.answer.done():
                taken.append(waiting)
        return taken


@dataclass(slots=True)
class _Waiting(Generic[Ask, Answer]):
    ask: Ask
    answer: asyncio.Future[Answer]
    since: float

    def refuse(self) -> None:
        """There is no room for it; nothing of it has begun."""
        if not self.answer.done():
            self.answer.set_exception(queue_full(Full.SOCKETS))
