"""Who is calling, as services ask for it: the person, the actor, and which accounts they reach."""

from __future__ import annotations

from django.http import HttpRequest
from rest_framework.exceptions import NotAuthenticated
from rest_framework.request import Request

from accounts.models import Session, User
from accounts.selectors import Reach
from accounts.services.api_keys import ApiKeyCaller
from audit.actor import Actor
from tradeplatform.common.addresses import client_address
from tradeplatform.common.errors import Code, Refusal


def caller(request: Request) -> User:
    """The person who calls, or whose key does."""
    if not isinstance(request.user, User):
        raise NotAuthenticated
    return request.user


def reach_of(request: Request) -> Reach:
    """The person's accounts; with a key its own account alone."""
    if isinstance(request.auth, ApiKeyCaller):
        return Reach(request.auth.user_id, request.auth.account_id)
    return Reach(caller(request).pk)


def tier_of(request: Request) -> int | None:
    """The rate tier of the person, or None for the standard one."""
    if isinstance(request.auth, ApiKeyCaller):
        return request.auth.tier_id
    return caller(request).rate_tier_id


def session_of(request: Request) -> Session:
    """The session that is called in. Raises Refusal session_required for a key."""
    if not isinstance(request.auth, Session):
        raise Refusal(Code.SESSION_REQUIRED, "An API key cannot do this: log in.")
    return request.auth


def require_right(request: Request, permission: str) -> None:
    """Let staff pass whose roles give them the permission, in a session.

    Raises Refusal: session_required, permission_denied.
    """
    session_of(request)
    if not caller(request).has_perm(permission):
        raise Refusal(Code.PERMISSION_DENIED, "This is for staff who may.", permission=permission)


def actor_of(request: Request) -> Actor:
    """The person, with the address the request came from and the session or key it was made with."""
    if isinstance(request.auth, ApiKeyCaller):
        return request.auth.actor
    return actor_in(session_of(request), http_of(request))


def actor_in(session: Session, http: HttpRequest) -> Actor:
    """The person of a session, with the address a request of it came from."""
    user = session.user
    return Actor.user(
        user_id=user.pk,
        label=user.username,
        ip=client_address(http),
        credential=f"session:{session.sid}",
    )


def http_of(request: Request) -> HttpRequest:
    """Django's own request: the lockout marks it."""
    http: HttpRequest = request._request  # noqa: SLF001
    return http
