"""Ask for other withdrawal limits of a level: another person agrees, whatever the policies say."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from accounts.models import KycLimit
from accounts.services.limits import LIMIT_FIELDS, change_limit, find_limit
from audit.actor import Actor
from audit.approvable import EffectRow
from audit.models import ApprovalRequest
from audit.services.approving import Target, ask_always
from audit.services.reasons import require_reason
from audit.services.row_changes import change_effects, change_payload, changes_of
from tradeplatform.common.changes import Seen

ACTION = "accounts.limit.change"
#: What who asks for it needs.
RIGHT = "accounts.change_kyclimit"


def ask_limit_change(
    *,
    level: int,
    changes: Mapping[str, Any],
    seen: Seen | None = None,
    request_id: str,
    actor: Actor,
    now: datetime,
    reason: str,
) -> ApprovalRequest:
    """Ask for other limits of a level.

    Raises Refusal: reason_required, not_found, row_changed, no_change, invalid_field, request_id_conflict.
    """
    reason = require_reason(reason)
    with transaction.atomic():
        limit = find_limit(level)
        return ask_always(
            action=ACTION,
            target=Target("accounts.kyclimit", level, str(limit)),
            payload=change_payload(limit, changes, LIMIT_FIELDS, seen=seen),
            request_id=request_id,
            reason=reason,
            actor=actor,
            now=now,
        )


def preview(payload: Mapping[str, Any]) -> list[EffectRow]:
    """The limits that would differ. Raises Refusal row_changed."""
    return change_effects(find_limit(payload["row"]), payload)


def execute(approval: ApprovalRequest, actor: Actor, now: datetime) -> None:
    """Change them, if they are still what they were."""
    change_limit(
        level=approval.payload["row"],
        changes=changes_of(KycLimit, approval.payload),
        seen=approval.payload["seen"],
        approval_id=approval.pk,
        actor=actor,
        now=now,
        reason=approval.reason,
    )
