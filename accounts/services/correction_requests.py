"""Ask for a transfer to be taken back, in whole or in part: another person agrees, whatever the policies say.

What waits holds nothing: when who was paid spends it meanwhile, the approval is refused, and it stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from accounts.services.correcting import correct, effects_of, find_transfer
from accounts.services.request_ids import require_request_id
from audit.actor import Actor
from audit.approvable import EffectRow
from audit.models import ApprovalRequest
from audit.services.approving import Target, ask_always
from audit.services.reasons import require_reason
from instruments.scaling import short_text

ACTION = "accounts.money.correction"
#: What who asks for it needs.
RIGHT = "accounts.correct_transfer"


def ask_correction(
    *, transfer_id: int, amount: Decimal, reason: str, request_id: str, actor: Actor, now: datetime
) -> ApprovalRequest:
    """Ask for `amount` of a transfer to be moved back. The same request id is the same request, for ever.

    Raises Refusal: reason_required, invalid_field, not_found, request_id_conflict, and as `effects_of`.
    """
    reason, request_id = require_reason(reason), require_request_id(request_id)
    with transaction.atomic():
        original = find_transfer(transfer_id)
        return ask_always(
            action=ACTION,
            target=Target("accounts.transfer", transfer_id, f"transfer {transfer_id}"),
            payload={"transfer": transfer_id, "amount": _plain(amount)},
            amount=amount,
            asset=original.asset.code,
            request_id=request_id,
            reason=reason,
            actor=actor,
            now=now,
        )


def preview(payload: Mapping[str, Any]) -> list[EffectRow]:
    """Both balances and what is left, before and after, as things stand now."""
    return effects_of(find_transfer(payload["transfer"]), Decimal(payload["amount"]))


def execute(approval: ApprovalRequest, actor: Actor, now: datetime) -> None:
    """Correct it, by the ledger of this moment, for who asked; `actor` is who agreed."""
    correct(
        transfer_id=approval.payload["transfer"],
        amount=Decimal(approval.payload["amount"]),
        reason=approval.reason,
        request_id=approval.request_id,
        approval=approval,
        actor=actor,
        now=now,
    )


def _plain(amount: Decimal) -> str:
    """What is no number is refused by the preview; until then it is text like any other."""
    return short_text(amount) if amount.is_finite() else str(amount)
