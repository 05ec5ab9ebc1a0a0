"""Wait a little for the book's answer, so that a door can return an order as it stands after matching.

What was accepted is committed before anyone waits: a wait that ends without an answer says "not yet",
never "failed". Between two looks the thread sleeps and its database connection serves others. Only so
many may wait at once in a process: should matching stall, the other threads go on taking cancels.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from threading import BoundedSemaphore

from django.conf import settings

from orders.models import Event, EventKind, Order, OrderStatus
from orders.selectors import load_order, load_orders
from orders.services.engine_codes import REASON_WORD
from orders.services.requests import Accepted, Requested
from tradeplatform.common.db import array, fetch, only, release_connection
from tradeplatform.common.errors import Code, Refusal

MAX_WAIT_MS = 5_000
_FIRST_PAUSE, _LONGEST_PAUSE = 0.004, 0.064

_places = BoundedSemaphore(settings.MAX_WAITING_REQUESTS)

_CODE_OF_REASON = {
    "below_executed": Code.BELOW_EXECUTED,
    "would_take": Code.WOULD_TAKE,
    "halted": Code.INSTRUMENT_HALTED,
    "wrong_phase": Code.INSTRUMENT_CANCEL_ONLY,
    "invalid": Code.INVALID_COMBINATION,
    "no_change": Code.NO_CHANGE,
    "killed": Code.KILLED,
    "quarantined": Code.QUARANTINED,
}
_SENTENCE = {
    Code.ORDER_NOT_OPEN: "It came too late: nothing of this order is open any more.",
    Code.BELOW_EXECUTED: "The new quantity is not above what is filled by now: cancel the rest instead.",
    Code.WOULD_TAKE: "At this price the post-only order would trade at once: it stays as it was.",
    Code.INSTRUMENT_HALTED: "Trading was halted first: the order stays as it was.",
    Code.INSTRUMENT_CANCEL_ONLY: "By then only cancels were taken: the order stays as it was.",
    Code.INVALID_COMBINATION: "The order has gone live meanwhile and has no trigger price any more.",
    Code.KILLED: "The kill switch came first: the order was not amended.",
    Code.QUARANTINED: "It could not be applied and was set aside: the order stays as it was.",
    Code.NO_CHANGE: "The order has these numbers already.",
}


def await_orders(accepted: Sequence[Accepted], *, wait_ms: int) -> dict[int, Order]:
    """The orders by id as they stand once the book has seen them all, or when the time is up."""
    if not accepted:
        return {}
    if wait_ms:
        placed = [(item.order_id, item.created_at) for item in accepted]
        _poll(lambda: not _any_pending(_ORDERS, placed), wait_ms)
    return load_orders((item.order_id, item.created_at) for item in accepted)


def await_order(accepted: Accepted, *, wait_ms: int) -> Order:
    """The order once the book has seen it, or as it is when the time is up.

    What the other threads of this process wait for meanwhile is looked at together.
    """
    seen: list[Order] = []

    def answered() -> bool:
        seen[:] = [load_order((accepted.order_id, accepted.created_at))]
        return seen[0].status != OrderStatus.PENDING

    _poll(answered, wait_ms)
    return seen[0]


def await_commands(requested: Collection[Requested], *, wait_ms: int) -> bool:
    """Whether all these commands were applied within the time."""
    asked = [(item.command_id, item.at) for item in requested]
    return not requested or _poll(lambda: not _any_pending(_COMMANDS, asked), wait_ms)


# Both by a statement that is planned once, and in the partitions of these times.
_ORDERS = (
    "SELECT id FROM orders_order JOIN unnest(%s::bigint[], %s::timestamptz[]) AS k(id, created_at)"
    " USING (id, created_at) WHERE status = 'pending' LIMIT 1"
)
_COMMANDS = (
    "SELECT id FROM orders_command JOIN unnest(%s::bigint[], %s::timestamptz[]) AS k(id, at)"
    " USING (id, at) WHERE status = 'pending' LIMIT 1"
)


def _any_pending(sql: str, refs: Sequence[tuple[int, datetime]]) -> bool:
    """Whether the book has not seen one of these rows, each by its id and time."""
    ids, times = zip(*refs, strict=True)
    return bool(fetch(sql, [array(ids), array(times)], prepared=True))


def require_done(requested: Requested) -> None:
    """Raise Refusal when the book refused this applied cancel or amend: the order is as it was before it."""
    refused = only(
        Event.objects.filter(
            order_id=requested.order_id,
            command_id=requested.command_id,
            at__gte=requested.at,
            kind__in=(EventKind.CANCEL_REJECTED, EventKind.AMEND_REJECTED),
        )
    )
    if refused is not None:
        reason = REASON_WORD[refused.reason_code]
        code = _CODE_OF_REASON.get(reason, Code.ORDER_NOT_OPEN)
        raise Refusal(code, _SENTENCE[code], order=str(requested.order_id), reason=reason, seq=refused.seq)


def _poll(answered: Callable[[], bool], wait_ms: int) -> bool:
    """Look, and while there is no answer sleep and look again, each time a little longer."""
    if answered():
        return True
    if not wait_ms or not _places.acquire(blocking=False):
        return False
    try:
        deadline = time.monotonic() + wait_ms / 1_000
        pause = _FIRST_PAUSE
        while (left := deadline - time.monotonic()) > 0:
            release_connection()
            time.sleep(min(pause, left))
            pause = min(2 * pause, _LONGEST_PAUSE)
            if answered():
                return True
        return False
    finally:
        _places.release()
