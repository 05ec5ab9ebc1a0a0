"""Grant and revoke roles: the only way rights change. Every act has a reason and leaves a record.

A staff role is asked for (staff_requests.py), and another person agrees; it is taken away at once.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q

from accounts.models import Role, User, UserRole
from accounts.permissions import STAFF_ROLES
from accounts.services.authority import (
    POWERFUL,
    answerable,
    lock_user,
    require_agreement,
    require_authority,
)
from audit.actor import Actor
from audit.models import ApprovalRequest
from audit.services.reasons import require_reason
from audit.services.recording import agreed, record
from tradeplatform.common.errors import Code, Refusal


def grant_role(
    *,
    user_id: int,
    role: Role,
    approval: ApprovalRequest | None = None,
    actor: Actor,
    now: datetime,
    reason: str,
    expires_at: datetime | None = None,
) -> UserRole:
    """Give a person a role, for good or until `expires_at`; a staff role for who asked for it (`approval`).

    Raises Refusal: reason_required, permission_denied, no_change, invalid_field. Only a super admin grants
    or takes a role that could undo this rule, and "super admin" itself is never lent for a time.
    """
    reason = require_reason(reason)
    maker = answerable(actor, approval)
    with transaction.atomic():
        user = lock_user(user_id, actor)
        require_grantable(user, role, expires_at=expires_at, maker=maker, now=now)
        if role in STAFF_ROLES:
            require_agreement(actor, user, approval)
        before = _roles(user)
        # One that has expired goes: the new grant tells who gave it and when.
        UserRole.objects.filter(user=user, role=role).delete()
        granted = UserRole.objects.create(
            user=user, role=role, granted_by_id=maker.user_id, expires_at=expires_at
        )
        _settle(user)
        after: dict[str, Any] = {"role": str(role), **agreed(approval.pk if approval else None)}
        if expires_at:
            after["expires_at"] = expires_at.isoformat()
        _record(user, "grant", before, actor=actor, now=now, reason=reason, after=after)
    return granted


def require_grantable(
    user: User, role: Role, *, expires_at: datetime | None, maker: Actor, now: datetime
) -> None:
    """Refuse a grant that could not be made now.

    Raises Refusal: permission_denied, no_change, invalid_field.
    """
    if expires_at is not None and expires_at <= now:
        raise Refusal(Code.INVALID_FIELD, "The role would end before it began.", field="expires_at")
    if expires_at is not None and role == Role.SUPER_ADMIN:
        raise Refusal(Code.INVALID_FIELD, "Super admin cannot be lent for a time.", field="expires_at")
    require_authority(maker, user, needs_super=role in POWERFUL)
    in_force = Q(expires_at__isnull=True) | Q(expires_at__gt=now)
    if UserRole.objects.filter(in_force, user=user, role=role).exists():
        raise Refusal(Code.NO_CHANGE, f"{user} is {Role(role).label.lower()} already.", field="role")


def revoke_role(*, user_id: int, role: Role, actor: Actor, now: datetime, reason: str) -> None:
    """Take a role away; it is gone with the next request.

    Raises Refusal: reason_required, permission_denied, no_change. Nobody takes "super admin" from
    themselves, so there is always one left.
    """
    reason = require_reason(reason)
    with transaction.atomic():
        user = lock_user(user_id, actor)
        require_authority(actor, user, needs_super=role in POWERFUL)
        if role == Role.SUPER_ADMIN and actor.user_id == user.id:
            raise Refusal(
                Code.PERMISSION_DENIED, "Another super admin must take this role from you: one has to remain."
            )
        before = _roles(user)
        if role not in before:
            raise Refusal(Code.NO_CHANGE, f"{user} is not {Role(role).label.lower()}.")
        UserRole.objects.filter(user=user, role=role).delete()
        _settle(user)
        _record(user, "revoke", before, actor=actor, now=now, reason=reason, after={"role": str(role)})


def _roles(user: User) -> list[str]:
    return sorted(UserRole.objects.filter(user=user).values_list("role", flat=True))


def _settle(user: User) -> None:
    """Bring Django's two flags in line with the roles: who may open the back office, and who may do all."""
    roles = set(_roles(user))
    user.is_staff = bool(roles & STAFF_ROLES)
    user.is_superuser = Role.SUPER_ADMIN in roles
    user.save(update_fields=["is_staff", "is_superuser"])


def _record(
    user: User,
    verb: str,
    before: list[str],
    *,
    actor: Actor,
    now: datetime,
    reason: str,
    after: dict[str, Any],
) -> None:
    record(
        actor=actor,
        action=f"accounts.role.{verb}",
        target_type="accounts.user",
        target_id=user.id,
        target_label=user.username,
        reason=reason,
        before={"roles": before},
        after={"roles": _roles(user)} | after,
        now=now,
    )
