"""Who is calling: the signed-in person as the actor that services ask for."""

from __future__ import annotations

from rest_framework.exceptions import NotAuthenticated
from rest_framework.request import Request

from accounts.models import User
from accounts.services.sessions import session_of
from audit.actor import Actor
from tradeplatform.common.addresses import client_address


def caller(request: Request) -> User:
    """The signed-in person."""
    if not isinstance(request.user, User):
        raise NotAuthenticated
    return request.user


def actor_of(request: Request) -> Actor:
    """The signed-in person, with the address the request came from and the session it was made in."""
    user = caller(request)
    session = session_of(request.auth) if request.auth is not None else ""
    return Actor.user(
        user_id=user.pk,
        label=user.username,
        ip=client_address(request._request),  # noqa: SLF001
        credential=f"session:{session}" if session else "",
    )
