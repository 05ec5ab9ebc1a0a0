"""Single orders, amends and cancels of many sockets: one look-up of each kind, one transaction for all.

Each is answered as if it had come alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from django.utils import timezone

from accounts.selectors import account_not_found, owners_of
from accounts.services import api_keys
from accounts.services.rates import allowance, order_limits, take_orders
from accounts.services.sessions import living
from orders.api import inputs
from orders.feed.caller import Caller
from orders.feed.protocol import OrderOp
from orders.models import Source
from orders.selectors import OrderRef, own_among, whose_orders
from orders.services.batching import submit_now
from orders.services.requests import (
    Accepted,
    AmendOrder,
    CancelOrder,
    Changes,
    Denied,
    NewOrder,
    Origin,
    Outcome,
    Request,
    Requested,
    Sent,
)
from tradeplatform.common.api_input import StrictSerializer, TextField, WholeNumberField, read
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.ids import is_id
from tradeplatform.common.limits import has_taken
from tradeplatform.common.throttling import clock
from tradeplatform.common.together import Failed, answers_of

Answer = dict[str, Any]


class _Place(StrictSerializer):
    order = inputs.OrderInput()


class _Amend(inputs.AmendInput):
    order = WholeNumberField(min_value=1)


class _Cancel(StrictSerializer):
    order = WholeNumberField(min_value=1, required=False)
    account = WholeNumberField(min_value=1, required=False)
    client_order_id = TextField(required=False, max_length=36)


# Made once: in a list, making one for each would cost most.
_READERS = {OrderOp.PLACE: _Place(), OrderOp.AMEND: _Amend(), OrderOp.CANCEL: _Cancel()}
_SAID = {OrderOp.AMEND: "amend_requested", OrderOp.CANCEL: "cancel_requested"}
#: What is answered here.
SINGLE = frozenset(_READERS)


@dataclass(slots=True)
class Single:
    """One on its way: what it says and names, once that is read, or why it came to nothing."""

    operation: OrderOp
    body: dict[str, Any]
    caller: Caller
    correlation_id: str
    given: dict[str, Any] = field(default_factory=dict)
    account_id: int = 0
    order_id: int = 0
    request: Request | None = None
    answer: tuple[str, Answer] | None = None
    failed: Exception | None = None

    @contextmanager
    def trying(self) -> Iterator[None]:
        """Keep what goes wrong: it is nobody else's."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whoever asked is told
            self.failed = error

    def read(self) -> None:
        """Read what is asked for, and what it names. Raises Refusal."""
        given = self.given = read(_READERS[self.operation], self.body)
        if self.operation == OrderOp.PLACE:
            self.account_id = given["order"]["account"]
        elif self.operation == OrderOp.AMEND or given.keys() == {"order"}:
            self.order_id = given["order"]
        elif given.keys() == {"account", "client_order_id"}:
            self.account_id = given["account"]
        else:
            sentence = "Name one order: by order, or by account and client_order_id."
            raise Refusal(Code.INVALID_COMBINATION, sentence, fields={"order": sentence})

    def find(self, owners: Mapping[int, int], whose: Mapping[int, tuple[OrderRef, int]]) -> None:
        """Make the request of it. Raises Refusal where what it names is not the caller's."""
        reach = self.caller.reach
        if self.order_id:
            self.account_id = own_among(reach, self.order_id, whose).account_id
        elif not reach.is_own(self.account_id, owners):
            raise account_not_found(self.account_id)
        self.request = self._request()

    def _request(self) -> Request:
        account_id, given = self.account_id, self.given
        if self.operation == OrderOp.PLACE:
            return inputs.new_order(given["order"])
        if self.operation == OrderOp.CANCEL:
            name = given.get("client_order_id", "")
            return CancelOrder(account_id=account_id, order_id=self.order_id, client_order_id=name)
        changes = {name: value for name, value in given.items() if name != "order"}
        return AmendOrder(account_id=account_id, order_id=self.order_id, changes=Changes(**changes))

    def settle(self, outcome: Outcome | Requested | Failed) -> None:
        """Make the answer of what became of it. Raises why it came to nothing."""
        if isinstance(outcome, Failed):
            raise outcome.error
        if isinstance(outcome, Denied):
            raise outcome.refusal
        if isinstance(outcome, Accepted):
            self.answer = "placed", {"account": self.account_id, "order": accepted_fields(outcome)}
        else:
            fields = {"account": self.account_id, "orders": requested_ids([outcome])}
            self.answer = _SAID[self.operation], fields


def answer_each(asked: Sequence[Single]) -> list[tuple[str, Answer] | Exception]:
    """The answer to each, or what is to be raised of it. Raises what the database does of all."""
    sessions = living({one.caller.session.sid for one in asked if one.caller.session is not None})
    api_keys.read_ahead({one.caller.key.key_id for one in asked if one.caller.key is not None})
    for one in asked:
        with one.trying():
            one.caller.require_trade(sessions)
            one.read()
    owners = owners_of({one.account_id for one in _left(asked) if is_id(one.account_id)})
    whose = whose_orders({one.order_id for one in _left(asked)})
    for one in _left(asked):
        with one.trying():
            one.find(owners, whose)
    _count_orders([one for one in _left(asked) if isinstance(one.request, NewOrder)])
    left = _left(asked)
    for one, outcome in zip(left, answers_of(_submit, left), strict=True):
        with one.trying():
            one.settle(outcome)
    return [one.failed or _answered(one) for one in asked]


def _left(asked: Sequence[Single]) -> list[Single]:
    """Those of which nothing went wrong so far."""
    return [one for one in asked if one.failed is None]


def _count_orders(placing: Sequence[Single]) -> None:
    """Count new orders by their accounts; those for which there is no room alone."""
    limits = [order_limits(one.account_id, 1, allowance(one.caller.tier_id)) for one in placing]
    for one, is_counted in zip(placing, has_taken([(each, "") for each in limits], now=clock()), strict=True):
        if not is_counted:
            with one.trying():
                take_orders({one.account_id: 1}, tier_id=one.caller.tier_id, now=timezone.now())


def _submit(asked: Sequence[Single]) -> Sequence[Outcome | Requested]:
    return submit_now(
        [
            Sent(cast("Request", one.request), Origin(one.caller.actor, Source.SOCKET, one.correlation_id))
            for one in asked
        ]
    )


def _answered(one: Single) -> tuple[str, Answer]:
    return cast("tuple[str, Answer]", one.answer)


def accepted_fields(accepted: Accepted) -> Answer:
    """An order that was taken."""
    return {
        "id": str(accepted.order_id),
        "client_order_id": accepted.client_order_id,
        "duplicate": accepted.duplicate,
    }


def requested_ids(requested: Iterable[Requested]) -> list[str]:
    """The orders that something was asked of."""
    return [str(item.order_id) for item in requested]
