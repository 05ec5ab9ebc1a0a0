"""Numbered private events to sockets: each has a reader of its own, which reads on from where the socket is.

What is replayed and what is live come the same way, from the rows that hold the numbers, so there is no
seam between them: nothing is left out and nothing comes twice. What the feed hears only says when to look.
"""

from __future__ import annotations

import asyncio

from django.utils import timezone

from orders.feed.outlet import Outlet
from orders.feed.protocol import encode
from orders.feed.retrying import until_read
from orders.private_selectors import PrivatePage, private_events
from orders.services.private_events import number

_PAGE = 200


class Numbering:
    """Numbers what happened to accounts, for all their readers at once, as soon as the last time is done."""

    def __init__(self) -> None:
        self._moved: dict[int, PrivateFeed] = {}
        self._wake = asyncio.Event()

    def soon(self, feed: PrivateFeed) -> None:
        """Something has happened to the feed's account, or may have."""
        self._moved[feed.account_id] = feed
        self._wake.set()

    async def run(self) -> None:
        """Number until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            feeds, self._moved = self._moved, {}
            await until_read(_number, set(feeds))
            for feed in feeds.values():
                feed.wake()


class PrivateFeed:
    """The readers of one account."""

    def __init__(self, account_id: int, numbering: Numbering) -> None:
        self.account_id = account_id
        self._numbering = numbering
        self._readers: dict[Outlet, _Reader] = {}

    def __bool__(self) -> bool:
        return bool(self._readers)

    def add(self, outlet: Outlet, after: int) -> None:
        """Send a socket the events after a number, those that are there and those that come."""
        self.remove(outlet)
        self._readers[outlet] = _Reader(self.account_id, outlet, after)
        self.moved()

    def remove(self, outlet: Outlet) -> None:
        """Send a socket no more."""
        if reader := self._readers.pop(outlet, None):
            reader.task.cancel()

    def moved(self) -> None:
        """Something may have happened."""
        if self._readers:
            self._numbering.soon(self)

    def wake(self) -> None:
        """What happened is numbered."""
        for reader in self._readers.values():
            reader.wake.set()

    def close(self) -> None:
        """Stop for good."""
        for outlet in list(self._readers):
            self.remove(outlet)


class _Reader:
    """Hands one socket page after page, each when the one before is taken."""

    def __init__(self, account_id: int, outlet: Outlet, after: int) -> None:
        self.wake = asyncio.Event()
        self._account_id = account_id
        self._outlet = outlet
        self._after = after
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            await self.wake.wait()
            self.wake.clear()
            while events := (await until_read(_read, self._account_id, self._after)).events:
                message = {"type": "private", "account": self._account_id, "events": events}
                self._outlet.send(encode(message))
                self._after = events[-1]["number"]
                await self._outlet.taken()


def _number(account_ids: set[int]) -> int:
    return number(account_ids, now=timezone.now())


def _read(account_id: int, after: int) -> PrivatePage:
    return private_events(account_id, after=after, limit=_PAGE)
