"""The door that bulk, sockets and FIX share behind their protocols: lists, straight into intake.

New orders and cancels go in as one list, in one transaction; amends and transfers by the services there are
for them. What stands in one group is sent in this order: amends, orders and cancels, transfers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from django.db import DatabaseError
from django.utils import timezone

from accounts.models import MoneyKind
from accounts.services.money_requests import Wish, request_money
from audit.actor import Actor
from orders.models import OrderType, Side, Source, TimeInForce
from orders.services.changing import amend_order
from orders.services.intake import submit_sent
from orders.services.requests import Accepted, CancelOrder, Denied, NewOrder, Origin, Outcome, Requested, Sent
from tests.load.actions import Action, Amend, Cancel, Holder, Place, Transfer
from tests.load.doors import Answer
from tradeplatform.common.errors import Refusal


class ServiceDoor:
    """Calls the services in this process, as a door's process does."""

    def __init__(self) -> None:
        self._actors: dict[int, Actor] = {}

    def send(self, actions: Sequence[Action]) -> list[Answer]:
        """As promised by Door."""
        answers: list[Answer | None] = [None] * len(actions)
        listed: list[tuple[int, Place | Cancel]] = []
        transfers: list[tuple[int, Transfer]] = []
        for at, action in enumerate(actions):
            if isinstance(action, Amend):
                answers[at] = _answered(lambda action=action: self._amend(action))  # type: ignore[misc]
            elif isinstance(action, Transfer):
                transfers.append((at, action))
            else:
                listed.append((at, action))
        if listed:
            self._submit(listed, answers)
        for at, transfer in transfers:
            answers[at] = _answered(lambda transfer=transfer: self._transfer(transfer))  # type: ignore[misc]
        return [answer for answer in answers if answer is not None]

    def _submit(self, listed: Sequence[tuple[int, Place | Cancel]], answers: list[Answer | None]) -> None:
        sent = [
            Sent(_request(action), Origin(self._actor(action.holder), Source.API, "")) for _, action in listed
        ]
        try:
            outcomes: Sequence[Outcome | Requested] = submit_sent(sent, now=timezone.now())
        except DatabaseError as error:
            for at, _ in listed:
                answers[at] = Answer(refused=type(error).__name__)
            return
        for (at, _), outcome in zip(listed, outcomes, strict=True):
            answers[at] = _of(outcome)

    def _amend(self, action: Amend) -> Answer:
        requested = amend_order(
            order_id=action.order_id,
            account_id=action.holder.account_id,
            price=action.price,
            quantity=action.quantity,
            actor=self._actor(action.holder),
            now=timezone.now(),
        )
        return Answer(requested.command_id)

    def _transfer(self, action: Transfer) -> Answer:
        wish = Wish(
            kind=MoneyKind.TRANSFER,
            account_id=action.holder.account_id,
            asset=action.asset,
            amount=action.amount,
            reason="between own accounts",
            request_id=action.request_id,
            to_account_id=action.to.account_id,
        )
        request_money(wish, actor=self._actor(action.holder), now=timezone.now())
        return Answer()

    def _actor(self, holder: Holder) -> Actor:
        known = self._actors.get(holder.user_id)
        if known is None:
            known = Actor.user(user_id=holder.user_id, label=f"load-{holder.user_id}")
            self._actors[holder.user_id] = known
        return known


def _answered(call: Callable[[], Answer]) -> Answer:
    try:
        return call()
    except Refusal as refusal:
        return Answer(refused=refusal.code)
    except DatabaseError as error:
        return Answer(refused=type(error).__name__)


def _of(outcome: Outcome | Requested) -> Answer:
    match outcome:
        case Denied(refusal=refusal):
            return Answer(refused=refusal.code)
        case Accepted(order_id=order_id):
            return Answer(order_id)
        case Requested(command_id=command_id):
            return Answer(command_id)


def _request(action: Place | Cancel) -> NewOrder | CancelOrder:
    if isinstance(action, Cancel):
        return CancelOrder(account_id=action.holder.account_id, client_order_id=action.name)
    return NewOrder(
        account_id=action.holder.account_id,
        symbol=action.symbol,
        side=Side.BUY if action.buy else Side.SELL,
        type=OrderType.MARKET if action.kind == "market" else OrderType.LIMIT,
        quantity=action.quantity,
        price=action.price,
        protection_price=action.worst,
        time_in_force=TimeInForce.IOC if action.ioc else None,
        client_order_id=action.name,
    )
