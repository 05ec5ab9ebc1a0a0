"""Log in, renew and log out. A session is a chain of refresh tokens, each good for one use.

Access tokens live for minutes and are checked against the user's row on every request, so closing a
person's access or changing the password ends all of them at once.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from django.contrib.auth import authenticate
from django.contrib.auth.signals import user_logged_in
from django.db import transaction
from django.http import HttpRequest
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
from rest_framework_simplejwt.tokens import RefreshToken
from rest_framework_simplejwt.utils import get_md5_hash_password

from accounts.models import User
from audit.actor import Actor, ActorKind
from audit.services.recording import record
from tradeplatform.common.errors import Code, Refusal

_log = structlog.get_logger(__name__)

# The claim that names the session: every token of a chain carries the one its login began with.
_SESSION = "sid"


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a client needs to call, and to go on calling."""

    access: str
    refresh: str
    expires_in: int


def log_in(*, request: HttpRequest, username: str, password: str, ip: str | None, now: datetime) -> Tokens:
    """Check name and password and open a session. Raises Refusal not_authenticated.

    Repeated failures lock the name for the address they come from; the lockout is answered by its middleware.
    """
    user = authenticate(request, username=username, password=password)
    if not isinstance(user, User):
        with transaction.atomic():
            record(
                actor=Actor(kind=ActorKind.SYSTEM, label="login", ip=ip),
                action="accounts.session.refused",
                target_type="accounts.user",
                target_id="",
                target_label=username,
                now=now,
            )
        raise Refusal(Code.NOT_AUTHENTICATED, "The name or the password is wrong, or this login is closed.")
    with transaction.atomic():
        # Clears the count of failures and notes the time, as a login through the admin does.
        user_logged_in.send(sender=User, request=request, user=user)
        tokens = _issue(user)
        _record("open", user, ip=ip, now=now)
    return tokens


def renew(*, refresh: str) -> Tokens:
    """Trade a refresh token for a new pair. The old one is used up, even when two calls race with it.

    Raises Refusal not_authenticated for anything but the newest token of a session of an active user.
    """
    with transaction.atomic():
        token, user = _use_up(refresh)
        if token.get(api_settings.REVOKE_TOKEN_CLAIM) != get_md5_hash_password(user.password):
            raise _refused("The password was changed: log in again.")
        return _issue(user, session=token.get(_SESSION))


def session_of(token: Any) -> str:
    """The name of the session that a token belongs to; empty for a token issued before sessions had names."""
    return str(token.get(_SESSION) or "")


def log_out(*, refresh: str, ip: str | None, now: datetime) -> None:
    """End the session that this refresh token belongs to. Raises Refusal not_authenticated."""
    with transaction.atomic():
        _token, user = _use_up(refresh)
        _record("close", user, ip=ip, now=now)


def end_all_sessions(user: User) -> None:
    """Use up every refresh token a person has. Must be called in the transaction that says why."""
    live = OutstandingToken.objects.filter(user=user, blacklistedtoken__isnull=True)
    BlacklistedToken.objects.bulk_create(
        [BlacklistedToken(token=token) for token in live], ignore_conflicts=True
    )


def forget_expired(*, now: datetime) -> int:
    """Delete the refresh tokens that could not be used any more anyway; returns how many."""
    _rows, deleted = OutstandingToken.objects.filter(expires_at__lte=now).delete()
    return deleted.get(OutstandingToken._meta.label, 0)


def _issue(user: User, *, session: str | None = None) -> Tokens:
    refresh = RefreshToken.for_user(user)
    refresh[_SESSION] = session or uuid.uuid4().hex
    lifetime = api_settings.ACCESS_TOKEN_LIFETIME.total_seconds()
    return Tokens(access=str(refresh.access_token), refresh=str(refresh), expires_in=int(lifetime))


def _use_up(refresh: str) -> tuple[RefreshToken, User]:
    """The token and its user, the token spent: a unique row lets one caller win."""
    try:
        token = RefreshToken(refresh)  # type: ignore[arg-type]  # the stubs want a token where text is read
    except TokenError as error:
        raise _refused("This refresh token is not valid or was used before: log in again.") from error
    user = User.objects.filter(id=token.get(api_settings.USER_ID_CLAIM), is_active=True).first()
    if user is None:
        raise _refused("This login is closed.")
    blacklisted: Any = token.blacklist()
    _row, first_use = blacklisted
    if not first_use:
        _log.warning("refresh_token_used_twice", user=user.pk)
        raise _refused("This refresh token was used before: log in again.")
    return token, user


def _refused(sentence: str) -> Refusal:
    return Refusal(Code.NOT_AUTHENTICATED, sentence)


def _record(verb: str, user: User, *, ip: str | None, now: datetime) -> None:
    record(
        actor=Actor.user(user_id=user.pk, label=user.username, ip=ip),
        action=f"accounts.session.{verb}",
        target_type="accounts.user",
        target_id=user.pk,
        target_label=user.username,
        now=now,
    )
