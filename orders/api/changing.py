"""PATCH and DELETE of orders by many callers at once: one look-up of each kind, one transaction for all.

They have the same answers as the views, and leave to them whatever they would refuse before the transaction.
Cancels and amends are asked at doors of their own: a cancel locks no account, and waits for nobody who does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from rest_framework import status

from accounts.api.recognising import Caller
from orders.api import inputs
from orders.api.batch import shown_by_id
from orders.api.listed import WAITING_ROOM, Listed, counted, recognised, refused, wait_of
from orders.models import Source
from orders.selectors import OrderRef, own_among, whose_orders
from orders.services.awaiting import PENDING_COMMANDS, Ref, book_answers
from orders.services.batching import submit_now
from orders.services.intake import MAX_BATCH
from orders.services.order_state import OrderState
from orders.services.outcomes import Outcomes
from orders.services.requests import (
    AmendOrder,
    CancelOrder,
    Changes,
    Denied,
    Origin,
    Outcome,
    Request,
    Requested,
    Sent,
)
from tradeplatform.common.api_input import parse
from tradeplatform.common.asked import Answer, Asked, Tell
from tradeplatform.common.errors import Refusal
from tradeplatform.common.json_codec import decode, encode
from tradeplatform.common.together import Failed, answers_of

#: What a request changes, read from it; None: it cancels. Raises Refusal where it cannot be read.
Reader = Callable[[Asked], Changes | None]


@dataclass(slots=True)
class Changing(Listed):
    """A request about an order; without `changes` it is to be cancelled."""

    ref: OrderRef
    changes: Changes | None
    requested: Requested | None = None

    @property
    def request(self) -> Request:
        """What is submitted."""
        account_id, order_id = self.ref.account_id, self.ref.id
        if self.changes is None:
            return CancelOrder(account_id=account_id, order_id=order_id)
        return AmendOrder(account_id=account_id, order_id=order_id, changes=self.changes)


class ChangingDoor:
    """Answers in lists what `read` reads."""

    def __init__(self, read: Reader) -> None:
        """Nobody has asked."""
        self._read = read

    def prepare(self, asked: Sequence[Asked]) -> list[Changing | None]:
        """Each whose order is the caller's, and that is counted by all its limits; None: ask the view."""
        callers = recognised(asked)
        whose = whose_orders({_order_id(one) for one, who in zip(asked, callers, strict=True) if who})
        own = [self._own(one, who, whose) if who else None for one, who in zip(asked, callers, strict=True)]
        return counted(own)

    def _own(
        self, asked: Asked, caller: Caller, whose: Mapping[int, tuple[OrderRef, int]]
    ) -> Changing | None:
        wait_ms = wait_of(asked)
        if wait_ms is None:
            return None
        try:
            ref = own_among(caller.reach, _order_id(asked), whose)
            return Changing(asked, caller, wait_ms, ref, self._read(asked))
        except Refusal:
            return None

    def perform(self, ready: Sequence[Changing], tell: Tell[Changing]) -> None:
        """Ask for it, and tell each when it is answered: those of one transaction before the next begins."""
        for first in range(0, len(ready), MAX_BATCH):
            _perform(ready[first : first + MAX_BATCH], tell)


def amends(asked: Asked) -> Changes:
    """What a PATCH changes. Raises Refusal."""
    return Changes(**parse(inputs.AmendInput, decode(asked.body)))


def cancels(asked: Asked) -> None:
    """A DELETE says all in its path."""


def _order_id(asked: Asked) -> int:
    return int(asked.http.path.rpartition("/")[2])


def _perform(many: Sequence[Changing], tell: Tell[Changing]) -> None:
    at_once: list[Changing] = []
    for one, outcome in zip(many, answers_of(_submit, many), strict=True):
        if isinstance(outcome, Failed | Denied):
            tell(one, refused(one, outcome.error if isinstance(outcome, Failed) else outcome.refusal))
            continue
        one.requested = cast("Requested", outcome)
        if not _waits(one, tell):
            at_once.append(one)
    try:
        shown: Shown | Exception = _show(at_once)
    except Exception as error:  # noqa: BLE001 - what was asked for is asked for: each is told that
        shown = error
    for one in at_once:
        tell(one, _answer(one, shown))


def _submit(many: Sequence[Changing]) -> Sequence[Outcome | Requested]:
    return submit_now(
        [Sent(one.request, Origin(one.caller.actor, Source.API, one.asked.correlation_id)) for one in many]
    )


@dataclass(frozen=True, slots=True)
class Shown:
    """Orders as their owners see them, by id; what the book has said of the changes, by command."""

    orders: Mapping[int, dict[str, Any]]
    said: Mapping[int, Refusal | None]


def _show(many: Sequence[Changing]) -> Shown:
    if not many:
        return Shown({}, {})
    # First what the book has said: an order is shown as it stands after that, or later.
    said = book_answers([one.requested for one in many if one.requested])
    return Shown(
        shown_by_id(OrderState.load_at([(one.ref.id, one.ref.created_at) for one in many]).values()), said
    )


def _command_of(one: Changing) -> Ref:
    requested = cast("Requested", one.requested)
    return requested.command_id, requested.at


_outcomes = Outcomes(WAITING_ROOM, PENDING_COMMANDS, _command_of, _show)


def _waits(one: Changing, tell: Tell[Changing]) -> bool:
    """Whether it is told later, when the book has spoken."""
    if not one.wait_ms:
        return False

    def told(shown: Shown | Exception) -> None:
        tell(one, _answer(one, shown))

    return _outcomes.wait([one], wait_ms=one.wait_ms, tell=told)


def _answer(one: Changing, shown: Shown | Exception) -> Answer:
    """The order once the book has done what was asked; 202 if it has not yet; its refusal if it refused."""
    if isinstance(shown, Exception):
        return refused(one, shown)
    command_id, _at = _command_of(one)
    said = shown.said.get(command_id)
    if said is not None:
        return refused(one, said)
    is_done = command_id in shown.said
    try:
        body = encode(shown.orders[one.ref.id])
    except Exception as error:  # noqa: BLE001 - he is told of it, and the others of theirs
        return refused(one, error)
    return Answer(status.HTTP_200_OK if is_done else status.HTTP_202_ACCEPTED, body)
