"""The policies of approval: which of them covers an act, and how they are added and changed.

People ask for an addition or a change (policy_requests.py), and another person agrees: who could change a
policy alone could free himself of it. What is here does it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from audit.actor import Actor
from audit.approvable import Act, DefaultPolicy, act_of, acts, house
from audit.models import ApprovalPolicy
from audit.services.reasons import require_reason
from audit.services.recording import agreed, record
from tradeplatform.common.changes import Seen, apply_changes, only, plain, validate
from tradeplatform.common.db import require_transaction, run_alone
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.statements import Statement, known

# Policies are few and rarely changed: one change at a time, so that each sees those before it.
_ALONE = "audit.policies"
_ACTIVE = "SELECT 1 FROM audit_approvalpolicy WHERE action = %s::text AND active LIMIT 1"
POLICY_FIELDS = ("above", "asset", "approvers", "role", "expires_after", "active")


def policy_for(action: str, *, amount: Decimal | None, asset: str, now: datetime) -> ApprovalPolicy | None:
    """The policy that covers an act of this size, or None; see ApprovalPolicy for which of several.

    An act that always waits is covered by its first default one (no row then) where no other covers it.
    """
    covering = [
        policy
        for policy in ApprovalPolicy.objects.filter(action=action, active=True)
        if _covers(policy, amount, asset, now)
    ]
    if not covering and (act := act_of(action)).always:
        return _policy(act, act.policies[0])
    return max(covering, key=lambda policy: (policy.approvers, policy.above or 0, policy.pk), default=None)


def has_policy(action: str) -> Statement[bool]:
    """Whether any act of the kind may need approval."""
    return known(value=True) if act_of(action).always else Statement(_ACTIVE, [action], bool)


def new_policy(action: str, values: Mapping[str, Any]) -> ApprovalPolicy:
    """A policy that could be added, not stored. Raises Refusal: field_is_fixed, invalid_field."""
    only(values, POLICY_FIELDS)
    policy = ApprovalPolicy(action=action, **values)
    check_policy(policy)
    return policy


def add_policy(
    *,
    action: str,
    values: Mapping[str, Any],
    approval_id: int | None = None,
    actor: Actor,
    now: datetime,
    reason: str,
) -> ApprovalPolicy:
    """Add a policy. Raises Refusal: reason_required, field_is_fixed, invalid_field (there is one, too)."""
    reason = require_reason(reason)
    with transaction.atomic():
        run_alone(_ALONE)
        policy = new_policy(action, values)
        policy.save(force_insert=True)
        after = plain(policy, ("action", *POLICY_FIELDS)) | agreed(approval_id)
        _record(policy, "add", {}, after, actor=actor, now=now, reason=reason)
    return policy


def change_policy(
    *,
    policy_id: int,
    changes: Mapping[str, Any],
    seen: Seen | None = None,
    approval_id: int | None = None,
    actor: Actor,
    now: datetime,
    reason: str,
) -> ApprovalPolicy:
    """Change a policy for the acts that are asked for from now on; those that wait keep their terms.

    Raises Refusal: reason_required, not_found, field_is_fixed, row_changed, no_change, invalid_field.
    """
    reason = require_reason(reason)
    with transaction.atomic():
        run_alone(_ALONE)
        policy = find_policy(policy_id)
        before, after = apply_changes(policy, changes, POLICY_FIELDS, seen=seen)
        check_policy(policy)
        policy.save(update_fields=list(after))
        _record(policy, "change", before, after | agreed(approval_id), actor=actor, now=now, reason=reason)
    return policy


def find_policy(policy_id: int) -> ApprovalPolicy:
    """The policy. Raises Refusal not_found."""
    policy = ApprovalPolicy.objects.filter(id=policy_id).first()
    if policy is None:
        raise Refusal(Code.NOT_FOUND, "No such policy.", policy=policy_id)
    return policy


def seed_policies() -> int:
    """Give each act that has no policy at all its default ones; returns how many were added.

    Must run alone, in a transaction. What an operator has changed or switched off stays so.
    """
    require_transaction()
    known = set(ApprovalPolicy.objects.values_list("action", flat=True))
    return len(
        ApprovalPolicy.objects.bulk_create(
            _policy(act, default) for act in acts() if act.name not in known for default in act.policies
        )
    )


def _policy(act: Act, default: DefaultPolicy) -> ApprovalPolicy:
    return ApprovalPolicy(
        action=act.name,
        above=default.above,
        asset=default.asset,
        approvers=default.approvers,
        role=default.role,
        expires_after=default.expires_after,
    )


def _covers(policy: ApprovalPolicy, amount: Decimal | None, asset: str, now: datetime) -> bool:
    if policy.above is None:
        return True
    if amount is None:
        return False
    worth = abs(amount) if asset == policy.asset else house().worth(abs(amount), asset, policy.asset, now)
    return worth is None or worth > policy.above


def check_policy(policy: ApprovalPolicy) -> None:
    """Refuse with invalid_field what is no policy, or one that there is."""
    if policy.action not in {act.name for act in acts()}:
        raise Refusal(Code.INVALID_FIELD, "No act has this name.", field="action")
    if policy.role not in dict(house().roles):
        raise Refusal(Code.INVALID_FIELD, "No such role.", field="role")
    validate(policy)


def _record(
    policy: ApprovalPolicy,
    verb: str,
    before: dict[str, Any],
    after: dict[str, Any],
    *,
    actor: Actor,
    now: datetime,
    reason: str,
) -> None:
    record(
        actor=actor,
        action=f"audit.policy.{verb}",
        target_type="audit.approvalpolicy",
        target_id=policy.pk,
        target_label=str(policy)[:150],
        reason=reason,
        before=before,
        after=after,
        now=now,
    )
