"""Sessions and their tokens: a chain of refresh tokens, each good for one use, and short-lived access tokens.

A token names its session, and is checked against the session's and the person's row at each use: whatever
ends one (a logout, a click, a new password, a closed login) ends all its tokens with the next request, and
its sockets as soon as they hear of it.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import structlog
from django.db import transaction
from django.db.models import QuerySet
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken
from rest_framework_simplejwt.utils import get_md5_hash_password

from accounts.models import Session, SessionEnd, User
from audit.actor import Actor
from audit.services.reasons import require_reason
from audit.services.recording import record
from tradeplatform.common.db import read_joined, require_transaction
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.together import Together
from tradeplatform.common.valkey import tell_access_changed

_log = structlog.get_logger(__name__)

# The claim that names the session: every token of a chain carries the one its login began with.
_SID = "sid"
# A client that did not hear the answer may send its last refresh token again; later it is somebody else.
_RACE = timedelta(seconds=10)
# What a person may still look up: sessions that ended or expired so long ago are forgotten.
_REMEMBERED = timedelta(days=30)
_AGENT = 200
# Checking a signature takes longer than all else that a token is looked at for.
_TOKENS_KEPT = 10_000
_NAME = re.compile(r"[0-9a-f]{32}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a client needs to call, and to go on calling."""

    access: str = field(repr=False)
    refresh: str = field(repr=False)
    expires_in: int


@dataclass(frozen=True, slots=True)
class SessionProof:
    """A session as it was when somebody was let in by it; `password` is the hash of then."""

    sid: str
    user_id: int
    password: str


def open_session(user: User, *, ip: str | None, agent: str, now: datetime) -> Tokens:
    """Begin a session of somebody whose password was just checked. Must be called in a transaction."""
    require_transaction()
    refresh = _fresh(user, sid=uuid.uuid4().hex)
    session = Session.objects.create(
        sid=refresh[_SID],
        user=user,
        refresh=refresh["jti"],
        opened_at=now,
        renewed_at=now,
        confirmed_at=now,
        expires_at=now + api_settings.REFRESH_TOKEN_LIFETIME,
        ip=ip,
        agent=agent.replace("\0", "")[:_AGENT],
    )
    _record("open", session, actor=_self(session, ip), now=now)
    return _pair(refresh)


def identify(access: str) -> Session:
    """The session that an access token belongs to, with its user. Raises Refusal not_authenticated."""
    claims = _claims_of(access)
    return _require_going_on(_look_up((claims.sid, claims.user_id)), claims)


def identify_each(tokens: Collection[str]) -> dict[str, Session]:
    """The sessions of those of these access tokens that are good ones, by token."""
    claims: dict[str, _Claims] = {}
    for token in tokens:
        with suppress(Refusal):
            claims[token] = _claims_of(token)
    named = list({(claim.sid, claim.user_id) for claim in claims.values()})
    sessions = dict(zip(named, _find(named), strict=True)) if named else {}
    found: dict[str, Session] = {}
    for token, claim in claims.items():
        with suppress(Refusal):
            found[token] = _require_going_on(sessions[claim.sid, claim.user_id], claim)
    return found


def expiry_of(access: str) -> datetime:
    """Until when an access token is one. Raises Refusal not_authenticated."""
    return datetime.fromtimestamp(_parsed(AccessToken, access)["exp"], UTC)


def renew(*, refresh: str, now: datetime) -> Tokens:
    """Trade the newest refresh token of a session for a new pair, even when two calls race with it.

    An older one ends the session, for it is in two hands; only the last one may come again for a moment, from
    a client that did not hear the answer, and is refused. Raises Refusal not_authenticated.
    """
    token = _parsed(RefreshToken, refresh)
    with transaction.atomic():
        session = _living(token).select_for_update(no_key=True, of=("self",)).first()
        if session is None or not session.user.is_active:
            raise _refused("This session has ended: log in again.")
        _require_same_password(token.get(api_settings.REVOKE_TOKEN_CLAIM), session.user)
        if token["jti"] == session.refresh:
            fresh = _fresh(session.user, sid=session.sid)
            session.refresh, session.refresh_before = fresh["jti"], session.refresh
            session.renewed_at, session.expires_at = now, now + api_settings.REFRESH_TOKEN_LIFETIME
            session.save(update_fields=["refresh", "refresh_before", "renewed_at", "expires_at"])
            return _pair(fresh)
        if token["jti"] != session.refresh_before or now - session.renewed_at > _RACE:
            _log.warning("refresh_token_used_twice", user=session.user_id, session=session.sid)
            _end([session], SessionEnd.REFRESH_REUSED, actor=Actor.system("sessions"), now=now)
    raise _refused("This refresh token was used before: log in again.")


