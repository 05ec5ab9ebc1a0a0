"""The identity check of a person, its state and its level, which says how much they may withdraw.

It is changed by two persons, whatever the policies say: one asks, another agrees.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from accounts.models import User
from accounts.services.authority import lock_user, require_authority
from accounts.services.limits import CURRENCY, level_of, limits_of
from audit.actor import Actor
from audit.approvable import EffectRow
from audit.models import ApprovalRequest
from audit.services.approving import Target, ask_always
from audit.services.reasons import require_reason
from audit.services.recording import agreed, record
from audit.services.row_changes import change_effects, change_payload, changes_of
from instruments.scaling import grouped, short_text
from tradeplatform.common.changes import Seen, apply_changes
from tradeplatform.common.errors import Code, Refusal

IDENTITY_FIELDS = ("kyc_status", "kyc_level")
ACTION = "accounts.user.identity"
#: What who asks for it needs.
RIGHT = "accounts.change_user"


def ask_identity_change(
    *,
    user_id: int,
    changes: Mapping[str, Any],
    seen: Seen | None = None,
    request_id: str,
    actor: Actor,
    now: datetime,
    reason: str,
) -> ApprovalRequest:
    """Ask for another state or level of a person's identity check.

    Raises Refusal: reason_required, not_found, permission_denied (a powerful person, or oneself),
    row_changed, no_change, invalid_field, request_id_conflict.
    """
    reason = require_reason(reason)
    with transaction.atomic():
        user = lock_user(user_id, actor)
        _require_may(actor, user)
        return ask_always(
            action=ACTION,
            target=Target("accounts.user", user.pk, user.username),
            payload=change_payload(user, changes, IDENTITY_FIELDS, seen=seen),
            request_id=request_id,
            reason=reason,
            actor=actor,
            now=now,
        )


def preview(payload: Mapping[str, Any]) -> list[EffectRow]:
    """What of the check would differ, and what the person may then withdraw. Raises Refusal row_changed."""
    user = User.objects.filter(id=payload["row"]).first()
    if user is None:
        raise Refusal(Code.NOT_FOUND, "No such user.", user=payload["row"])
    effects, before = change_effects(user, payload), _may_withdraw(user)
    for name, value in changes_of(User, payload).items():
        setattr(user, name, value)
    return [*effects, ("May withdraw in 24 hours and 30 days", before, _may_withdraw(user))]


def execute(approval: ApprovalRequest, actor: Actor, now: datetime) -> None:
    """Change it, if it is still what it was; `actor` is who agreed, and nobody agrees about themselves."""
    payload = approval.payload
    user = lock_user(payload["row"], actor)
    if user.pk == actor.user_id:
        raise _own()
    _require_may(Actor.user(user_id=approval.maker_id, label=approval.maker_label), user)
    before, after = apply_changes(user, changes_of(User, payload), IDENTITY_FIELDS, seen=payload["seen"])
    user.save(update_fields=list(after))
    record(
        actor=actor,
        action=ACTION,
        target_type="accounts.user",
        target_id=user.pk,
        target_label=user.username,
        reason=approval.reason,
        before=before,
        after=after | agreed(approval.pk),
        now=now,
    )


def _require_may(actor: Actor, user: User) -> None:
    if user.pk == actor.user_id:
        raise _own()
    require_authority(actor, user)


def _own() -> Refusal:
    return Refusal(Code.PERMISSION_DENIED, "Nobody decides about their own identity check.")


def _may_withdraw(user: User) -> str:
    daily, monthly = (grouped(short_text(limit)) for limit in limits_of(level_of(user)))
    return f"{daily} and {monthly} {CURRENCY}"
