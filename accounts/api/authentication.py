"""Who calls the API: a person by the token of a session, or a program by a key that signs each request.

`request.auth` is then the Session or the ApiKeyCaller, and `request.user` the person in both cases.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework_simplejwt.authentication import JWTAuthentication

from accounts.models import Scope, Session, User
from accounts.services import api_keys, signed_requests
from accounts.services.api_keys import ApiKeyCaller
from accounts.services.sessions import identify
from accounts.services.signed_requests import SignedRequest
from tradeplatform.common.addresses import client_address
from tradeplatform.common.arrivals import arrived_at
from tradeplatform.common.db import read
from tradeplatform.common.errors import Code, Refusal


class SessionAuthentication(JWTAuthentication):
    """`Authorization: Bearer ...`: an access token whose session goes on."""

    def authenticate(self, request: Request) -> tuple[User, Session] | None:  # type: ignore[override]
        """The session's person; None without such a header. Raises Refusal not_authenticated."""
        header = self.get_header(request)
        token = self.get_raw_token(header) if header else None
        if not token:
            return None
        session = identify(token.decode("latin-1"))
        return session.user, session


class KeyAuthentication(BaseAuthentication):
    """`X-API-KEY`, `X-API-TIMESTAMP`, `X-API-SIGNATURE` and, if given, `X-API-NONCE`."""

    def authenticate(self, request: Request) -> tuple[User, ApiKeyCaller] | None:
        """The owner of the key that signed this request; None without a key. Raises Refusal."""
        http: HttpRequest = request._request  # noqa: SLF001 - what was sent, before anybody read it
        key_id = http.headers.get("X-API-KEY")
        if key_id is None:
            return None
        caller = api_keys.authenticate(key_id, ip=client_address(http))
        signed = SignedRequest(
            method=http.method or "",
            target=target_of(http),
            timestamp=http.headers.get("X-API-TIMESTAMP", ""),
            nonce=http.headers.get("X-API-NONCE", ""),
            body=_body(http),
        )
        signature = http.headers.get("X-API-SIGNATURE", "")
        signed_requests.accept(caller, signed, signature=signature, now=arrived_at(http))
        (owner,) = read(User, "WHERE id = %s", [caller.user_id])
        return owner, caller

    def authenticate_header(self, request: Request) -> str:
        """What a caller without any credentials is told of."""
        return 'Bearer realm="api"'


class KeyHasScope(BasePermission):
    """Keeps keys to what their scopes allow; people by a session may do all that is theirs.

    A view's `key_scope` says what a key needs for anything but reading: READ, when it says nothing, is for
    views that keys may only read, and None for those that take no keys at all.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        """Raise Refusal session_required, api_key_wrong_scope; else yes."""
        if not isinstance(request.auth, ApiKeyCaller):
            return True
        scope, reads = getattr(view, "key_scope", Scope.READ), request.method in SAFE_METHODS
        if scope is None or (scope == Scope.READ and not reads):
            raise Refusal(Code.SESSION_REQUIRED, "An API key cannot do this: log in.")
        api_keys.require(request.auth, Scope.READ if reads else scope)
        return True


def target_of(http: HttpRequest) -> str:
    """Path and query as the client sent them, percent signs and all."""
    raw = str(http.META.get("RAW_URI", ""))
    return raw if raw.startswith("/") else http.get_full_path()


def _body(http: HttpRequest) -> bytes:
    try:
        return http.body
    except RequestDataTooBig as error:
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        sentence = f"The body is larger than {limit} bytes: send it in parts."
        raise Refusal(Code.BODY_TOO_LARGE, sentence, limit=limit) from error
