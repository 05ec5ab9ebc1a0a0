"""What beat asks of audit. Tasks tolerate unknown arguments, so that old and new workers can coexist."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from django.utils import timezone

from audit.services.approving import expire_due


@shared_task(name="audit.expire_approvals")
def expire_approvals(**_extra: Any) -> None:
    """End the requests for approval whose time is over, and release what they held."""
    expire_due(now=timezone.now())
