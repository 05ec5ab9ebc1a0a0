"""Who waits for the book without a thread of his own: one thread looks for all of them, and tells each.

Like `awaiting`, a wait that ends without an answer says "not yet". It looks at what it was asked a few
milliseconds ago, then ever less often.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import inf
from typing import Any, Generic, TypeVar

import structlog
from django.db import connection

from orders.services.requests import Accepted
from tradeplatform.common.db import array, fetch

_FIRST_PAUSE, _LONGEST_PAUSE = 0.004, 0.064
_PENDING = """
    SELECT id FROM orders_order o JOIN unnest(%s::bigint[], %s::timestamptz[]) AS k(id, created_at)
    USING (id, created_at) WHERE o.status = 'pending'
"""

_log = structlog.get_logger(__name__)

Shown = TypeVar("Shown")
#: The id of an order and when it was created.
Ref = tuple[int, datetime]


@dataclass(slots=True)
class _Waiting(Generic[Shown]):
    accepted: Sequence[Accepted]
    until: float
    tell: Callable[[Shown | Exception], None]
    look_at: float
    pause: float = _FIRST_PAUSE


class Outcomes(Generic[Shown]):
    """Tells so many at most what `show` says of the orders of all who are told together.

    Where they could not be read, it tells why. Its thread starts with the first who waits.
    """

    def __init__(self, room: int, show: Callable[[Sequence[Ref]], Shown]) -> None:
        """Nobody waits."""
        self._room, self._show = room, show
        self._new: list[_Waiting[Shown]] = []
        self._many = 0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def wait(
        self,
        accepted: Sequence[Accepted],
        *,
        wait_ms: int,
        tell: Callable[[Shown | Exception], None],
    ) -> bool:
        """Tell once the book has seen all of these orders, or the time is up.

        False where there is no room: nobody is told.
        """
        now = time.monotonic()
        mine: _Waiting[Shown] = _Waiting(accepted, now + wait_ms / 1_000, tell, now + _FIRST_PAUSE)
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
        waiting: list[_Waiting[Shown]] = []
        while True:
            self._wait_until_due(waiting)
            told = self._look(waiting)
            if told:
                waiting[:] = [one for one in waiting if id(one) not in told]
                with self._changed:
                    self._many = len(waiting) + len(self._new)

    def _wait_until_due(self, waiting: list[_Waiting[Shown]]) -> None:
        """Until it is time to look at the first of them, or of those who come meanwhile and join them."""
        with self._changed:
            while True:
                waiting += self._new
                self._new.clear()
                left = min((one.look_at for one in waiting), default=inf) - time.monotonic()
                if left <= 0:
                    return
                self._changed.wait(None if left == inf else left)

    def _look(self, waiting: Sequence[_Waiting[Shown]]) -> set[int]:
        """Look for all; whom it told."""
        now = time.monotonic()
        ready: Sequence[_Waiting[Shown]]
        try:
            ready = self._ready(waiting, now)
            found: Shown | Exception | None = self._show(_refs(ready)) if ready else None
        except Exception as error:  # noqa: BLE001 - they are told, and who comes next is looked for
            _log.warning("outcomes_not_read", error=str(error).strip())
            found, ready = error, waiting
        finally:
            # Others may use it until the next look.
            connection.close()
        for one in waiting:
            one.pause = min(2 * one.pause, _LONGEST_PAUSE)
            one.look_at = min(now + one.pause, max(now, one.until))
        for one in ready:
            if found is not None:
                _tell(one, found)
        return {id(one) for one in ready}

    def _ready(self, waiting: Sequence[_Waiting[Shown]], now: float) -> list[_Waiting[Shown]]:
        """Those whose orders the book has seen, and those whose time is up."""
        ids, times = zip(*_refs(waiting), strict=True)
        pending = {number for (number,) in fetch(_PENDING, [array(ids), array(times)], prepared=True)}
        return [
            one
            for one in waiting
            if one.until <= now or not any(item.order_id in pending for item in one.accepted)
        ]


def _refs(waiting: Iterable[_Waiting[Any]]) -> list[Ref]:
    return [(item.order_id, item.created_at) for one in waiting for item in one.accepted]


def _tell(one: _Waiting[Shown], found: Shown | Exception) -> None:
    try:
        one.tell(found)
    except Exception:  # noqa: BLE001 - one who cannot be told is no reason not to tell the next
        _log.exception("outcome_not_told")
