"""Sessions of the back office: the record of who came in, who tried and who left; a look at them; their end.

Django opens and closes these sessions itself; its caller does so in the transaction of the record. One that
is ended from outside is a deleted row: its browser is signed out with the next request.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction
from django.db.models import QuerySet

from accounts.models import DeskSession, User
from accounts.services.authority import lock_user, require_authority
from accounts.services.login import FRESH_FOR
from audit.actor import Actor, ActorKind
from audit.services.reasons import require_reason
from audit.services.recording import record
from tradeplatform.common.errors import Code, Refusal

_DOOR = {"door": "back office"}
_CONFIRMED = "confirmed_at"
_AGENT = 200


class Step(StrEnum):
    """What a person does at the door, as the record names it."""

    OPEN = "accounts.session.open"
    CLOSE = "accounts.session.close"
    CONFIRM = "accounts.session.confirm"
    PASSWORD = "accounts.user.change_own_password"  # noqa: S105 - the name of an act


def note(step: Step, *, user: User, ip: str | None, now: datetime) -> None:
    """A person came in, left, proved again who they are, or changed their own password.

    Which nobody else has chosen from then on.
    """
    if step == Step.PASSWORD:
        User.objects.filter(id=user.pk).update(password_set_by=None)
    actor = Actor.user(user_id=user.pk, label=user.username, ip=ip)
    _record(step, user, actor=actor, now=now)


def note_refused(*, username: str, ip: str | None, now: datetime) -> None:
    """Somebody gave a wrong name or password, or a person without a staff role wanted to come in."""
    record(
        actor=Actor(kind=ActorKind.SYSTEM, label="login", ip=ip),
        action="accounts.session.refused",
        target_type="accounts.user",
        target_id="",
        target_label=username[:150],
        after=_DOOR,
        now=now,
    )


def mark_opened(session: SessionBase, *, ip: str | None, agent: str, now: datetime) -> None:
    """Keep from where and when it was opened, which is also a first proof of who it is."""
    session["opened_at"], session["ip"] = now.isoformat(), ip
    session["agent"] = agent.replace("\0", "")[:_AGENT]
    mark_confirmed(session, now=now)


def mark_confirmed(session: SessionBase, *, now: datetime) -> None:
    """Its owner has proved who they are."""
    session[_CONFIRMED] = now.isoformat()


def is_fresh(session: SessionBase, *, now: datetime) -> bool:
    """Whether that was within FRESH_FOR."""
    confirmed = session.get(_CONFIRMED)
    return confirmed is not None and now - datetime.fromisoformat(confirmed) <= FRESH_FOR


def require_fresh(session: SessionBase, *, now: datetime) -> None:
    """Raise Refusal confirmation_required unless that was within FRESH_FOR."""
    if not is_fresh(session, now=now):
        raise Refusal(Code.CONFIRMATION_REQUIRED, "Confirm first that it is you.")


def open_of(user_id: int, *, now: datetime) -> QuerySet[DeskSession]:
    """A person's, the newest first."""
    return DeskSession.objects.filter(user_id=user_id, expire_date__gt=now).order_by("-opened_at")


def end_own(user: User, *, name: str, actor: Actor, now: datetime) -> None:
    """End one of one's own. Raises Refusal session_not_found."""
    with transaction.atomic():
        _end(_named(user, name, now=now), user, actor=actor, now=now)


def end_by_operator(*, user_id: int, name: str, actor: Actor, now: datetime, reason: str) -> int:
    """End one of somebody's, or all ("" for the name); how many.

    Raises Refusal: reason_required, not_found, permission_denied, session_not_found.
    """
    reason = require_reason(reason)
    with transaction.atomic():
        user = lock_user(user_id, actor)
        require_authority(actor, user)
        found = [_named(user, name, now=now)] if name else list(open_of(user_id, now=now))
        for session in found:
            _end(session, user, actor=actor, now=now, reason=reason)
    return len(found)


def forget_expired(*, now: datetime) -> int:
    """Delete the rows whose time was over a day ago; how many."""
    deleted, _by_model = DeskSession.objects.filter(expire_date__lte=now - timedelta(days=1)).delete()
    return deleted


def _named(user: User, name: str, *, now: datetime) -> DeskSession:
    # A person has a few: nothing of a key is stored to look for it by.
    for session in open_of(user.pk, now=now):
        if session.name == name:
            return session
    raise Refusal(Code.SESSION_NOT_FOUND, "This session has ended already.")


def _end(session: DeskSession, user: User, *, actor: Actor, now: datetime, reason: str = "") -> None:
    _record(Step.CLOSE, user, actor=actor, now=now, reason=reason, session=session.name)
    session.delete()


def _record(
    step: Step, user: User, *, actor: Actor, now: datetime, reason: str = "", session: str = ""
) -> None:
    record(
        actor=actor,
        action=step,
        target_type="accounts.user",
        target_id=user.pk,
        target_label=user.username,
        reason=reason,
        after=_DOOR | ({"session": session} if session else {}),
        now=now,
    )
