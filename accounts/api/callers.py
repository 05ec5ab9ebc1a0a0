"""Who is calling: the signed-in person as the actor that services ask for."""

from __future__ import annotations

from axes.helpers import get_client_ip_address
from django.http import HttpRequest
from rest_framework.exceptions import NotAuthenticated
from rest_framework.request import Request

from accounts.models import User
from audit.actor import Actor


def address_of(request: HttpRequest) -> str | None:
    """The caller's address, by the same rule as the lockout of failed logins."""
    return get_client_ip_address(request) or None


def caller(request: Request) -> User:
    """The signed-in person."""
    if not isinstance(request.user, User):
        raise NotAuthenticated
    return request.user


def actor_of(request: Request) -> Actor:
    """The signed-in person, with the address the request came from."""
    user = caller(request)
    return Actor.user(user_id=user.pk, label=user.username, ip=address_of(request._request))  # noqa: SLF001
