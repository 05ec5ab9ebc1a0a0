"""Celery's way in. Tasks tolerate unknown arguments, so that old and new workers can coexist."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from django.utils import timezone

from orders.market.services.following import follow
from orders.market.services.warm import warm


@shared_task(name="marketdata.follow")
def follow_now(**_extra: Any) -> None:
    """Bring what was traded and quoted since into candles, alerts and warm answers."""
    now = timezone.now()
    follow(now=now)
    warm(now=now)
