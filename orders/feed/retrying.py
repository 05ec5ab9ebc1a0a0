"""Reads that do not give up: a feed that did would stay dark until the process is restarted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import structlog

from orders.feed.reading import DATABASE_AWAY, in_thread

logger = structlog.get_logger(__name__)

_FIRST_DELAY = 0.2
_LONGEST_DELAY = 5.0

P = ParamSpec("P")
T = TypeVar("T")


async def until_read(read: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Read, again and again with growing delays if need be, until it works or the task is cancelled."""
    delay = _FIRST_DELAY
    while True:
        try:
            return await in_thread(read, *args, **kwargs)
        except DATABASE_AWAY as error:
            logger.warning("feed_read_failed", read=read.__name__, error=str(error).strip())
        except Exception:
            logger.exception("feed_read_broken", read=read.__name__)
        await asyncio.sleep(delay)
        delay = min(delay * 2, _LONGEST_DELAY)
