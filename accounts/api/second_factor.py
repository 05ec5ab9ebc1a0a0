"""Doors to one's own second factor: set up an authenticator app, confirm it, renew its codes, turn it off."""

from __future__ import annotations

from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.callers import actor_of, caller, session_of
from accounts.api.serializers import CodeInput, RecoveryCodesShape, SecondFactorShape, SetupShape
from accounts.api.throttling import LoginThrottle
from accounts.services import passkeys, recovery_codes, second_factor
from accounts.services.login import require_fresh
from tradeplatform.common.api_input import parse


@method_decorator(never_cache, name="dispatch")
class SecondFactorView(APIView):
    """GET, POST, DELETE /auth/second-factor."""

    key_scope = None

    @extend_schema(operation_id="auth_second_factor", tags=["auth"], responses=SecondFactorShape)
    def get(self, request: Request) -> Response:
        """Whether my logins need a second factor, and which I have."""
        user = caller(request)
        app, keys = second_factor.app_is_on(user), passkeys.of(user).count()
        return Response(
            {
                "on": app or keys > 0,
                "app": app,
                "passkeys": keys,
                "recovery_codes_left": recovery_codes.left(user),
            }
        )

    @extend_schema(
        operation_id="auth_second_factor_begin", tags=["auth"], request=None, responses={201: SetupShape}
    )
    def post(self, request: Request) -> Response:
        """Make a secret for an authenticator app. Needs a session confirmed within five minutes."""
        require_fresh(session_of(request), now=timezone.now())
        setup = second_factor.begin(caller(request), actor=actor_of(request), now=timezone.now())
        return Response({"secret": setup.secret, "uri": setup.uri}, status=status.HTTP_201_CREATED)

    @extend_schema(operation_id="auth_second_factor_off", tags=["auth"], responses={204: None})
    def delete(self, request: Request) -> Response:
        """Forget the authenticator app. Without passkeys, log in by password alone again.

        Needs a session confirmed within five minutes.
        """
        require_fresh(session_of(request), now=timezone.now())
        second_factor.turn_off(caller(request), actor=actor_of(request), now=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)


@method_decorator(never_cache, name="dispatch")
class ConfirmSecondFactorView(APIView):
    """POST /auth/second-factor/confirm."""

    key_scope = None
    throttle_classes = (LoginThrottle,)

    @extend_schema(
        operation_id="auth_second_factor_confirm",
        tags=["auth"],
        request=CodeInput,
        responses=RecoveryCodesShape,
    )
    def post(self, request: Request) -> Response:
        """Turn it on with the app's first code; the answer holds the recovery codes, once."""
        require_fresh(session_of(request), now=timezone.now())
        code = parse(CodeInput, request.data)["code"]
        codes = second_factor.finish(caller(request), code, actor=actor_of(request), now=timezone.now())
        return Response({"recovery_codes": codes})


@method_decorator(never_cache, name="dispatch")
class RecoveryCodesView(APIView):
    """POST /auth/second-factor/recovery-codes."""

    key_scope = None

    @extend_schema(
        operation_id="auth_second_factor_codes", tags=["auth"], request=None, responses=RecoveryCodesShape
    )
    def post(self, request: Request) -> Response:
        """Ten fresh recovery codes in place of those before. Needs a confirmed session."""
        require_fresh(session_of(request), now=timezone.now())
        codes = second_factor.renew_codes(caller(request), actor=actor_of(request), now=timezone.now())
        return Response({"recovery_codes": codes})
