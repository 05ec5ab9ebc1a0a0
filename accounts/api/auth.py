"""Doors to a session: log in, renew, log out, and who am I."""

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

from accounts.api.callers import caller
from accounts.api.rendering import person_json, tokens_json
from accounts.api.serializers import LoginInput, PersonShape, RefreshInput, TokensShape
from accounts.services import sessions
from tradeplatform.common.addresses import client_address
from tradeplatform.common.api_input import parse
from tradeplatform.common.throttling import LoginThrottle


@method_decorator(never_cache, name="dispatch")
class _OpenDoor(APIView):
    """Takes no access token, so that a stale one does not keep anybody from getting a new one."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = (LoginThrottle,)


class LoginView(_OpenDoor):
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
        http = request._request  # noqa: SLF001 - the lockout marks Django's own request
        tokens = sessions.log_in(
            request=http,
            username=given["username"],
            password=given["password"],
            ip=client_address(http),
            now=timezone.now(),
        )
        return Response(tokens_json(tokens))


class RefreshView(_OpenDoor):
    """POST /auth/refresh."""

    @extend_schema(operation_id="auth_refresh", tags=["auth"], request=RefreshInput, responses=TokensShape)
    def post(self, request: Request) -> Response:
        """Trade a refresh token for a new pair; each refresh token works once."""
        tokens = sessions.renew(refresh=parse(RefreshInput, request.data)["refresh"])
        return Response(tokens_json(tokens))


class LogoutView(_OpenDoor):
    """POST /auth/logout."""

    @extend_schema(operation_id="auth_logout", tags=["auth"], request=RefreshInput, responses={204: None})
    def post(self, request: Request) -> Response:
        """End the session: its refresh token stops working now, its access token within minutes."""
        refresh = parse(RefreshInput, request.data)["refresh"]
        sessions.log_out(refresh=refresh, ip=client_address(request._request), now=timezone.now())  # noqa: SLF001
        return Response(status=status.HTTP_204_NO_CONTENT)


class MeView(APIView):
    """GET /auth/me."""

    @extend_schema(operation_id="auth_me", tags=["auth"], responses=PersonShape)
    def get(self, request: Request) -> Response:
        """The signed-in person and their roles."""
        return Response(person_json(caller(request)))
