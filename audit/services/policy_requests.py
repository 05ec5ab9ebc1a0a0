"""Ask for a policy to be added or changed: another person agrees, whatever the policies say.

Who could change a policy alone could set aside the second person for anything. So these two acts always wait
(Act.always); the seeds' policies are made by the platform itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from audit.actor import Actor
from audit.approvable import EffectRow, act_of, house
from audit.models import ApprovalPolicy, ApprovalRequest
from audit.services import approving
from audit.services.approving import Target
from audit.services.policies import (
    POLICY_FIELDS,
    add_policy,
    change_policy,
    check_policy,
    find_policy,
    new_policy,
)
from audit.services.reasons import require_reason
from audit.services.row_changes import change_effects, change_payload, changes_of
from tradeplatform.common.changes import Seen, from_plain, plain

ADD, CHANGE = "audit.policy.add", "audit.policy.change"
#: What who asks for it needs.
RIGHT = "audit.change_approvalpolicy"


def ask_policy(
    *, action: str, values: Mapping[str, Any], request_id: str, actor: Actor, now: datetime, reason: str
) -> ApprovalRequest:
    """Ask for a policy more.

    Raises Refusal: reason_required, field_is_fixed, invalid_field, request_id_conflict.
    """
    reason = require_reason(reason)
    with transaction.atomic():
        policy = new_policy(action, values)
        return approving.ask_always(
            action=ADD,
            target=Target("audit.approvalpolicy", "", str(policy)[:150]),
            payload={"action": action, "values": plain(policy, POLICY_FIELDS)},
            request_id=request_id,
            reason=reason,
            actor=actor,
            now=now,
        )


def ask_policy_change(
    *,
    policy_id: int,
    changes: Mapping[str, Any],
    seen: Seen | None = None,
    request_id: str,
    actor: Actor,
    now: datetime,
    reason: str,
) -> ApprovalRequest:
    """Ask for other terms of a policy.

    Raises Refusal: reason_required, not_found, field_is_fixed, row_changed, no_change, invalid_field,
    request_id_conflict.
    """
    reason = require_reason(reason)
    with transaction.atomic():
        policy = find_policy(policy_id)
        return approving.ask_always(
            action=CHANGE,
            target=Target("audit.approvalpolicy", policy.pk, str(policy)[:150]),
            payload=change_payload(policy, changes, POLICY_FIELDS, seen=seen),
            request_id=request_id,
            reason=reason,
            actor=actor,
            now=now,
        )


def preview_add(payload: Mapping[str, Any]) -> list[EffectRow]:
    """The new policy, in words."""
    policy = _new(payload)
    above = "whatever the amount" if policy.above is None else f"{policy.above:f} {policy.asset}"
    terms = f"{policy.approvers} x {_role(policy.role)}, within {policy.expires_after}"
    return [
        ("Act", "", act_of(policy.action).title),
        ("Above", "", above),
        ("Needs", "", terms if policy.active else f"{terms}; not active yet"),
    ]


def execute_add(approval: ApprovalRequest, actor: Actor, now: datetime) -> None:
    """Add it, if there is none by now."""
    payload = approval.payload
    values = from_plain(ApprovalPolicy, payload["values"])
    add_policy(
        action=payload["action"],
        values=values,
        approval_id=approval.pk,
        actor=actor,
        now=now,
        reason=approval.reason,
    )


def preview_change(payload: Mapping[str, Any]) -> list[EffectRow]:
    """The terms that would differ."""
    policy = find_policy(payload["row"])
    effects = change_effects(policy, payload)
    for name, value in changes_of(ApprovalPolicy, payload).items():
        setattr(policy, name, value)
    check_policy(policy)
    return effects


def execute_change(approval: ApprovalRequest, actor: Actor, now: datetime) -> None:
    """Change it, if it is still what it was."""
    change_policy(
        policy_id=approval.payload["row"],
        changes=changes_of(ApprovalPolicy, approval.payload),
        seen=approval.payload["seen"],
        approval_id=approval.pk,
        actor=actor,
        now=now,
        reason=approval.reason,
    )


def _new(payload: Mapping[str, Any]) -> ApprovalPolicy:
    return new_policy(payload["action"], from_plain(ApprovalPolicy, payload["values"]))


def _role(role: str) -> str:
    return dict(house().roles).get(role, role).lower()
