"""Celery's way in. Tasks tolerate unknown arguments, so that old and new workers can coexist."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from django.utils import timezone

from orders.history.services.following import follow


@shared_task(name="history.follow")
def follow_now(**_extra: Any) -> None:
    """Bring the fills and deals that were written since into the positions over time."""
    follow(now=timezone.now())