def log_out(*, refresh: str, ip: str | None, now: datetime) -> None:
    """End the session that this refresh token belongs to. Raises Refusal not_authenticated."""
    token = _parsed(RefreshToken, refresh)
    with transaction.atomic():
        session = _living(token).select_for_update(no_key=True, of=("self",)).first()
        if session is None:
            raise _refused("This session has ended already.")
        _end([session], SessionEnd.LOGOUT, actor=_self(session, ip), now=now)


def end_own(*, user_id: int, actor: Actor, now: datetime, sid: str | None = None, but: str = "") -> int:
    """End one of a person's sessions, or all but one; how many. Raises Refusal session_not_found."""
    with transaction.atomic():
        living = _of(user_id).exclude(sid=but).select_for_update(no_key=True, of=("self",)).order_by("sid")
        if sid is None:
            found = list(living)
        elif not (found := list(living.filter(sid=sid)) if _NAME.fullmatch(sid) else []):
            raise Refusal(Code.SESSION_NOT_FOUND, "No such session.", session=ascii(sid[:32])[1:-1])
        _end(found, SessionEnd.REVOKED, actor=actor, now=now)
    return len(found)


def end_by_operator(*, session_id: int, actor: Actor, now: datetime, reason: str) -> Session:
    """End anybody's session. Raises Refusal: reason_required, session_not_found, no_change."""
    reason = require_reason(reason)
    with transaction.atomic():
        session = Session.objects.select_for_update(no_key=True, of=("self",)).filter(id=session_id).first()
        if session is None:
            raise Refusal(Code.SESSION_NOT_FOUND, "No such session.", session=str(session_id))
        if session.ended_at is not None:
            raise Refusal(Code.NO_CHANGE, f"{session} has ended already.")
        _end([session], SessionEnd.OPERATOR, actor=actor, now=now, reason=reason)
    return session


def end_all_sessions(user: User, why: SessionEnd, *, now: datetime) -> None:
    """End every session of a person, unrecorded: the caller records why, in the same transaction."""
    require_transaction()
    _of(user.pk).update(ended_at=now, ended_why=why)
    tell_access_changed(user.pk)


def forget_expired(*, now: datetime) -> int:
    """Delete the sessions that expired a month ago; how many."""
    deleted, _by_model = Session.objects.filter(expires_at__lte=now - _REMEMBERED).delete()
    return deleted


def _fresh(user: User, *, sid: str) -> RefreshToken:
    refresh = RefreshToken.for_user(user)
    refresh[_SID] = sid
    return refresh


def _pair(refresh: RefreshToken) -> Tokens:
    lifetime = api_settings.ACCESS_TOKEN_LIFETIME.total_seconds()
    return Tokens(access=str(refresh.access_token), refresh=str(refresh), expires_in=int(lifetime))


def _parsed(kind: Any, text: str) -> Any:
    """A token of ours of this kind that has not expired. Raises Refusal not_authenticated."""
    try:
        return kind(text.encode())
    except (TokenError, UnicodeError) as error:
        raise _not_valid() from error


@dataclass(frozen=True, slots=True)
class _Claims:
    """What an access token says."""

    sid: str
    user_id: int
    password: str | None
    expires: int


@lru_cache(maxsize=_TOKENS_KEPT)
def _read_claims(access: str) -> _Claims:
    """Of a token that was good when it was first seen: what was signed stays so. Raises not_authenticated."""
    token = _parsed(AccessToken, access)
    return _Claims(*_named(token), token.get(api_settings.REVOKE_TOKEN_CLAIM), token["exp"])


