"""What REST says of a book, beside what a client keeps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tests.clients.keepers import Levels, as_numbers
from tests.clients.trading import PATIENCE
from tests.live.desk import Desk


def rest_book(desk: Desk) -> tuple[Levels, Levels]:
    """(bids, asks), best first."""
    url = desk.base_url.replace("/api/v1/", "/api/v3/depth")
    found = desk.public.get(url, params={"symbol": desk.symbol, "limit": 5000}).raise_for_status().json()
    return as_numbers(found["bids"]), as_numbers(found["asks"])


def differences(wanted: tuple[Levels, Levels], kept: tuple[Levels, Levels]) -> int:
    """How many levels one has and the other has not so."""
    return sum(len(set(ours) ^ set(theirs)) for ours, theirs in zip(wanted, kept, strict=True))


async def until_rest(
    desk: Desk, kept: Callable[[], tuple[Levels, Levels]], *, stir: Callable[[], None] = lambda: None
) -> None:
    """Wait until a client has what REST has; `stir` moves the market for clients that only then notice."""
    async with asyncio.timeout(PATIENCE):
        while differences(await asyncio.to_thread(rest_book, desk), kept()):
            await asyncio.to_thread(stir)
            await asyncio.sleep(0.3)
