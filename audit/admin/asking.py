"""What buttons say of an act that needs others: whom it would wait for, and where it waits then."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from django.utils.html import format_html

from audit.admin.approval_buttons import approvers
from audit.models import ApprovalRequest, ApprovalState
from audit.services.policies import policy_for
from tradeplatform.common.admin import show
from tradeplatform.common.admin.buttons import Done, Effect

NOTHING_MOVES = "nothing moves before"


def waits_for(
    action: str,
    *,
    amount: Decimal | None = None,
    asset: str = "",
    meanwhile: str = NOTHING_MOVES,
    now: datetime,
) -> list[Effect]:
    """Whom the act would wait for, and what happens `meanwhile`; nothing where no policy covers it."""
    policy = policy_for(action, amount=amount, asset=asset, now=now)
    if policy is None:
        return []
    who = approvers(policy.approvers, policy.role)
    return [Effect("Approval", "", f"waits for {who}: {meanwhile}")]


def who_agrees(action: str, *, now: datetime) -> str:
    """Whom an act that always waits would wait for, of whatever size."""
    policy = policy_for(action, amount=None, asset="", now=now)
    if policy is None:
        raise ValueError(f"{action} does not always wait")
    return approvers(policy.approvers, policy.role)


def sent(approval: ApprovalRequest, what: object) -> Done:
    """Where it waits, or what came of it when the same form was sent before."""
    if approval.state == ApprovalState.PENDING:
        who = approvers(approval.needed, approval.role)
        said = "{} was sent for approval: {}. It waits for {}."
        return Done(format_html(said, what, show.ref(approval), who))
    return Done(format_html("{} is {} already: {}.", what, approval.state, show.ref(approval)))
