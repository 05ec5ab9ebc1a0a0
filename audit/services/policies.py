"""The policies of approval: which of them covers an act, and how people add and change them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from audit.actor import Actor
from audit.approvable import acts, house
from audit.models import ApprovalPolicy
from audit.services.reasons import require_reason
from audit.services.recording import record
from tradeplatform.common.changes import apply_changes, only, plain, validate
from tradeplatform.common.db import require_transaction
from tradeplatform.common.errors import Code, Refusal

POLICY_FIELDS = ("above", "asset", "approvers", "role", "expires_after", "active")


def policy_for(action: str, *, amount: Decimal | None, asset: str, now: datetime) -> ApprovalPolicy | None:
    """The policy that covers an act of this size, or None; see ApprovalPolicy for which of several."""
    covering = [
        policy
        for policy in ApprovalPolicy.objects.filter(action=action, active=True)
        if _covers(policy, amount, asset, now)
    ]
    return max(covering, key=lambda policy: (policy.approvers, policy.above or 0, policy.pk), default=None)


def add_policy(
    *, action: str, values: Mapping[str, Any], actor: Actor, now: datetime, reason: str
) -> ApprovalPolicy:
    """Add a policy. Raises Refusal: reason_required, field_is_fixed, invalid_field."""
    reason = require_reason(reason)
    only(values, POLICY_FIELDS)
    policy = ApprovalPolicy(action=action, **values)
    with transaction.atomic():
        _validate(policy)
        policy.save(force_insert=True)
        _record(
            policy, "add", {}, plain(policy, ("action", *POLICY_FIELDS)), actor=actor, now=now, reason=reason
        )
    return policy


def change_policy(
    *, policy_id: int, changes: Mapping[str, Any], actor: Actor, now: datetime, reason: str
) -> ApprovalPolicy:
    """Change a policy for the acts that are asked for from now on; those that wait keep their terms.

    Raises Refusal: reason_required, not_found, field_is_fixed, no_change, invalid_field.
    """
    reason = require_reason(reason)
    with transaction.atomic():
        policy = ApprovalPolicy.objects.select_for_update(no_key=True).filter(id=policy_id).first()
        if policy is None:
            raise Refusal(Code.NOT_FOUND, "No such policy.", policy=policy_id)
        before, after = apply_changes(policy, changes, POLICY_FIELDS)
        _validate(policy)
        policy.save(update_fields=list(after))
        _record(policy, "change", before, after, actor=actor, now=now, reason=reason)
    return policy


def seed_policies() -> int:
    """Give each act that has no policy at all its default ones; returns how many were added.

    Must run alone, in a transaction. What an operator has changed or switched off stays so.
    """
    require_transaction()
    known = set(ApprovalPolicy.objects.values_list("action", flat=True))
    return len(
        ApprovalPolicy.objects.bulk_create(
            ApprovalPolicy(
                action=act.name,
                above=default.above,
                asset=default.asset,
                approvers=default.approvers,
                role=default.role,
                expires_after=default.expires_after,
            )
            for act in acts()
            if act.name not in known
            for default in act.policies
        )
    )


def _covers(policy: ApprovalPolicy, amount: Decimal | None, asset: str, now: datetime) -> bool:
    if policy.above is None:
        return True
    if amount is None:
        return False
    worth = abs(amount) if asset == policy.asset else house().worth(abs(amount), asset, policy.asset, now)
    return worth is None or worth > policy.above


def _validate(policy: ApprovalPolicy) -> None:
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
