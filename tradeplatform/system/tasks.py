"""What beat asks of the platform about itself."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from django.utils import timezone

from tradeplatform.system import sampling


@shared_task(name="system.take_sample")
def take_sample(**_extra: Any) -> None:
    """Keep the sums of this minute."""
    sampling.take_sample(timezone.now())
