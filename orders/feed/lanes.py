"""Threads that work on the database for the event loop, each kind of work with threads of its own.

Whoever finds them busy waits for his turn: one of each who asks, then the next of each.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from channels.db import database_sync_to_async

from tradeplatform.common.overload import Full, queue_full, watch
from tradeplatform.common.turns import Turns

P = ParamSpec("P")
T = TypeVar("T")

#: All there are, so that who ends a process can end them.
LANES: list[Lane] = []


class Lane:
    """So many threads, and connections at most: work of one kind does not hold up another.

    At most `room` wait for one of them; where it is not given, whoever asks bounds them.
    """

    def __init__(self, name: str, threads: int, *, room: int | None = None) -> None:
        self.threads = self._free = threads
        self._turns: Turns[asyncio.Future[None]] = Turns(room)
        self.executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
        watch(name, self._turns)
        LANES.append(self)

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do it in one of the threads. Raises what it raises, and overloaded where there is no room."""
        return await self.run_for(None, work, *args, **kwargs)

    async def run_for(self, whose: Hashable, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As `run`, in turns with what others than `whose` ask."""
        await self._take_thread(whose)
        try:
            run: Any = database_sync_to_async(work, thread_sensitive=False, executor=self.executor)
            found: T = await run(*args, **kwargs)
        finally:
            self._leave_thread()
        return found

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
