"""Threads that work on the database for the event loop, each kind of work with threads of its own."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from channels.db import database_sync_to_async

from tradeplatform.common.errors import Code, Refusal

P = ParamSpec("P")
T = TypeVar("T")

#: All there are, so that who ends a process can end them.
LANES: list[Lane] = []


class Lane:
    """So many threads, and connections at most: work of one kind does not hold up another."""

    def __init__(self, name: str, threads: int, *, room: int | None = None) -> None:
        self.threads = threads
        self._room = room
        self._under_way = 0
        self.executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
        LANES.append(self)

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do it in one of the threads. Raises what it raises, and overloaded where there is no room."""
        if self._room is not None and self._under_way >= self._room:
            sentence = "Too much is under way in this server: try again in a moment."
            raise Refusal(Code.OVERLOADED, sentence, under_way=self._under_way)
        run: Any = database_sync_to_async(work, thread_sensitive=False, executor=self.executor)
        self._under_way += 1
        try:
            found: T = await run(*args, **kwargs)
        finally:
            self._under_way -= 1
        return found
