"""When Daphne is told to stop, each conversation ends with a word of its own, and Daphne waits for the last.

By itself Daphne cancels its applications, but none of them while it remembers a handshake of the last second,
and then it waits for the first to end only.
"""

from __future__ import annotations

import asyncio
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred

_conversations: set[asyncio.Task[Any]] = set()
_told_reactor = False


def cancel_when_stopped() -> None:
    """Cancel the running task, once, when its server is told to stop, and have the server wait for it."""
    global _told_reactor  # noqa: PLW0603 - the reactor is one for the process as well
    conversation = asyncio.current_task()
    if conversation is None:
        raise RuntimeError("outside a task there is nothing to cancel")
    _conversations.add(conversation)
    conversation.add_done_callback(_conversations.discard)
    if not _told_reactor and reactor.running:
        _told_reactor = True
        reactor.addSystemEventTrigger("before", "shutdown", _cancel_all)  # type: ignore[arg-type]


def _cancel_all() -> Deferred[Any]:
    for conversation in _conversations:
        if not conversation.cancelling():
            conversation.cancel()
    return Deferred.fromFuture(asyncio.ensure_future(_until_ended()))


async def _until_ended() -> None:
    if _conversations:
        await asyncio.wait(set(_conversations))
