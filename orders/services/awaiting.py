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

from orders.models import EventKind, Order, OrderStatus
from orders.selectors import load_order, load_orders
from orders.services.engine_codes import REASON_WORD
from orders.services.requests import Accepted, Requested
from tradeplatform.common.db import array, fetch, release_connection
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
        _poll(lambda: not not_seen(PENDING_ORDERS, placed), wait_ms)
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
    return not requested or _poll(lambda: not not_seen(PENDING_COMMANDS, asked), wait_ms)


#: What the book has not seen of orders and of commands, by (id, moment): each in its partition.
PENDING_ORDERS = (
    "SELECT id FROM orders_order JOIN unnest(%s::bigint[], %s::timestamptz[]) AS k(id, created_at)"
    " USING (id, created_at) WHERE status = 'pending'"
)
PENDING_COMMANDS = (
    "SELECT id FROM orders_command JOIN unnest(%s::bigint[], %s::timestamptz[]) AS k(id, at)"
    " USING (id, at) WHERE status = 'pending'"
)
#: The id of an order or of a command, and its moment.
Ref = tuple[int, datetime]


def not_seen(what: str, refs: Sequence[Ref]) -> set[int]:
    """Which of these the book has not seen; `what` they are is PENDING_ORDERS or PENDING_COMMANDS."""
    ids, times = zip(*refs, strict=True)
    return {number for (number,) in fetch(what, [array(ids), array(times)], prepared=True)}


# One after another, each by the index of its order's events.
_ANSWERS = """
    SELECT c.id, e.reason_code, e.seq
    FROM unnest(%s::bigint[], %s::timestamptz[], %s::bigint[]) AS k(id, at, order_id)
    JOIN orders_command c ON c.id = k.id AND c.at = k.at AND c.status = 'done'
    LEFT JOIN LATERAL (
        SELECT reason_code, seq FROM orders_event
        WHERE order_id = k.order_id AND order_id > 0 AND command_id = k.id AND at >= k.at
        AND kind = ANY(%s::smallint[]) OFFSET 0
    ) e ON true
"""
_REJECTED = [EventKind.CANCEL_REJECTED.value, EventKind.AMEND_REJECTED.value]


def book_answers(requested: Collection[Requested]) -> dict[int, Refusal | None]:
    """What the book has said of cancels and amends, by command: its refusal, or None where it did it.

    Those that it has not seen yet are absent; an order whose change was refused is as it was before it.
    """
    columns = zip(*((one.command_id, one.at, one.order_id) for one in requested), strict=True)
    of = {one.command_id: one for one in requested}
    rows = fetch(_ANSWERS, [*map(array, columns), _REJECTED], prepared=True) if of else []
    return {
        command_id: None if reason_code is None else _refusal(of[command_id], reason_code, seq)
        for command_id, reason_code, seq in rows
    }


def require_done(requested: Requested) -> None:
    """Raise Refusal when the book refused this applied cancel or amend."""
    refusal = book_answers([requested]).get(requested.command_id)
    if refusal is not None:
        raise refusal


def _refusal(requested: Requested, reason_code: int, seq: int) -> Refusal:
    reason = REASON_WORD[reason_code]
    code = _CODE_OF_REASON.get(reason, Code.ORDER_NOT_OPEN)
    return Refusal(code, _SENTENCE[code], order=str(requested.order_id), reason=reason, seq=seq)


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