def _claims_of(access: str) -> _Claims:
    claims = _read_claims(access)
    if claims.expires <= time.time():
        raise _not_valid()
    return claims


def _require_going_on(session: Session | None, claims: _Claims) -> Session:
    if session is None or not session.user.is_active:
        raise _refused("This session has ended: log in again.")
    _require_same_password(claims.password, session.user)
    return session


def _living(token: Any) -> QuerySet[Session]:
    """The session a token names, if it is that of the token's person and has not ended."""
    sid, user_id = _named(token)
    return _of(user_id).filter(sid=sid)


def _named(token: Any) -> tuple[str, int]:
    user = str(token.get(api_settings.USER_ID_CLAIM, ""))
    return str(token.get(_SID, "")), int(user) if user.isdecimal() else 0


def _of(user_id: int) -> QuerySet[Session]:
    return Session.objects.select_related("user").filter(ended_at__isnull=True, user_id=user_id)


def _find(named: Sequence[tuple[str, int]]) -> list[Session | None]:
    """The living session of each (session, person), an object of its own; None where there is none.

    Every request asks, so by a statement that is planned once.
    """
    rest = "ON accounts_user.id = user_id WHERE sid = ANY(%s) AND ended_at IS NULL"
    living: dict[tuple[str, int], Session] = {}
    for session, user in read_joined((Session, User), rest, [[sid for sid, _ in named]]):
        session.user = user
        living[session.sid, session.user_id] = session
    each = [living.get(name) for name in named]
    return [deepcopy(one) if one in each[:place] else one for place, one in enumerate(each)]


_look_up = Together(_find)


def living(sids: Collection[str]) -> dict[str, tuple[int, str]]:
    """(person, password hash) of those of these sessions that go on, by session."""
    if not sids:
        return {}
    found = Session.objects.filter(sid__in=sids, ended_at__isnull=True, user__is_active=True)
    people = found.values_list("sid", "user_id", "user__password")
    return {sid: (user, password) for sid, user, password in people}


def _each_living(asked: Sequence[str]) -> list[tuple[int, str] | None]:
    found = living(set(asked))
    return [found.get(sid) for sid in asked]


_is_living = Together(_each_living)


def require_living(proof: SessionProof, among: Mapping[str, tuple[int, str]] | None = None) -> None:
    """Raise not_authenticated where it has ended, or its person is shut out or has a new password.

    `among` are those that are `living`, where somebody has just asked.
    """
    found = _is_living(proof.sid) if among is None else among.get(proof.sid)
    if found != (proof.user_id, proof.password):
        raise _refused("This session has ended: log in again.")


def _require_same_password(claimed: str | None, user: User) -> None:
    if claimed != get_md5_hash_password(user.password):
        raise _refused("The password was changed: log in again.")


def _end(
    sessions: Iterable[Session], why: SessionEnd, *, actor: Actor, now: datetime, reason: str = ""
) -> None:
    for session in sessions:
        session.ended_at, session.ended_why = now, why
        session.save(update_fields=["ended_at", "ended_why"])
        _record("close", session, actor=actor, now=now, reason=reason)
        tell_access_changed(session.user_id)


def _not_valid() -> Refusal:
    return _refused("The token is not valid or has expired: log in again.")


def _refused(sentence: str) -> Refusal:
    return Refusal(Code.NOT_AUTHENTICATED, sentence)


def _self(session: Session, ip: str | None) -> Actor:
    return Actor.user(user_id=session.user_id, label=session.user.username, ip=ip)


def _record(verb: str, session: Session, *, actor: Actor, now: datetime, reason: str = "") -> None:
    why = {"why": session.ended_why} if session.ended_why else {}
    record(
        actor=actor,
        action=f"accounts.session.{verb}",
        target_type="accounts.user",
        target_id=session.user_id,
        target_label=session.user.username,
        reason=reason,
        after={"session": session.sid} | why,
        now=now,
    )
