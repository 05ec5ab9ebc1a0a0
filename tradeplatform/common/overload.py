"""The refusal of what there is no room for: at once, with nothing begun, and with when to come again."""

from __future__ import annotations

from collections.abc import Sized
from enum import StrEnum
from typing import Any

from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.metrics import counter, gauge


class Full(StrEnum):
    """What had no room."""

    HTTP = "http"
    SOCKETS = "sockets"
    INTAKE = "intake"
    SHARD = "shard"


REFUSED = counter("overload_refusals", "Requests refused for overload, by what had no room.", {"full": Full})
WAITING = gauge("queue_waiting", "Requests that wait for a thread of a door.", ("queue",))

#: A queue of a process is gone in less.
SOON = 1


def overloaded(full: Full, sentence: str, *, retry_after: int = SOON, **context: Any) -> Refusal:
    """The refusal, counted; `retry_after` in whole seconds."""
    REFUSED.labels(full.value).inc()
    return Refusal(Code.OVERLOADED, sentence, **context, retry_after=retry_after)


def queue_full(full: Full) -> Refusal:
    """Of a queue in front of the threads of a process."""
    return overloaded(full, "Too much is under way in this server, and nothing was done: try again.")


def watch(queue: str, waiting: Sized) -> None:
    """Tell how many wait in a queue of this process."""
    WAITING.labels(queue).set_function(lambda: len(waiting))
