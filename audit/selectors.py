"""Reading what waits for approval."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from django.db.models import Exists, OuterRef, QuerySet

from audit.models import ApprovalDecision, ApprovalRequest, ApprovalState


def waiting(*, now: datetime) -> QuerySet[ApprovalRequest]:
    """Every act that waits for approval and whose time is not over, the oldest first."""
    return ApprovalRequest.objects.filter(state=ApprovalState.PENDING, expires_at__gt=now).order_by("id")


def waiting_for(user_id: int, roles: Collection[str], *, now: datetime) -> QuerySet[ApprovalRequest]:
    """Those a person with these roles may decide about: not their own, and not decided by them yet."""
    decided = ApprovalDecision.objects.filter(checker_id=user_id, request_id=OuterRef("pk"))
    return waiting(now=now).filter(~Exists(decided), role__in=roles).exclude(maker_id=user_id)
