"""Doors to one's own passkeys: add, list, remove; what to ask a browser, to log in or confirm with one."""

from __future__ import annotations

from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.auth import OpenDoor
from accounts.api.callers import actor_of, caller, http_of, session_of
from accounts.api.throttling import LoginThrottle
from accounts.api.webauthn_shapes import (
    AddedPasskeyShape,
    AskLoginInput,
    AskNewInput,
    NewPasskeyInput,
    OptionsShape,
    PasskeyShape,
    passkey_json,
)
from accounts.models import Ceremony
from accounts.services import login, passkeys, second_factor
from accounts.services.login import require_fresh
from accounts.services.passkeys import Asked
from tradeplatform.common.addresses import client_address
from tradeplatform.common.api_input import parse
from tradeplatform.common.api_shapes import list_of


@method_decorator(never_cache, name="dispatch")
class PasskeysView(APIView):
    """GET, POST /auth/webauthn/passkeys."""

    key_scope = None

    @extend_schema(operation_id="auth_passkeys", tags=["auth"], responses=list_of(PasskeyShape))
    def get(self, request: Request) -> Response:
        """My passkeys, the oldest first."""
        return Response({"results": [passkey_json(row) for row in passkeys.of(caller(request))]})

    @extend_schema(
        operation_id="auth_passkey_add",
        tags=["auth"],
        request=NewPasskeyInput,
        responses={201: AddedPasskeyShape},
    )
    def post(self, request: Request) -> Response:
        """Add the passkey a browser has made. Needs a session confirmed within five minutes."""
        session, now = session_of(request), timezone.now()
        require_fresh(session, now=now)
        given = parse(NewPasskeyInput, request.data)
        added = passkeys.add(
            caller(request),
            name=given["name"],
            answer=given["passkey"],
            session=session.sid,
            actor=actor_of(request),
            now=now,
        )
        body = passkey_json(added.passkey) | {"recovery_codes": added.recovery_codes}
        return Response(body, status=status.HTTP_201_CREATED)


class PasskeyView(APIView):
    """DELETE /auth/webauthn/passkeys/{passkey}."""

    key_scope = None

    @extend_schema(operation_id="auth_passkey_remove", tags=["auth"], responses={204: None})
    def delete(self, request: Request, passkey: int) -> Response:
        """Remove one of my passkeys. Needs a session confirmed within five minutes."""
        now = timezone.now()
        require_fresh(session_of(request), now=now)
        second_factor.remove_passkey(caller(request), passkey, actor=actor_of(request), now=now)
        return Response(status=status.HTTP_204_NO_CONTENT)


@method_decorator(never_cache, name="dispatch")
class NewPasskeyOptionsView(APIView):
    """POST /auth/webauthn/passkeys/options."""

    key_scope = None
    throttle_classes = (LoginThrottle,)

    @extend_schema(
        operation_id="auth_passkey_options", tags=["auth"], request=AskNewInput, responses=OptionsShape
    )
    def post(self, request: Request) -> Response:
        """What to ask a browser for a new passkey. Good for three minutes and one answer, in this session."""
        session, now = session_of(request), timezone.now()
        require_fresh(session, now=now)
        name = parse(AskNewInput, request.data)["name"]
        options = passkeys.begin_adding(caller(request), name=name, session=session.sid, now=now)
        return Response({"publicKey": options})


class LoginOptionsView(OpenDoor):
    """POST /auth/webauthn/login/options."""

    @extend_schema(
        operation_id="auth_login_options", tags=["auth"], request=AskLoginInput, responses=OptionsShape
    )
    def post(self, request: Request) -> Response:
        """What to ask a browser for, to log in with a passkey; its answer is `passkey` of /auth/login.

        Good for three minutes and one answer. A wrong password counts as a failed login.
        """
        given, http = parse(AskLoginInput, request.data), http_of(request)
        options = login.ask_passkeys(
            request=http,
            username=given["username"],
            password=given["password"],
            asked=Asked(Ceremony.LOGIN),
            ip=client_address(http),
            now=timezone.now(),
        )
        return Response({"publicKey": options})


@method_decorator(never_cache, name="dispatch")
class ConfirmOptionsView(APIView):
    """POST /auth/webauthn/confirm/options."""

    key_scope = None
    throttle_classes = (LoginThrottle,)

    @extend_schema(operation_id="auth_confirm_options", tags=["auth"], request=None, responses=OptionsShape)
    def post(self, request: Request) -> Response:
        """What to ask a browser for, to confirm with a passkey; its answer is `passkey` of /auth/confirm.

        Good for three minutes and one answer, in this session. The device has to verify who holds it.
        """
        asked = Asked(Ceremony.CONFIRM, session_of(request).sid)
        options = passkeys.begin_asking(caller(request), asked, now=timezone.now())
        return Response({"publicKey": options})
