"""Another person's decision, in one word."""

from __future__ import annotations

from datetime import datetime

from accounts.models import Role, User
from audit.models import ApprovalRequest
from audit.services.approving import decide
from tests.audit.naming import by
from tests.factories import NOW, make_user


def agree(
    approval: ApprovalRequest, checker: User | None = None, *, approve: bool = True, now: datetime = NOW
) -> ApprovalRequest:
    """A yes of this person, or of a compliance officer."""
    actor = by(checker or make_user(Role.COMPLIANCE_OFFICER))
    return decide(approval_id=approval.pk, approve=approve, actor=actor, now=now, reason="looked at it")
