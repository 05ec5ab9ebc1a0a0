"""Reading what waits for approval."""

from __future__ import annotations

from datetime import datetime

from django.db.models import QuerySet

from audit.approvable import house
from audit.models import ApprovalRequest, ApprovalState


def waiting(*, now: datetime) -> QuerySet[ApprovalRequest]:
    """Every act that waits for approval and whose time is not over, the oldest first."""
    return ApprovalRequest.objects.filter(state=ApprovalState.PENDING, expires_at__gt=now).order_by("id")


def waiting_for(user_id: int, *, now: datetime) -> QuerySet[ApprovalRequest]:
    """Those this person may decide about: of a role they hold, not their own, not decided by them yet."""
    roles = house().roles_of(user_id)
    return (
        waiting(now=now)
        .filter(role__in=roles)
        .exclude(maker_id=user_id)
        .exclude(decisions__checker_id=user_id)
    )
