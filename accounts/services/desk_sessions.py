"""The record of who came into the back office, who tried, who left, and who changed their own password.

Django opens and closes these sessions itself; its caller does so in the transaction of the record.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from accounts.models import User
from audit.actor import Actor, ActorKind
from audit.services.recording import record


class Step(StrEnum):
    """What a person does at the door, as the record names it."""

    OPEN = "accounts.session.open"
    CLOSE = "accounts.session.close"
    PASSWORD = "accounts.user.change_own_password"  # noqa: S105 - the name of an act


def note(step: Step, *, user: User, ip: str | None, now: datetime) -> None:
    """A person came in, left, or changed their own password, which nobody else has chosen from now on."""
    if step == Step.PASSWORD:
        User.objects.filter(id=user.pk).update(password_set_by=None)
    record(
        actor=Actor.user(user_id=user.pk, label=user.username, ip=ip),
        action=step,
        target_type="accounts.user",
        target_id=user.pk,
        target_label=user.username,
        after={"door": "back office"},
        now=now,
    )


def note_refused(*, username: str, ip: str | None, now: datetime) -> None:
    """Somebody gave a wrong name or password, or a person without a staff role wanted to come in."""
    record(
        actor=Actor(kind=ActorKind.SYSTEM, label="login", ip=ip),
        action="accounts.session.refused",
        target_type="accounts.user",
        target_id="",
        target_label=username[:150],
        after={"door": "back office"},
        now=now,
    )
