"""POST of orders and batches by many callers at once: one look-up of each kind, one transaction for all.

It has the same answers as the views, and leaves to them whatever it would refuse before the transaction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils import timezone
from rest_framework import status
from structlog.contextvars import bound_contextvars

from accounts.api.recognising import Caller
from accounts.selectors import owners_of
from accounts.services.rates import allowance, order_limits
from orders.api.batch import accounts_named, body_of, owned, read_items, results_of, shown_by_id
from orders.api.inputs import read_order
from orders.api.listed import WAITING_ROOM, Listed, counted, recognised, refused, wait_of
from orders.models import OrderStatus, Source
from orders.rendering import order_json
from orders.services.awaiting import PENDING_ORDERS, Ref
from orders.services.intake import MAX_BATCH, submit_sent
from orders.services.order_state import OrderState
from orders.services.outcomes import Outcomes
from orders.services.requests import Accepted, Denied, NewOrder, Origin, Outcome, Sent
from orders.services.writing import as_written
from tradeplatform.common.asked import Answer, Asked, Tell, answer_of
from tradeplatform.common.errors import Refusal
from tradeplatform.common.json_codec import decode, encode
from tradeplatform.common.limits import Limit
from tradeplatform.common.together import Failed, answers_of

ORDERS, BATCH = "/api/v1/orders", "/api/v1/orders/batch"


@dataclass(slots=True)
class Placing(Listed):
    """A request for new orders; a batch has several `wanted`, some of them refused already."""

    is_batch: bool
    wanted: Sequence[NewOrder | Refusal]
    settled: Sequence[Outcome | Refusal] = ()

    @property
    def orders(self) -> list[NewOrder]:
        """What may be placed of it."""
        return [item for item in self.wanted if isinstance(item, NewOrder)]

    def order_limits(self) -> list[Limit]:
        """Each account's, for what may be placed of it."""
        allowed = allowance(self.caller.tier_id)
        counts = Counter(order.account_id for order in self.orders)
        return [limit for account, count in counts.items() for limit in order_limits(account, count, allowed)]

    @property
    def accepted(self) -> list[Accepted]:
        """What was placed of it."""
        return [item for item in self.settled if isinstance(item, Accepted)]


class PlacingDoor:
    """Answers `ORDERS` and `BATCH` in lists."""

    def prepare(self, asked: Sequence[Asked]) -> list[Placing | None]:
        """Each that can be placed, and is counted by all its limits; None: ask the view."""
        callers = recognised(asked)
        read = [_read(one, caller) if caller else None for one, caller in zip(asked, callers, strict=True)]
        owners = owners_of({number for one in read if one for number in accounts_named(one.wanted)})
        return counted([one and _owned(one, owners) for one in read])

    def perform(self, ready: Sequence[Placing], tell: Tell[Placing]) -> None:
        """Place them, and tell each when it is answered: those of one transaction before the next begins."""
        for many in _transactions(iter(ready)):
            _perform(many, tell)


def _perform(many: Sequence[Placing], tell: Tell[Placing]) -> None:
    placed: list[Placing] = []
    for one, settled in zip(many, answers_of(_submit, many), strict=True):
        if isinstance(settled, Failed):
            tell(one, refused(one, settled.error))
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


def _ref_of(accepted: Accepted) -> Ref:
    return accepted.order_id, accepted.created_at


def _show(accepted: Sequence[Accepted]) -> Shown:
    return shown_by_id(OrderState.load_at(map(_ref_of, accepted)).values()) if accepted else {}


def _show_placed(accepted: Sequence[Accepted]) -> Shown:
    """The same as they were committed; what was placed before as it stands."""
    shown = _show([item for item in accepted if item.draft is None])
    for item in accepted:
        if item.draft is not None:
            state = as_written(item.draft, item.created_at)
            shown[item.order_id] = order_json(state, item.draft.rules)
    return shown


_outcomes = Outcomes(WAITING_ROOM, PENDING_ORDERS, _ref_of, _show)


def _read(asked: Asked, caller: Caller) -> Placing | None:
    wait_ms = wait_of(asked)
    if wait_ms is None:
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
    if isinstance(shown, Exception):
        return refused(one, shown)
    with bound_contextvars(request_id=one.asked.correlation_id):
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
