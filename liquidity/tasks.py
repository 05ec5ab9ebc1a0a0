"""What beat asks of dealing. Tasks tolerate unknown arguments, so that old and new workers can coexist."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from celery import shared_task
from django.utils import timezone

from liquidity.services.resetting import finish_resets
from liquidity.services.revaluing import revalue
from liquidity.services.swapping import swap_night
from liquidity.services.watching import watch_exits


@shared_task(name="liquidity.watch_exits")
def watch_exits_now(**_extra: Any) -> None:
    """Close the positions whose exits a quote has touched."""
    watch_exits(now=timezone.now())


@shared_task(name="liquidity.revalue")
def revalue_positions(**_extra: Any) -> None:
    """Reserve what open positions need by the quotes of now."""
    revalue(now=timezone.now())


@shared_task(name="liquidity.finish_resets")
def finish_demo_resets(**_extra: Any) -> None:
    """Go on with resets of demo accounts whose orders have been cancelled."""
    finish_resets(now=timezone.now())


@shared_task(name="liquidity.swap")
def swap_last_night(**_extra: Any) -> None:
    """Charge the night that follows the day that has just ended, in UTC."""
    now = timezone.now()
    swap_night((now - timedelta(days=1)).date(), now=now)
