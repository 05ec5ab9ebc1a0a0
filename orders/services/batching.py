"""What many threads ask for one by one goes in together: who comes first commits, with who came meanwhile.

Each keeps its own actor, correlation id and outcome. Cancels go by themselves: they lock no account, and wait
for nobody who does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from django.utils import timezone

from audit.actor import Actor
from orders.models import Source
from orders.services.intake import MAX_BATCH, submit_sent
from orders.services.requests import (
    Accepted,
    AmendOrder,
    CancelOrder,
    Changes,
    Denied,
    NewOrder,
    Origin,
    Outcome,
    Requested,
    Sent,
    requested,
)
from tradeplatform.common.correlation import correlation_id
from tradeplatform.common.together import LOCK_PATIENCE, Together


def submit_now(sent: Sequence[Sent]) -> list[Outcome | Requested]:
    """Requests, each of its own origin, in one transaction; its moment is now."""
    return submit_sent(sent, now=timezone.now())


def _turns() -> Together[Sent, Outcome | Requested]:
    return Together(
        submit_now,
        most=MAX_BATCH,
        room=MAX_BATCH,
        patience=LOCK_PATIENCE,
        whose=lambda sent: sent.request.account_id,
    )


_submit, _cancel = _turns(), _turns()


def submit_soon(*, order: NewOrder, actor: Actor, source: Source) -> Accepted:
    """Submit one order, in one transaction with those that other threads submit meanwhile.

    As `intake.submit_order`; the moment it counts from is that of the commit. Raises Refusal, overloaded
    among them.
    """
    outcome = _submit(Sent(order, Origin(actor, source, correlation_id())))
    if isinstance(outcome, Denied):
        raise outcome.refusal
    return cast("Accepted", outcome)


def amend_soon(
    *, order_id: int, account_id: int, changes: Changes, actor: Actor, source: Source
) -> Requested:
    """Ask for an amend in these transactions, as `changing.amend_order`. Raises Refusal, overloaded too."""
    wanted = AmendOrder(account_id=account_id, order_id=order_id, changes=changes)
    return requested(_submit(Sent(wanted, Origin(actor, source, correlation_id()))))


def cancel_soon(
    *, order_id: int, account_id: int, actor: Actor, source: Source, client_request_id: str = ""
) -> Requested:
    """Ask for an account's order to be cancelled, in one transaction with other threads' cancels.

    Works while the instrument is halted. Raises Refusal: order_not_found (also for another account's),
    order_not_open, overloaded.
    """
    wanted = CancelOrder(account_id=account_id, order_id=order_id, client_request_id=client_request_id)
    return requested(_cancel(Sent(wanted, Origin(actor, source, correlation_id()))))
