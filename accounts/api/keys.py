"""Doors to one's own API keys. A secret is in the answer of the call that made it, and nowhere else."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.callers import actor_of, reach_of, session_of
from accounts.models import ApiKey, KeyKind, Scope
from accounts.selectors import Reach, accounts_of, require_own_account
from accounts.services.key_issuing import Issued, KeyWish, create_key, revoke_key, rotate_key
from accounts.services.login import require_fresh
from tradeplatform.common.api_input import StrictSerializer, TextField, WholeNumberField, WordField, parse
from tradeplatform.common.api_shapes import list_of
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.ids import is_id
from tradeplatform.common.times import rfc3339

_PEM = "PEM, for rsa and ed25519: we never see the private half."


class KeyInput(StrictSerializer):
    """What the key is to be."""

    account = WholeNumberField(min_value=1)
    label = TextField(  # type: ignore[assignment]  # a field of this name, not the field's own label
        max_length=64, help_text="Your name for it, unique among the account's living keys."
    )
    kind = WordField(KeyKind, default=KeyKind.HMAC)
    scopes = serializers.ListField(child=WordField(Scope), max_length=3, help_text="Each key may read.")
    allowed_ips = serializers.ListField(
        child=TextField(max_length=43),
        max_length=30,
        required=False,
        help_text="Addresses or networks such as 203.0.113.0/24; without any, every address.",
    )
    expires_at = serializers.DateTimeField(required=False, allow_null=True)
    public_key = TextField(max_length=4_096, required=False, help_text=_PEM)


class RotateInput(StrictSerializer):
    """The new public half, of a key that has one."""

    public_key = TextField(max_length=4_096, required=False, help_text=_PEM)


class KeyShape(serializers.Serializer[Any]):
    """A key; `api_key` goes into X-API-KEY."""

    id = serializers.IntegerField()
    api_key = serializers.CharField()
    account = serializers.IntegerField()
    label = serializers.CharField()  # type: ignore[assignment]
    kind = serializers.ChoiceField(choices=KeyKind.choices)
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=Scope.choices))
    allowed_ips = serializers.ListField(child=serializers.CharField())
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    last_used_at = serializers.DateTimeField(allow_null=True, help_text="At most a minute behind.")
    revoked_at = serializers.DateTimeField(allow_null=True)


class IssuedKeyShape(KeyShape):
    """A key with its secret, which is never shown again."""

    secret = serializers.CharField(help_text="Empty for rsa and ed25519 keys.")


@method_decorator(never_cache, name="dispatch")
class KeysView(APIView):
    """GET, POST /auth/keys."""

    key_scope = None

    @extend_schema(operation_id="auth_keys", tags=["auth"], responses=list_of(KeyShape))
    def get(self, request: Request) -> Response:
        """Keys of all my accounts, revoked ones too, newest first."""
        rows = ApiKey.objects.filter(account__in=accounts_of(reach_of(request))).order_by("-id")[:500]
        return Response({"results": [_key_json(row) for row in rows]})

    @extend_schema(
        operation_id="auth_key_create",
        tags=["auth"],
        request=KeyInput,
        responses={201: IssuedKeyShape},
        examples=[
            OpenApiExample(
                "A bot's key",
                value={"account": 1, "label": "market maker", "scopes": ["read", "trade"]},
                request_only=True,
            )
        ],
    )
    def post(self, request: Request) -> Response:
        """Create a key. Needs a session confirmed within five minutes; to withdraw it needs `allowed_ips`.

        Sent again it is refused (409) by its label: a secret is shown once.
        """
        require_fresh(session_of(request), now=timezone.now())
        given = parse(KeyInput, request.data)
        wish = KeyWish(
            account_id=require_own_account(reach_of(request), given["account"]),
            label=given["label"],
            kind=given["kind"],
            scopes=frozenset(given["scopes"]),
            allowed_ips=tuple(given.get("allowed_ips", ())),
            expires_at=given.get("expires_at"),
            public_key=given.get("public_key", ""),
        )
        issued = create_key(wish, actor=actor_of(request), now=timezone.now())
        return Response(_issued_json(issued), status=status.HTTP_201_CREATED)


class KeyView(APIView):
    """DELETE /auth/keys/{key}."""

    key_scope = None

    @extend_schema(operation_id="auth_key_revoke", tags=["auth"], responses={200: KeyShape})
    def delete(self, request: Request, key: int) -> Response:
        """Revoke a key for ever: it is refused within a second, everywhere."""
        revoked = revoke_key(
            key_id=key,
            account_id=_account_of(key, reach_of(request)),
            actor=actor_of(request),
            now=timezone.now(),
            reason="revoked by its owner",
        )
        return Response(_key_json(revoked))


@method_decorator(never_cache, name="dispatch")
class RotateKeyView(APIView):
    """POST /auth/keys/{key}/rotate."""

    key_scope = None

    @extend_schema(
        operation_id="auth_key_rotate", tags=["auth"], request=RotateInput, responses=IssuedKeyShape
    )
    def post(self, request: Request, key: int) -> Response:
        """Give a key another secret or public half; the one before is refused within a second.

        Needs a session confirmed within five minutes. Sent again it gives yet another secret.
        """
        require_fresh(session_of(request), now=timezone.now())
        given = parse(RotateInput, request.data)
        issued = rotate_key(
            key_id=key,
            account_id=_account_of(key, reach_of(request)),
            public_key=given.get("public_key", ""),
            actor=actor_of(request),
            now=timezone.now(),
        )
        return Response(_issued_json(issued))


def _account_of(key_id: int, reach: Reach) -> int:
    """The account of a key within reach. Raises api_key_not_found."""
    own = ApiKey.objects.filter(id=key_id, account__in=accounts_of(reach)) if is_id(key_id) else None
    found = None if own is None else own.values_list("account_id", flat=True).first()
    if found is None:
        raise Refusal(Code.API_KEY_NOT_FOUND, "No such API key.", key=str(key_id))
    return found


def _issued_json(issued: Issued) -> dict[str, Any]:
    return _key_json(issued.key) | {"secret": issued.secret}


def _key_json(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.pk,
        "api_key": key.key_id,
        "account": key.account_id,
        "label": key.label,
        "kind": key.kind,
        "scopes": list(key.scopes),
        "allowed_ips": list(key.allowed_ips),
        "created_at": rfc3339(key.created_at),
        "expires_at": rfc3339(key.expires_at) if key.expires_at else None,
        "last_used_at": rfc3339(key.last_used_at) if key.last_used_at else None,
        "revoked_at": rfc3339(key.revoked_at) if key.revoked_at else None,
    }
