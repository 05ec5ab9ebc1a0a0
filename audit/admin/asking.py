"""What buttons say of an act that needs others: whom it would wait for, and where it waits then."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from django.utils.html import format_html

from audit.admin.approval_buttons import role_name
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
    who = f"{policy.approvers} {role_name(policy.role, policy.approvers)}"
    return [Effect("Approval", "", f"waits for {who}: {meanwhile}")]


def sent(approval: ApprovalRequest, what: object) -> Done:
    """Where it waits, or what came of it when the same form was sent before."""
    if approval.state == ApprovalState.PENDING:
        return Done(format_html("{} was sent for approval: {}.", what, show.ref(approval)))
    return Done(format_html("{} is {} already: {}.", what, approval.state, show.ref(approval)))
