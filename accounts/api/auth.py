"""Doors to a session: log in, renew, log out, confirm, who am I, and which sessions are open."""

from __future__ import annotations

from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import status
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.callers import actor_of, caller, http_of, session_of
from accounts.api.rendering import person_json, session_json, tokens_json
from accounts.api.serializers import (
    ConfirmedShape,
    ConfirmInput,
    LoginInput,
    PersonShape,
    RefreshInput,
    SessionShape,
    TokensShape,
)
from accounts.api.throttling import LoginThrottle
from accounts.api.webauthn_shapes import proof_of
from accounts.models import Session
from accounts.services import login, sessions
from tradeplatform.common.addresses import client_address
from tradeplatform.common.api_input import parse
from tradeplatform.common.api_shapes import list_of
from tradeplatform.common.times import rfc3339


@method_decorator(never_cache, name="dispatch")
class OpenDoor(APIView):
    """Takes no access token, so that a stale one does not keep anybody from getting a new one."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = (LoginThrottle,)


class LoginView(OpenDoor):
    """POST /auth/login."""

    @extend_schema(
        operation_id="auth_login",
        tags=["auth"],
        request=LoginInput,
        responses=TokensShape,
        examples=[
            OpenApiExample(
                "Log in", value={"username": "trader", "password": "not my real one"}, request_only=True
            )
        ],
    )
    def post(self, request: Request) -> Response:
        """Log in with name and password. Ten failures lock the name for the caller's address (429)."""
        given = parse(LoginInput, request.data)
        http = http_of(request)
        tokens = login.log_in(
            request=http,
            username=given["username"],
            password=given["password"],
            proof=proof_of(given),
            ip=client_address(http),
            agent=http.headers.get("User-Agent", ""),
            now=timezone.now(),
        )
        return Response(tokens_json(tokens))


class RefreshView(OpenDoor):
    """POST /auth/refresh."""

    @extend_schema(operation_id="auth_refresh", tags=["auth"], request=RefreshInput, responses=TokensShape)
    def post(self, request: Request) -> Response:
        """Trade a refresh token for a new pair. Each works once: one that comes again ends its session."""
        refresh = parse(RefreshInput, request.data)["refresh"]
        tokens = sessions.renew(refresh=refresh, now=timezone.now())
        return Response(tokens_json(tokens))


class LogoutView(OpenDoor):
    """POST /auth/logout."""

    @extend_schema(operation_id="auth_logout", tags=["auth"], request=RefreshInput, responses={204: None})
    def post(self, request: Request) -> Response:
        """End the session: all its tokens stop working now, its sockets are closed."""
        refresh = parse(RefreshInput, request.data)["refresh"]
        sessions.log_out(refresh=refresh, ip=client_address(http_of(request)), now=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)


class MeView(APIView):
    """GET /auth/me."""

    @extend_schema(operation_id="auth_me", tags=["auth"], responses=PersonShape)
    def get(self, request: Request) -> Response:
        """The signed-in person and their roles."""
        return Response(person_json(caller(request)))


class ConfirmView(APIView):
    """POST /auth/confirm."""

    key_scope = None
    throttle_classes = (LoginThrottle,)

    @extend_schema(operation_id="auth_confirm", tags=["auth"], request=ConfirmInput, responses=ConfirmedShape)
    def post(self, request: Request) -> Response:
        """Prove again that it is you; keys and withdrawals ask for it. Failures count as failed logins."""
        given, http = parse(ConfirmInput, request.data), http_of(request)
        until = login.confirm(
            session_of(request),
            request=http,
            password=given["password"],
            proof=proof_of(given),
            ip=client_address(http),
            now=timezone.now(),
        )
        return Response({"confirmed_until": rfc3339(until)})


class SessionsView(APIView):
    """GET, DELETE /auth/sessions."""

    key_scope = None

    @extend_schema(operation_id="auth_sessions", tags=["auth"], responses=list_of(SessionShape))
    def get(self, request: Request) -> Response:
        """My open sessions, the newest first."""
        current = session_of(request)
        own = Session.objects.filter(user=caller(request), ended_at__isnull=True)
        rows = own.filter(expires_at__gt=timezone.now()).order_by("-id")[:100]
        return Response({"results": [session_json(row, current=current) for row in rows]})

    @extend_schema(operation_id="auth_sessions_end_others", tags=["auth"], responses={204: None})
    def delete(self, request: Request) -> Response:
        """End all my sessions but this one."""
        sessions.end_own(
            user_id=caller(request).pk,
            but=session_of(request).sid,
            actor=actor_of(request),
            now=timezone.now(),
        )
        return Response(status=status.HTTP_204_NO_CONTENT)


class SessionView(APIView):
    """DELETE /auth/sessions/{session}."""

    key_scope = None

    @extend_schema(operation_id="auth_session_end", tags=["auth"], responses={204: None})
    def delete(self, request: Request, session: str) -> Response:
        """End one of my sessions: its tokens stop working now, its sockets are closed."""
        actor, now = actor_of(request), timezone.now()
        sessions.end_own(user_id=caller(request).pk, sid=session, actor=actor, now=now)
        return Response(status=status.HTTP_204_NO_CONTENT)
