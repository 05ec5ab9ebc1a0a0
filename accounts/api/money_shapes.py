"""What the money doors take, and how a request about money looks outside."""

from __future__ import annotations

import re
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from accounts.models import MoneyKind, MoneyRequest, MoneyState
from instruments.scaling import text
from tradeplatform.common.api_input import (
    DecimalField,
    PageQuery,
    StrictSerializer,
    TextField,
    WholeNumberField,
)
from tradeplatform.common.api_shapes import DecimalText, IdText
from tradeplatform.common.times import rfc3339

_REQUEST_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}", re.ASCII)


class RequestIdField(TextField):
    """The client's own id of a request: unique for ever within the account."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            max_length=36,
            help_text="Your own id, unique for ever in this account: send the same request again with it.",
            **kwargs,
        )

    def to_internal_value(self, data: Any) -> str:
        """Return the id."""
        given = super().to_internal_value(data)
        if not _REQUEST_ID.fullmatch(given):
            raise ValidationError("1 to 36 characters of A-Z a-z 0-9 . : / _ -")
        return given


class _MoneyInput(StrictSerializer):
    """How much of what, and why."""

    asset = TextField(max_length=16)
    amount = DecimalField()
    request_id = RequestIdField()
    reason = TextField(required=False, max_length=500)


class WithdrawalInput(_MoneyInput):
    """A withdrawal."""

    reference = TextField(required=False, max_length=140, help_text="Where it is to go.")


class TransferInput(_MoneyInput):
    """A transfer to another of one's own accounts."""

    to_account = WholeNumberField(min_value=1, help_text="Id of another of your accounts.")


class MoneyListQuery(PageQuery):
    """Which requests to list."""

    request_id = RequestIdField(required=False)


class MoneyRequestShape(serializers.Serializer[Any]):
    """A request about money. While it is `requested`, a withdrawal's amount is `held`."""

    id = IdText()
    request_id = serializers.CharField(allow_null=True, help_text="Yours; null where an operator asked.")
    kind = serializers.ChoiceField(choices=MoneyKind.choices)
    state = serializers.ChoiceField(choices=MoneyState.choices)
    account = serializers.IntegerField()
    to_account = serializers.IntegerField(allow_null=True)
    asset = serializers.CharField()
    amount = DecimalText()
    held = DecimalText()
    reference = serializers.CharField()
    reason = serializers.CharField()
    created_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField(allow_null=True)
    transfer_id = IdText(allow_null=True, help_text="The line of the ledger it became.")


def stored_request_id(account_id: int, given: str) -> str:
    """The client's id within the platform's one table of ids, where no other account can meet it."""
    return f"client:{account_id}:{given}"


def money_request_json(row: MoneyRequest) -> dict[str, Any]:
    """A request, as its owner sees it."""
    own = f"client:{row.account_id}:"
    decimals = row.asset.decimals
    return {
        "id": str(row.pk),
        "request_id": row.identity_id.removeprefix(own) if row.identity_id.startswith(own) else None,
        "kind": row.kind,
        "state": row.state,
        "account": row.account_id,
        "to_account": row.to_account_id,
        "asset": row.asset.code,
        "amount": text(row.amount, decimals),
        "held": text(row.held, decimals),
        "reference": row.reference,
        "reason": row.reason,
        "created_at": rfc3339(row.at),
        "closed_at": None if row.closed_at is None else rfc3339(row.closed_at),
        "transfer_id": None if row.transfer_id is None else str(row.transfer_id),
    }
