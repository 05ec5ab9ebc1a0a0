"""What the account doors take, and the shapes of what they answer."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from accounts.api.webauthn_shapes import AssertionInput
from accounts.models import CLIENTS, AccountType, Role, TransferKind
from tradeplatform.common.api_input import PageQuery, StrictSerializer, TextField
from tradeplatform.common.api_shapes import DecimalText, IdText

_CODE = "Of the authenticator app, or a recovery code; where the second factor is on."
_PASSKEY = "In place of `code`: a passkey's answer to what /auth/webauthn/... said to ask it."


class LoginInput(StrictSerializer):
    """Name, password and, where it is on, the second factor."""

    username = TextField(max_length=150)
    password = TextField(max_length=1_024, write_only=True)
    code = TextField(max_length=64, required=False, help_text=_CODE)
    passkey = AssertionInput(required=False, help_text=_PASSKEY)


class ConfirmInput(StrictSerializer):
    """The password, once more, and the second factor where it is on."""

    password = TextField(max_length=1_024, write_only=True)
    code = TextField(max_length=64, required=False, help_text=_CODE)
    passkey = AssertionInput(required=False, help_text=_PASSKEY)


class CodeInput(StrictSerializer):
    """The first code of a new authenticator app."""

    code = TextField(max_length=64)


class RefreshInput(StrictSerializer):
    """A refresh token, which is used up by the call."""

    refresh = TextField(max_length=4_096)


class LedgerQuery(PageQuery):
    """Which part of an account's ledger."""

    asset = TextField(required=False, max_length=16, help_text="Code of one asset, such as USDT.")


_DAY = "A day, UTC, such as 2026-11-28; both ends are included."

# `from` is a word of Python's own, so the class cannot be written out.
StatementQuery = type(
    "StatementQuery",
    (StrictSerializer,),
    {
        "__doc__": "The first and the last day of the statement.",
        "from": serializers.DateField(help_text=_DAY),
        "to": serializers.DateField(help_text=_DAY),
    },
)


class TokensShape(serializers.Serializer[Any]):
    """Send `access` as `Authorization: Bearer ...`; trade `refresh` for a new pair before it expires."""

    access = serializers.CharField()
    refresh = serializers.CharField()
    token_type = serializers.CharField(help_text="Always Bearer.")
    expires_in = serializers.IntegerField(help_text="Seconds until `access` expires.")


class ConfirmedShape(serializers.Serializer[Any]):
    """Until when the proof counts."""

    confirmed_until = serializers.DateTimeField()


class SecondFactorShape(serializers.Serializer[Any]):
    """Whether logins need a second factor, which there are, and how many recovery codes are left."""

    on = serializers.BooleanField()
    app = serializers.BooleanField(help_text="Whether it may be a code of an authenticator app.")
    passkeys = serializers.IntegerField(help_text="How many there are.")
    recovery_codes_left = serializers.IntegerField()


class SetupShape(serializers.Serializer[Any]):
    """For the authenticator app; shown once. Nothing is asked for until its first code was confirmed."""

    secret = serializers.CharField(help_text="Base32, to be typed.")
    uri = serializers.CharField(help_text="otpauth://, to be shown as a picture.")


class RecoveryCodesShape(serializers.Serializer[Any]):
    """Each stands in for one code, once; shown once."""

    recovery_codes = serializers.ListField(child=serializers.CharField())


class SessionShape(serializers.Serializer[Any]):
    """One login and what came of it."""

    id = serializers.CharField()
    current = serializers.BooleanField(help_text="Whether this request was made in it.")
    opened_at = serializers.DateTimeField()
    renewed_at = serializers.DateTimeField(help_text="When its tokens were last renewed.")
    expires_at = serializers.DateTimeField(help_text="When it ends unless it is renewed.")
    ip = serializers.CharField(allow_null=True)
    agent = serializers.CharField(help_text="What the program called itself.")


class PersonShape(serializers.Serializer[Any]):
    """The signed-in person."""

    id = serializers.IntegerField()
    username = serializers.CharField()
    email = serializers.CharField()
    roles = serializers.ListField(child=serializers.ChoiceField(choices=Role.choices))


class AccountShape(serializers.Serializer[Any]):
    """A trading account."""

    id = serializers.IntegerField()
    account_number = serializers.CharField()
    type = serializers.ChoiceField(choices=AccountType.choices)
    currency = serializers.CharField()
    leverage = serializers.IntegerField()
    is_active = serializers.BooleanField()
    is_locked = serializers.BooleanField(help_text="A locked account takes no new orders.")
    created_at = serializers.DateTimeField()


class BalanceShape(serializers.Serializer[Any]):
    """balance = held + reserved + available."""

    asset = serializers.CharField()
    balance = DecimalText()
    held = DecimalText(help_text="Promised by open orders and requests.")
    reserved = DecimalText(help_text="What open leveraged positions need, as last valued.")
    available = DecimalText()


class LedgerLineShape(serializers.Serializer[Any]):
    """One movement of money: balance before + amount = balance_after."""

    id = IdText()
    time = serializers.DateTimeField()
    kind = serializers.ChoiceField(choices=TransferKind.choices)
    asset = serializers.CharField()
    amount = DecimalText(help_text="Negative when it left the account.")
    balance_after = DecimalText()
    order_id = IdText(allow_null=True, help_text="Your order that was paid for; null where you were paid.")
    trade_id = IdText(allow_null=True, help_text="The trade, as in your fills.")
    reason = serializers.CharField()


class StatementSectionShape(serializers.Serializer[Any]):
    """One asset: opening + credited - debited = closing, and the lines lead from one to the other."""

    asset = serializers.CharField()
    kind = serializers.ChoiceField(choices=[(kind.value, kind.label) for kind in CLIENTS])
    opening = DecimalText()
    credited = DecimalText()
    debited = DecimalText()
    closing = DecimalText()
    lines = LedgerLineShape(many=True)


StatementShape = type(
    "StatementShape",
    (serializers.Serializer,),
    {
        "__doc__": "What moved on an account, from `since` up to `until`, which is no more part of it.",
        "account_id": serializers.IntegerField(),
        "account_number": serializers.CharField(),
        "from": serializers.DateField(),
        "to": serializers.DateField(),
        "since": serializers.DateTimeField(),
        "until": serializers.DateTimeField(),
        "sections": StatementSectionShape(many=True),
    },
)
