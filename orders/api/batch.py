"""A batch of orders: every item judged by itself, all that pass committed together, outcomes in order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rest_framework import status

from accounts.selectors import Reach, account_not_found, own_accounts
from accounts.services.rates import take_orders
from audit.actor import Actor
from orders.api.answers import orders_json
from orders.api.inputs import OrderInput, new_order
from orders.models import OrderStatus, Source
from orders.services.awaiting import await_orders
from orders.services.intake import MAX_BATCH, submit_orders
from orders.services.requests import Accepted, NewOrder
from tradeplatform.common.api_errors import problem
from tradeplatform.common.api_input import read
from tradeplatform.common.errors import Code, Refusal


def place_batch(
    items: Sequence[Any],
    *,
    reach: Reach,
    tier_id: int | None,
    actor: Actor,
    now: datetime,
    wait_ms: int,
    source: Source = Source.API,
    most: int = MAX_BATCH,
) -> list[dict[str, Any]]:
    """One outcome for each item, in order; `most` is how many the door takes at once.

    Raises Refusal too_many_items, too_many_orders.
    """
    if not 1 <= len(items) <= most:
        sentence = f"A batch has 1 to {most} orders."
        raise Refusal(Code.TOO_MANY_ITEMS, sentence, items=len(items), maximum=most)
    wanted = _owned(_read(items), reach)
    orders = [item for item in wanted if isinstance(item, NewOrder)]
    take_orders(Counter(order.account_id for order in orders), tier_id=tier_id, now=now)
    outcomes = iter(submit_orders(orders=orders, actor=actor, source=source, now=now) if orders else ())
    settled = [item if isinstance(item, Refusal) else next(outcomes) for item in wanted]
    accepted = [outcome for outcome in settled if isinstance(outcome, Accepted)]
    stored = await_orders(accepted, wait_ms=wait_ms)
    shown = {int(body["id"]): body for body in orders_json(stored.values())}
    return [
        _accepted(outcome, shown[outcome.order_id])
        if isinstance(outcome, Accepted)
        else _denied(outcome if isinstance(outcome, Refusal) else outcome.refusal)
        for outcome in settled
    ]


def _read(items: Sequence[Any]) -> list[NewOrder | Refusal]:
    reader = OrderInput()
    wanted: list[NewOrder | Refusal] = []
    for item in items:
        try:
            wanted.append(new_order(read(reader, item)))
        except Refusal as refusal:
            wanted.append(refusal)
    return wanted


def _owned(wanted: Sequence[NewOrder | Refusal], reach: Reach) -> list[NewOrder | Refusal]:
    """The orders for other people's accounts replaced by their refusal."""
    named = {item.account_id for item in wanted if isinstance(item, NewOrder)}
    own = own_accounts(reach, named)
    return [
        account_not_found(item.account_id)
        if isinstance(item, NewOrder) and item.account_id not in own
        else item
        for item in wanted
    ]


def _accepted(outcome: Accepted, body: dict[str, Any]) -> dict[str, Any]:
    if outcome.duplicate:
        return {"status": status.HTTP_200_OK, "order": body}
    pending = body["status"] == OrderStatus.PENDING
    return {"status": status.HTTP_202_ACCEPTED if pending else status.HTTP_201_CREATED, "order": body}


def _denied(refusal: Refusal) -> dict[str, Any]:
    return {"status": refusal.status, "error": problem(refusal)}
