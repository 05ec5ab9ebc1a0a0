"""What beat asks of accounts. Tasks tolerate unknown arguments, so that old and new workers can coexist."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from django.utils import timezone

from accounts.services import desk_sessions, sessions
from accounts.services.closing import close_months
from accounts.services.proving import prove
from audit.actor import Actor


@shared_task(name="accounts.prove")
def prove_nightly(**_extra: Any) -> None:
    """Check every invariant and store what was found."""
    prove(actor=Actor.system("beat"), now=timezone.now())


@shared_task(name="accounts.forget_expired_tokens")
def forget_expired_tokens(**_extra: Any) -> None:
    """Keep the tables of sessions, of the API and of the back office, as small as their number."""
    now = timezone.now()
    sessions.forget_expired(now=now)
    desk_sessions.forget_expired(now=now)


@shared_task(name="accounts.close_months")
def close_ended_months(**_extra: Any) -> None:
    """Store the closing balances of months that have ended."""
    close_months(now=timezone.now())
