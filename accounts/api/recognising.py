"""Who sent each of many requests, as the authentication of a view finds it; in one look-up for all.

Whoever is not plainly somebody who may is left to the view, which says why not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.http import HttpRequest

from accounts.api.authentication import target_of
from accounts.api.callers import actor_in
from accounts.api.throttling import call_limit
from accounts.models import Scope, Session
from accounts.selectors import Reach
from accounts.services import api_keys, signed_requests
from accounts.services.sessions import identify_each
from accounts.services.signed_requests import SignedRequest
from audit.actor import Actor
from tradeplatform.common.addresses import client_address
from tradeplatform.common.arrivals import arrived_at
from tradeplatform.common.asked import Asked
from tradeplatform.common.errors import Refusal
from tradeplatform.common.limits import Limit

_BEARER = "Bearer "


@dataclass(frozen=True, slots=True)
class Caller:
    """A person in a session, or a program by a key; `calls` is the limit of their calls.

    `signed` is what a signed request is remembered by: it may be served once, and whoever serves it sees to
    that (`signed_requests.remember`).
    """

    reach: Reach
    tier_id: int | None
    actor: Actor
    calls: Limit
    signed: bytes | None = None


def recognise(asked: Sequence[Asked], scope: Scope) -> list[Caller | None]:
    """The caller of each who may do what needs `scope` of a key; None: ask the view."""
    tokens = [_token_of(one.http) for one in asked]
    sessions = identify_each({token for token in tokens if token})
    api_keys.read_ahead(one.http.META["HTTP_X_API_KEY"] for one in asked if "HTTP_X_API_KEY" in one.http.META)
    return [
        _of_session(one.http, sessions[token])
        if token in sessions
        else _of_key(one, scope)
        if "HTTP_X_API_KEY" in one.http.META
        else None
        for one, token in zip(asked, tokens, strict=True)
    ]


def _token_of(http: HttpRequest) -> str:
    """An access token, where nothing else says who it is."""
    given: str = http.META.get("HTTP_AUTHORIZATION", "")
    token = given.removeprefix(_BEARER)
    return "" if token == given or " " in token or "HTTP_X_API_KEY" in http.META else token


def _of_session(http: HttpRequest, session: Session) -> Caller:
    user = session.user
    actor, calls = actor_in(session, http), call_limit(session, http)
    return Caller(Reach(user.pk), user.rate_tier_id, actor, calls)


def _of_key(asked: Asked, scope: Scope) -> Caller | None:
    http, sent = asked.http, asked.http.META
    if "HTTP_AUTHORIZATION" in sent:
        return None
    try:
        key = api_keys.authenticate(sent["HTTP_X_API_KEY"], ip=client_address(http))
        api_keys.require(key, scope)
        signed = SignedRequest(
            method=http.method or "",
            target=target_of(http),
            timestamp=sent.get("HTTP_X_API_TIMESTAMP", ""),
            nonce=sent.get("HTTP_X_API_NONCE", ""),
            body=asked.body,
        )
        signature = sent.get("HTTP_X_API_SIGNATURE", "")
        fingerprint = signed_requests.check(key, signed, signature=signature, now=arrived_at(http))
    except Refusal:
        return None
    reach, calls = Reach(key.user_id, key.account_id), call_limit(key, http)
    return Caller(reach, key.tier_id, key.actor, calls, fingerprint)
