"""POST of orders and batches by many callers at once: one look-up of each kind, one transaction for all.

It has the same answers as the views, and leaves to them whatever it would refuse before the transaction.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils import timezone
from rest_framework import status
from structlog.contextvars import bound_contextvars

from accounts.api.recognising import Caller, recognise
from accounts.models import Scope
from accounts.selectors import owners_of
from accounts.services.rates import allowance, order_limits
from accounts.services.signed_requests import remember
from orders.api.batch import accounts_named, body_of, owned, read_items, results_of, shown_by_id
from orders.api.inputs import USUAL_WAIT_MS, read_order
from orders.models import OrderStatus, Source
from orders.rendering import order_json
from orders.services.awaiting import MAX_WAIT_MS
from orders.services.intake import MAX_BATCH, submit_sent
from orders.services.order_state import OrderState
from orders.services.outcomes import Outcomes, Ref
from orders.services.requests import Accepted, Denied, NewOrder, Origin, Outcome, Sent
from orders.services.writing import as_written
from tradeplatform.common.asked import Answer, Asked, Tell, answer_of
from tradeplatform.common.errors import Refusal
from tradeplatform.common.json_codec import decode, encode
from tradeplatform.common.limits import Limit, give_back, has_taken, shut_out
from tradeplatform.common.throttling import address_limit, clock
from tradeplatform.common.together import Failed, answers_of

ORDERS, BATCH = "/api/v1/orders", "/api/v1/orders/batch"
_WAIT = re.compile(r"(?:wait=([0-9]{1,4}))?")


@dataclass(slots=True)
class Placing:
    """A request on its way; a batch has several `wanted`, some of them refused already."""

    asked: Asked
    caller: Caller
    wait_ms: int
    is_batch: bool
    wanted: Sequence[NewOrder | Refusal]
    settled: Sequence[Outcome | Refusal] = ()

    @property
    def orders(self) -> list[NewOrder]:
        """What may be placed of it."""
        return [item for item in self.wanted if isinstance(item, NewOrder)]

    @property
    def accepted(self) -> list[Accepted]:
        """What was placed of it."""
        return [item for item in self.settled if isinstance(item, Accepted)]


class PlacingDoor:
    """Answers `ORDERS` and `BATCH` in lists."""

    def prepare(self, asked: Sequence[Asked]) -> list[Placing | None]:
        """Each that can be placed, and is counted by all its limits; None: ask the view."""
        callers = _recognised(asked)
        read = [_read(one, caller) if caller else None for one, caller in zip(asked, callers, strict=True)]
        owners = owners_of({number for one in read if one for number in accounts_named(one.wanted)})
        owned_ones = [one and _owned(one, owners) for one in read]
        now = clock()
        counted = _only(owned_ones, has_taken([_limits(one) for one in owned_ones if one], now=now))
        return _remembered(counted, now=now)

    def perform(self, ready: Sequence[Placing], tell: Tell[Placing]) -> None:
        """Place them, and tell each when it is answered: those of one transaction before the next begins."""
        for many in _transactions(iter(ready)):
            _perform(many, tell)


def _recognised(asked: Sequence[Asked]) -> list[Caller | None]:
    """Who sent each. Nothing is looked up for who is shut out: that would cost more than to refuse him."""
    offenders = [address_limit(one.http)[1] for one in asked]
    out = shut_out(set(offenders))
    known = iter(
        recognise([one for one, who in zip(asked, offenders, strict=True) if who not in out], Scope.TRADE)
    )
    return [None if who in out else next(known) for who in offenders]


def _perform(many: Sequence[Placing], tell: Tell[Placing]) -> None:
    placed: list[Placing] = []
    for one, settled in zip(many, answers_of(_submit, many), strict=True):
        if isinstance(settled, Failed):
            with bound_contextvars(request_id=one.asked.correlation_id):
                tell(one, answer_of(settled.error))
            continue
        one.settled = settled
        if not _waits(one, tell):
            placed.append(one)
    try:
        shown: Shown | Exception = _show_placed([item for one in placed for item in one.accepted])
    except Exception as error:  # noqa: BLE001 - what was placed is placed: each is told that
        shown = error
    for one in placed:
        tell(one, _answer(one, shown))


#: Orders as their owners see them, by id.
Shown = dict[int, dict[str, Any]]


def _show(refs: Sequence[Ref]) -> Shown:
    return shown_by_id(OrderState.load_at(refs).values()) if refs else {}


def _show_placed(accepted: Sequence[Accepted]) -> Shown:
    """The same as they were committed; what was placed before as it stands."""
    shown = _show([(item.order_id, item.created_at) for item in accepted if item.draft is None])
    for item in accepted:
        if item.draft is not None:
            state = as_written(item.draft, item.created_at)
            shown[item.order_id] = order_json(state, item.draft.rules)
    return shown


# So many requests of a process may wait for the book; who comes then is told at once that it has not spoken.
_outcomes = Outcomes(1_000, _show)


def _read(asked: Asked, caller: Caller) -> Placing | None:
    wait = _WAIT.fullmatch(asked.http.META["QUERY_STRING"])
    wait_ms = int(wait[1] or USUAL_WAIT_MS) if wait else MAX_WAIT_MS + 1
    if wait_ms > MAX_WAIT_MS:
        return None
    try:
        body = decode(asked.body)
        if asked.http.path == ORDERS:
            return Placing(asked, caller, wait_ms, is_batch=False, wanted=[read_order(body)])
    except Refusal:
        return None
    items = body["orders"] if isinstance(body, dict) and body.keys() == {"orders"} else None
    if not isinstance(items, list) or not 1 <= len(items) <= MAX_BATCH:
        return None
    with bound_contextvars(request_id=asked.correlation_id):
        return Placing(asked, caller, wait_ms, is_batch=True, wanted=read_items(items))


def _owned(one: Placing, owners: dict[int, int]) -> Placing | None:
    named = accounts_named(one.wanted)
    own = {number for number in named if one.caller.reach.is_own(number, owners)}
    if own != named:
        if not one.is_batch:
            return None
        one.wanted = owned(one.wanted, own)
    return one


def _limits(one: Placing) -> tuple[list[Limit], str]:
    """All that counts the request, and who is shut out."""
    address, offender = address_limit(one.asked.http)
    allowed = allowance(one.caller.tier_id)
    counts = Counter(order.account_id for order in one.orders)
    orders = [limit for account, count in counts.items() for limit in order_limits(account, count, allowed)]
    return [address, one.caller.calls, *orders], offender


def _only(each: Sequence[Placing | None], good: Sequence[bool]) -> list[Placing | None]:
    """Those that are good; of what is there, in order."""
    told = iter(good)
    return [one if one is not None and next(told) else None for one in each]


def _remembered(counted: Sequence[Placing | None], *, now: float) -> list[Placing | None]:
    """Those that were not sent before. Last: what is remembered is served here, and not by a view."""
    signed = [one.caller.signed for one in counted if one and one.caller.signed]
    is_new = iter(remember(signed) if signed else ())
    kept = _only(counted, [next(is_new) if one.caller.signed else True for one in counted if one])
    for one, stays in zip(counted, kept, strict=True):
        if one and not stays:
            # Whoever copies a request uses up nothing of its owner's.
            limits, _offender = _limits(one)
            give_back(limits, now=now)
    return kept


def _transactions(ready: Iterator[Placing]) -> Iterator[list[Placing]]:
    """As many together as one transaction of intake takes."""
    many: list[Placing] = []
    room = MAX_BATCH
    for one in ready:
        size = len(one.orders)
        if size > room:
            yield many
            many, room = [], MAX_BATCH
        many.append(one)
        room -= size
    if many:
        yield many


def _submit(many: Sequence[Placing]) -> list[list[Outcome | Refusal]]:
    sent = [
        Sent(order, Origin(one.caller.actor, Source.API, one.asked.correlation_id))
        for one in many
        for order in one.orders
    ]
    outcomes: Iterator[Any] = iter(submit_sent(sent, now=timezone.now()) if sent else ())
    return [[item if isinstance(item, Refusal) else next(outcomes) for item in one.wanted] for one in many]


def _waits(one: Placing, tell: Tell[Placing]) -> bool:
    """Whether it is told later, when the book has spoken."""
    if not one.wait_ms or not one.accepted:
        return False

    def told(shown: Shown | Exception) -> None:
        tell(one, _answer(one, shown))

    return _outcomes.wait(one.accepted, wait_ms=one.wait_ms, tell=told)


def _answer(one: Placing, shown: Shown | Exception) -> Answer:
    with bound_contextvars(request_id=one.asked.correlation_id):
        if isinstance(shown, Exception):
            return answer_of(shown)
        try:
            return _batch_answer(one, shown) if one.is_batch else _order_answer(one, shown)
        except Exception as error:  # noqa: BLE001 - he is told of it, and the others of theirs
            return answer_of(error)


def _batch_answer(one: Placing, shown: Shown) -> Answer:
    body, headers = body_of(results_of(one.settled, shown))
    return Answer(status.HTTP_207_MULTI_STATUS, encode(body), headers=headers)


def _order_answer(one: Placing, shown: Shown) -> Answer:
    (outcome,) = one.settled
    if not isinstance(outcome, Accepted):
        return answer_of(outcome.refusal if isinstance(outcome, Denied) else outcome)
    body = shown[outcome.order_id]
    if outcome.duplicate:
        return Answer(status.HTTP_200_OK, encode(body))
    pending = body["status"] == OrderStatus.PENDING
    return Answer(status.HTTP_202_ACCEPTED if pending else status.HTTP_201_CREATED, encode(body))
