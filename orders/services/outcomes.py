"""Who waits for the book without a thread of his own: one thread looks for all of them, and tells each.

Like `awaiting`, a wait that ends without an answer says "not yet". It looks at what it was asked a few
milliseconds ago, then ever less often.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, Generic, TypeVar

import structlog
from django.db import connection

from orders.services.awaiting import Ref, not_seen

_FIRST_PAUSE, _LONGEST_PAUSE = 0.004, 0.064

_log = structlog.get_logger(__name__)

Item = TypeVar("Item")
Shown = TypeVar("Shown")


@dataclass(slots=True)
class _Waiting(Generic[Item, Shown]):
    items: Sequence[Item]
    until: float
    tell: Callable[[Shown | Exception], None]
    look_at: float
    pause: float = _FIRST_PAUSE


class Outcomes(Generic[Item, Shown]):
    """Tells so many at most what `show` says of the items of all who are told together.

    `ref_of` says which of `what` (see `not_seen`) an item waits for. Where they could not be read, it tells
    why. Its thread starts with the first who waits.
    """

    def __init__(
        self,
        room: int,
        what: str,
        ref_of: Callable[[Item], Ref],
        show: Callable[[Sequence[Item]], Shown],
    ) -> None:
        """Nobody waits."""
        self._room, self._what, self._ref_of, self._show = room, what, ref_of, show
        self._new: list[_Waiting[Item, Shown]] = []
        self._many = 0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def wait(
        self,
        items: Sequence[Item],
        *,
        wait_ms: int,
        tell: Callable[[Shown | Exception], None],
    ) -> bool:
        """Tell once the book has seen all of these, or the time is up.

        False where there is no room: nobody is told.
        """
        now = time.monotonic()
        mine: _Waiting[Item, Shown] = _Waiting(items, now + wait_ms / 1_000, tell, now + _FIRST_PAUSE)
        with self._changed:
            if self._many >= self._room:
                return False
            self._many += 1
            self._new.append(mine)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="outcomes", daemon=True)
                self._thread.start()
            self._changed.notify()
        return True

    def _run(self) -> None:
        waiting: list[_Waiting[Item, Shown]] = []
        while True:
            self._wait_until_due(waiting)
            told = self._look(waiting)
            if told:
                waiting[:] = [one for one in waiting if id(one) not in told]
                with self._changed:
                    self._many = len(waiting) + len(self._new)

    def _wait_until_due(self, waiting: list[_Waiting[Item, Shown]]) -> None:
        """Until it is time to look at the first of them, or of those who come meanwhile and join them."""
        with self._changed:
            while True:
                waiting += self._new
                self._new.clear()
                left = min((one.look_at for one in waiting), default=inf) - time.monotonic()
                if left <= 0:
                    return
                self._changed.wait(None if left == inf else left)

    def _look(self, waiting: Sequence[_Waiting[Item, Shown]]) -> set[int]:
        """Look for all; whom it told."""
        now = time.monotonic()
        ready: Sequence[_Waiting[Item, Shown]]
        try:
            ready = self._ready(waiting, now)
            found: Shown | Exception | None = (
                self._show([item for one in ready for item in one.items]) if ready else None
            )
        except Exception as error:  # noqa: BLE001 - they are told, and who comes next is looked for
            _log.warning("outcomes_not_read", error=str(error).strip())
            found, ready = error, waiting
        finally:
            # Others may use it until the next look.
            _give_back_connection()
        for one in waiting:
            one.pause = min(2 * one.pause, _LONGEST_PAUSE)
            one.look_at = min(now + one.pause, max(now, one.until))
        for one in ready:
            if found is not None:
                _tell(one, found)
        return {id(one) for one in ready}

    def _ready(self, waiting: Sequence[_Waiting[Item, Shown]], now: float) -> list[_Waiting[Item, Shown]]:
        """Those of whom the book has seen all, and those whose time is up."""
        refs = [self._ref_of(item) for one in waiting for item in one.items]
        pending = not_seen(self._what, refs)
        return [
            one
            for one in waiting
            if one.until <= now or not any(self._ref_of(item)[0] in pending for item in one.items)
        ]


def _tell(one: _Waiting[Any, Shown], found: Shown | Exception) -> None:
    try:
        one.tell(found)
    except Exception:  # noqa: BLE001 - one who cannot be told is no reason not to tell the next
        _log.exception("outcome_not_told")


def _give_back_connection() -> None:
    try:
        connection.close()
    except Exception:  # noqa: BLE001 - it is of no use any more, and the thread goes on
        _log.exception("connection_not_closed")
