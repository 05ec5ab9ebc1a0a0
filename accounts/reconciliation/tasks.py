"""What beat asks of reconciliation. Tasks tolerate unknown arguments: old and new workers can coexist."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from django.utils import timezone

from accounts.reconciliation.services.matching import rematch
from accounts.reconciliation.services.uploads import forget_old
from audit.actor import Actor


@shared_task(name="reconciliation.rematch")
def rematch_nightly(**_extra: Any) -> None:
    """Try the rules again, store how many breaks are open, and forget uploads that nobody imported."""
    now = timezone.now()
    rematch(actor=Actor.system("beat"), now=now)
    forget_old(now=now)
