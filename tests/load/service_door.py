"""The door that bulk, sockets and FIX share behind their protocols: lists, straight into intake.

Orders, cancels and amends go in as one list, in one transaction; transfers after them, as another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from django.db import DatabaseError
from django.utils import timezone

from accounts.models import MoneyKind
from accounts.services.money_requests import Wish
from accounts.services.own_transfers import Sent as Wished
from accounts.services.own_transfers import request_transfers
from audit.actor import Actor
from orders.models import OrderType, Side, Source, TimeInForce
from orders.services.intake import submit_sent
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
from tests.load.actions import Action, Amend, Cancel, Holder, Place, Transfer
from tests.load.doors import Answer
from tradeplatform.common.errors import Refusal

_Listed = Place | Cancel | Amend


class ServiceDoor:
    """Calls the services in this process, as a door's process does."""

    def __init__(self) -> None:
        self._actors: dict[int, Actor] = {}

    def send(self, actions: Sequence[Action]) -> list[Answer]:
        """As promised by Door."""
        answers: list[Answer | None] = [None] * len(actions)
        listed: list[tuple[int, _Listed]] = []
        transfers: list[tuple[int, Transfer]] = []
        for at, action in enumerate(actions):
            if isinstance(action, Transfer):
                transfers.append((at, action))
            else:
                listed.append((at, action))
        if listed:
            self._submit(listed, answers)
        if transfers:
            self._transfer(transfers, answers)
        return [answer for answer in answers if answer is not None]

    def _submit(self, listed: Sequence[tuple[int, _Listed]], answers: list[Answer | None]) -> None:
        sent = [
            Sent(_request(action), Origin(self._actor(action.holder), Source.API, "")) for _, action in listed
        ]
        _answer(listed, answers, lambda: [_of(outcome) for outcome in submit_sent(sent, now=timezone.now())])

    def _transfer(self, transfers: Sequence[tuple[int, Transfer]], answers: list[Answer | None]) -> None:
        sent = [Wished(_wish(action), self._actor(action.holder), "") for _, action in transfers]

        def ask() -> list[Answer]:
            outcomes = request_transfers(sent, now=timezone.now())
            return [Answer(refused=one.code if isinstance(one, Refusal) else "") for one in outcomes]

        _answer(transfers, answers, ask)

    def _actor(self, holder: Holder) -> Actor:
        known = self._actors.get(holder.user_id)
        if known is None:
            known = Actor.user(user_id=holder.user_id, label=f"load-{holder.user_id}")
            self._actors[holder.user_id] = known
        return known


def _answer(
    asked: Sequence[tuple[int, object]], answers: list[Answer | None], ask: Callable[[], list[Answer]]
) -> None:
    """What `ask` answers to each; to all of them the error of the database, where there is one."""
    try:
        found = ask()
    except DatabaseError as error:
        found = [Answer(refused=type(error).__name__)] * len(asked)
    for (at, _), answer in zip(asked, found, strict=True):
        answers[at] = answer


def _wish(action: Transfer) -> Wish:
    return Wish(
        kind=MoneyKind.TRANSFER,
        account_id=action.holder.account_id,
        asset=action.asset,
        amount=action.amount,
        reason="between own accounts",
        request_id=action.request_id,
        to_account_id=action.to.account_id,
    )


def _of(outcome: Outcome | Requested) -> Answer:
    match outcome:
        case Denied(refusal=refusal):
            return Answer(refused=refusal.code)
        case Accepted(order_id=order_id):
            return Answer(order_id)
        case Requested(command_id=command_id):
            return Answer(command_id)


def _request(action: _Listed) -> Request:
    if isinstance(action, Amend):
        return AmendOrder(
            account_id=action.holder.account_id,
            order_id=action.order_id,
            changes=Changes(price=action.price, quantity=action.quantity),
        )
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
