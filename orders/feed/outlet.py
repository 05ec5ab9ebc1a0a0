"""The way out to one socket: at once if it reads, else through a queue that a task empties as it does."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

from orders.feed import protocol
from orders.feed.flow import Flow
from orders.feed.outbox import Outbox, Render

# Nobody reads nothing for this long and comes back.
_STALL_SECONDS = 30


class Dialect(Protocol):
    """What a socket is told without asking, in the words of its protocol."""

    @property
    def HEARTBEAT_SECONDS(self) -> float:  # noqa: N802 - a constant, in modules
        """Seconds of silence after which a sign of life is due."""

    def heartbeat(self, *, live: bool) -> str:
        """A sign of life; `live` says whether the server itself hears from the market."""

    def closing(self, why: protocol.Closing) -> str | None:
        """The last message before the server closes; None where the close frame says it all."""


class Outlet:
    """Takes messages without ever waiting; sends them in order; closes the socket when it is told or must."""

    def __init__(self, flow: Flow, dialect: Dialect = protocol) -> None:
        self._flow = flow
        self._dialect = dialect
        self._outbox = Outbox()
        self._wake = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._closing: protocol.Closing | None = None
        self._last_sent = time.monotonic()

    @property
    def closing(self) -> protocol.Closing | None:
        """Why the socket is being closed, if it is."""
        return self._closing

    def send(self, text: str) -> None:
        """Send a message that must not be lost; a reader too slow for it is closed."""
        if self._must_wait(text):
            self._outbox.put(text)
            if self._outbox.overflowed:
                self.close(protocol.TOO_SLOW)

    def send_if_free(self, text: str) -> bool:
        """Send a message if that can be done now, with nothing waiting before it; False if not."""
        if self._closing is None and not self._outbox and self._flow.write(text):
            self._last_sent = time.monotonic()
            return True
        return False

    def send_latest(self, key: str, text: str) -> None:
        """Send a message in place of the one waiting under the same key."""
        if self._must_wait(text):
            self._outbox.put_latest(key, text)

    def send_delta(self, symbol: str, text: str, render: Render) -> None:
        """Send a change of a book, or the whole book when too many changes wait."""
        if self._must_wait(text):
            self._outbox.put_delta(symbol, text, render)

    def send_snapshot(self, symbol: str, render: Render) -> None:
        """Send the whole book in place of the changes that wait."""
        if self._closing is None:
            self._outbox.put_snapshot(symbol, render)
            self._wake.set()

    def drop_book(self, symbol: str) -> None:
        """Do not send what waits of a book."""
        self._outbox.drop_book(symbol)

    async def taken(self) -> None:
        """Return once all that was given is on its way, and more can be taken; or the socket is closing."""
        await self._empty.wait()
        await self._flow.opened()

    def close(self, why: protocol.Closing) -> None:
        """Throw away what waits and close the socket; the first reason given is the one it is told."""
        if self._closing is None:
            self._closing = why
            self._outbox.clear()
            self._empty.set()
            self._wake.set()
            # The writer may be waiting for a reader who does not come.
            self._flow.release()

    def tick(self, now: float, *, live: bool) -> None:
        """Once a second: close a reader that stands still, comfort one that hears nothing."""
        if self._flow.stalled_for() > _STALL_SECONDS:
            self.close(protocol.TOO_SLOW)
        elif now - self._last_sent >= self._dialect.HEARTBEAT_SECONDS:
            self.send_latest("heartbeat", self._dialect.heartbeat(live=live))

    def ping(self) -> None:
        """Ask the reader whether it is there."""
        self._flow.ping()

    def last_pong(self) -> float:
        """When it last said so, by the monotonic clock."""
        return self._flow.last_pong()

    async def run(self) -> None:
        """Send what waits until the socket is to be closed, and close it."""
        while self._closing is None:
            await self._wake.wait()
            self._wake.clear()
            await self._send_waiting()
        why = self._closing
        await self._flow.close(self._dialect.closing(why), code=int(why.code), reason=why.reason)

    async def _send_waiting(self) -> None:
        await self._flow.opened()
        # Closing empties the queue.
        while (text := self._outbox.pop()) is not None:
            self._last_sent = time.monotonic()
            await self._flow.send(text)
            await self._flow.opened()
        self._empty.set()

    def _must_wait(self, text: str) -> bool:
        """Whether the message has to queue; one that need not, or will never be sent, is done with."""
        if self._closing is not None or self.send_if_free(text):
            return False
        self._wake.set()
        self._empty.clear()
        return True
