"""A batch of orders: every item judged by itself, all that pass committed together, outcomes in order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from rest_framework import status

from accounts.selectors import Reach, account_not_found, own_accounts
from accounts.services.rates import take_orders
from audit.actor import Actor
from orders.api.answers import orders_json
from orders.api.inputs import read_order
from orders.models import Order, OrderStatus, Source
from orders.services.awaiting import await_orders
from orders.services.intake import MAX_BATCH, submit_orders
from orders.services.order_state import OrderState
from orders.services.requests import Accepted, NewOrder, Outcome
from tradeplatform.common.api_errors import problem
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
    wanted = read_items(items)
    wanted = owned(wanted, own_accounts(reach, accounts_named(wanted)))
    orders = [item for item in wanted if isinstance(item, NewOrder)]
    take_orders(Counter(order.account_id for order in orders), tier_id=tier_id, now=now)
    outcomes = iter(submit_orders(orders=orders, actor=actor, source=source, now=now) if orders else ())
    settled = [item if isinstance(item, Refusal) else next(outcomes) for item in wanted]
    accepted = [outcome for outcome in settled if isinstance(outcome, Accepted)]
    stored = await_orders(accepted, wait_ms=wait_ms)
    return results_of(settled, shown_by_id(stored.values()))


def shown_by_id(orders: Iterable[Order | OrderState]) -> dict[int, dict[str, Any]]:
    """Orders as their owner sees them, by id."""
    return {int(body["id"]): body for body in orders_json(orders)}


def results_of(
    settled: Sequence[Outcome | Refusal], shown: Mapping[int, dict[str, Any]]
) -> list[dict[str, Any]]:
    """What each item's answer says, from what became of it and the orders as they are shown."""
    return [
        _accepted(outcome, shown[outcome.order_id])
        if isinstance(outcome, Accepted)
        else _denied(outcome if isinstance(outcome, Refusal) else outcome.refusal)
        for outcome in settled
    ]


def body_of(results: Sequence[dict[str, Any]]) -> tuple[dict[str, Any], dict[str, str]]:
    """The answer's body and headers."""
    accepted = sum("order" in result for result in results)
    waits = [result["error"]["context"].get("retry_after") for result in results if "error" in result]
    wait = max((wait for wait in waits if wait is not None), default=None)
    body = {"accepted": accepted, "denied": len(results) - accepted, "results": results}
    return body, {} if wait is None else {"Retry-After": str(wait)}


def read_items(items: Sequence[Any]) -> list[NewOrder | Refusal]:
    """Each item as an order, or what is wrong with it."""
    wanted: list[NewOrder | Refusal] = []
    for item in items:
        try:
            wanted.append(read_order(item))
        except Refusal as refusal:
            wanted.append(refusal)
    return wanted


def accounts_named(wanted: Sequence[NewOrder | Refusal]) -> set[int]:
    """Whose orders these are."""
    return {item.account_id for item in wanted if isinstance(item, NewOrder)}


def owned(wanted: Sequence[NewOrder | Refusal], own: Collection[int]) -> list[NewOrder | Refusal]:
    """The orders for other people's accounts replaced by their refusal."""
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
