"""Proving who one is: at the login, and again before what matters most."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth import authenticate
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.db import transaction
from django.http import HttpRequest

from accounts.models import Ceremony, Session, User
from accounts.services import passkeys, second_factor
from accounts.services.passkeys import Asked
from accounts.services.second_factor import Proof
from accounts.services.sessions import Tokens, open_session
from audit.actor import Actor, ActorKind
from audit.services.recording import record
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.limits import Limit, give_back, take

#: For so long a proof is fresh enough to create keys or to withdraw.
FRESH_FOR = timedelta(minutes=5)
# How many wrong codes in so many seconds. Three of a million are right at any time: who has the password and
# guesses for a year has a chance of 3 in 100.
_GUESSES = ((10, 15 * 60), (30, 24 * 60 * 60))


def log_in(
    *,
    request: HttpRequest,
    username: str,
    password: str,
    proof: Proof,
    ip: str | None,
    agent: str,
    now: datetime,
) -> Tokens:
    """Check name, password and, where it is on, the second factor, and open a session.

    Raises Refusal: not_authenticated, second_factor_required, throttled, and those of second_factor.check.

    Repeated failures lock the name for the address they come from; the lockout is answered by its middleware.
    """
    user = _proven(request, username, password, ip=ip, now=now)
    check_second_factor(user, proof, asked=Asked(Ceremony.LOGIN), request=request, ip=ip, now=now)
    with transaction.atomic():
        # Clears the count of failures and notes the time, as a login through the admin does.
        user_logged_in.send(sender=User, request=request, user=user)
        return open_session(user, ip=ip, agent=agent, now=now)


def ask_passkeys(
    *, request: HttpRequest, username: str, password: str, asked: Asked, ip: str | None, now: datetime
) -> dict[str, Any]:
    """What to ask a browser for, to log in with a passkey: told to those who have the password alone.

    Raises Refusal: not_authenticated, passkey_not_found. Failures count as failed logins do.
    """
    return passkeys.begin_asking(_proven(request, username, password, ip=ip, now=now), asked, now=now)


def confirm(
    session: Session, *, request: HttpRequest, password: str, proof: Proof, ip: str | None, now: datetime
) -> datetime:
    """Prove again that the session is in its owner's hands; until when that counts.

    Raises Refusal as log_in; failures count towards the lockout as failed logins do.
    """
    user = _proven(request, session.user.username, password, ip=ip, now=now)
    asked = Asked(Ceremony.CONFIRM, session.sid)
    check_second_factor(user, proof, asked=asked, request=request, ip=ip, now=now)
    with transaction.atomic():
        Session.objects.filter(sid=session.sid, ended_at__isnull=True).update(confirmed_at=now)
        record(
            actor=Actor.user(user_id=user.pk, label=user.username, ip=ip),
            action="accounts.session.confirm",
            target_type="accounts.user",
            target_id=user.pk,
            target_label=user.username,
            after={"session": session.sid},
            now=now,
        )
    return now + FRESH_FOR


def require_password(
    user: User, password: str, *, request: HttpRequest, ip: str | None, now: datetime
) -> None:
    """Raise Refusal not_authenticated unless it is this person's; counted as a failed login."""
    _proven(request, user.username, password, ip=ip, now=now)


def require_fresh(session: Session, *, now: datetime) -> None:
    """Refuse with confirmation_required unless the owner proved who they are within FRESH_FOR."""
    if now - session.confirmed_at > FRESH_FOR:
        minutes = int(FRESH_FOR.total_seconds() // 60)
        sentence = f"Confirm that it is you: POST /auth/confirm. It counts for {minutes} minutes."
        raise Refusal(Code.CONFIRMATION_REQUIRED, sentence)


def check_second_factor(
    user: User, proof: Proof, *, asked: Asked, request: HttpRequest, ip: str | None, now: datetime
) -> None:
    """Nothing where it is off. Raises Refusal second_factor_required, throttled, and those of its check.

    A wrong one counts towards the lockout as a wrong password does, and by person too, for whoever has the
    password may guess from many addresses.
    """
    if not second_factor.is_on(user):
        return
    if not proof.is_given:
        sentence = (
            "Send the code of your authenticator app or a recovery code as `code`, or a passkey's answer as "
            "`passkey`."
        )
        raise Refusal(Code.SECOND_FACTOR_REQUIRED, sentence)
    guesses = [Limit(f"second-factor:{user.pk}", *guess) for guess in _GUESSES]
    take(guesses, now=now.timestamp())
    try:
        second_factor.check(user, proof, asked=asked, now=now)
    except Refusal:
        credentials = {"username": user.username}
        user_login_failed.send(sender=__name__, credentials=credentials, request=request)
        _record_refused(user.username, ip=ip, now=now)
        raise
    give_back(guesses, now=now.timestamp())


def _proven(request: HttpRequest, username: str, password: str, *, ip: str | None, now: datetime) -> User:
    user = authenticate(request, username=username, password=password)
    if isinstance(user, User):
        return user
    _record_refused(username, ip=ip, now=now)
    raise Refusal(Code.NOT_AUTHENTICATED, "The name or the password is wrong, or this login is closed.")


def _record_refused(username: str, *, ip: str | None, now: datetime) -> None:
    with transaction.atomic():
        record(
            actor=Actor(kind=ActorKind.SYSTEM, label="login", ip=ip),
            action="accounts.session.refused",
            target_type="accounts.user",
            target_id="",
            target_label=username,
            now=now,
        )
