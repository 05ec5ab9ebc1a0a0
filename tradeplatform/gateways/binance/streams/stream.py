"""A stream and who reads it: an event is encoded once, whoever reads it plain or wrapped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import orjson

from orders.feed.outlet import Outlet


def wrapping(name: str) -> str:
    """How an event of this stream looks in a combined connection, with `%s` for the event."""
    return f'{{"stream":"{name}","data":%s}}'


class Stream:
    """One stream for all sockets of the process."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._wrap = wrapping(name)
        #: Who reads it, and whether wrapped.
        self._readers: dict[Outlet, bool] = {}

    @property
    def is_watched(self) -> bool:
        """Whether any socket reads it."""
        return bool(self._readers)

    def add(self, outlet: Outlet, *, combined: bool) -> None:
        """Send it to a socket from now on; what there is to say at once is said."""
        self._readers[outlet] = combined
        if (event := self.now()) is not None:
            self._tell_latest(event, {outlet: combined}.items())

    def turn(self, outlet: Outlet, *, combined: bool) -> None:
        """Send it wrapped, or plain, from now on."""
        self._readers[outlet] = combined

    def remove(self, outlet: Outlet) -> None:
        """Send it to a socket no more."""
        self._readers.pop(outlet, None)
        if not self._readers:
            self.rest()

    def now(self) -> str | None:
        """The event that a new reader begins with; None where it waits for the next."""
        return None

    def rest(self) -> None:
        """Nobody reads it any more."""

    def tell(self, plain: str) -> None:
        """Send an event that nobody may miss: who is too slow for it is closed."""
        wrapped = self._wrap % plain if any(self._readers.values()) else ""
        for outlet, combined in self._readers.items():
            outlet.send(wrapped if combined else plain)

    def tell_latest(self, event: str) -> None:
        """Send an event in place of the one that still waits."""
        self._tell_latest(event, self._readers.items())

    def _tell_latest(self, plain: str, readers: Iterable[tuple[Outlet, bool]]) -> None:
        wrapped = self._wrap % plain
        for outlet, combined in readers:
            outlet.send_latest(self.name, wrapped if combined else plain)


class Throttle:
    """Lets something be done at once, then once in so many seconds at most."""

    def __init__(self, seconds: float, act: Callable[[], None]) -> None:
        self._seconds = seconds
        self._act = act
        self._again_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def ask(self) -> None:
        """Have it done, now or when its time has come."""
        if self._timer is not None:
            return
        loop = asyncio.get_running_loop()
        if loop.time() >= self._again_at:
            self._do()
        else:
            self._timer = loop.call_at(self._again_at, self._do)

    def stop(self) -> None:
        """Do not do it after all."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _do(self) -> None:
        self._timer = None
        self._again_at = asyncio.get_running_loop().time() + self._seconds
        self._act()


def encode(event: dict[str, Any]) -> str:
    """An event as it goes out."""
    return orjson.dumps(event).decode()
