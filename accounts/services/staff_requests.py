"""Acts by which one admin could become two persons: about staff they wait until another person agrees.

A staff role, and a staff login's new password, lost second factor and opening again. About everybody else
each is done at once. On the server's shell (`manage.py staff`) they need nobody: that is another authority.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from accounts.backends import roles_of
from accounts.models import Purpose, Role, User
from accounts.permissions import STAFF_ROLES
from accounts.services import people, second_factor, vault
from accounts.services.authority import lock_user, require_authority
from accounts.services.roles import grant_role, require_grantable
from audit.actor import Actor
from audit.approvable import EffectRow
from audit.models import ApprovalRequest, ApprovalState
from audit.services.approving import Target, ask_always
from audit.services.reasons import require_reason
from tradeplatform.common.errors import Code, Refusal

GRANT, PASSWORD = "accounts.role.grant", "accounts.user.set_password"
RESET, REOPEN = "accounts.second_factor.reset", "accounts.user.activate"
#: What who asks for it needs, by act.
RIGHTS = {
    GRANT: "accounts.grant_role",
    PASSWORD: "accounts.change_user",
    RESET: "accounts.change_user",
    REOPEN: "accounts.change_user",
}


def waits(action: str, user: User, *, role: Role | None = None) -> bool:
    """Whether the act about this person needs another one's agreement."""
    return role in STAFF_ROLES if action == GRANT else user.is_staff


def ask_role(
    *,
    user_id: int,
    role: Role,
    expires_at: datetime | None,
    request_id: str,
    actor: Actor,
    now: datetime,
    reason: str,
) -> ApprovalRequest | None:
    """Ask for a role for a person; None when it was granted at once, being no staff role.

    Raises Refusal: reason_required, not_found, permission_denied, no_change, invalid_field,
    request_id_conflict.
    """
    with transaction.atomic():
        user = lock_user(user_id, actor)
        if not waits(GRANT, user, role=role):
            grant_role(user_id=user_id, role=role, expires_at=expires_at, actor=actor, now=now, reason=reason)
            return None
        require_grantable(user, role, expires_at=expires_at, maker=actor, now=now)
        ends = expires_at.isoformat() if expires_at else None
        payload = {"user": user.pk, "role": str(role), "expires_at": ends}
        return _ask(GRANT, user, payload, request_id, actor=actor, now=now, reason=reason)


def ask_password(
    *, user_id: int, password: str, request_id: str, actor: Actor, now: datetime, reason: str
) -> ApprovalRequest | None:
    """Ask for a new password of a member of staff; None when it was set at once, of somebody else.

    Until it is decided the vault keeps its hash. Raises Refusal: reason_required, not_found,
    permission_denied, invalid_field, request_id_conflict.
    """
    with transaction.atomic():
        user = lock_user(user_id, actor)
        if not waits(PASSWORD, user):
            people.set_password(user_id=user_id, password=password, actor=actor, now=now, reason=reason)
            return None
        require_authority(actor, user)
        encoded = people.encoded_password(user, password)
        known = ApprovalRequest.objects.filter(action=PASSWORD, request_id=request_id).exists()
        asked = _ask(PASSWORD, user, {"user": user.pk}, request_id, actor=actor, now=now, reason=reason)
        if not known:
            vault.put(_place(asked), encoded.encode(), actor=actor, now=now)
        return asked


def ask_reset(
    *, user_id: int, request_id: str, actor: Actor, now: datetime, reason: str
) -> ApprovalRequest | None:
    """Ask for a lost second factor of a member of staff to be taken away; None when it was, of somebody else.

    Raises Refusal: reason_required, not_found, permission_denied, second_factor_off, request_id_conflict.
    """
    with transaction.atomic():
        user = lock_user(user_id, actor)
        if not waits(RESET, user):
            second_factor.reset(user_id=user_id, actor=actor, now=now, reason=reason)
            return None
        second_factor.require_resettable(user, actor)
        return _ask(RESET, user, {"user": user.pk}, request_id, actor=actor, now=now, reason=reason)


def ask_reopening(
    *, user_id: int, request_id: str, actor: Actor, now: datetime, reason: str
) -> ApprovalRequest | None:
    """Ask for a staff login to be opened again; None when it was, of somebody else.

    Raises Refusal: reason_required, not_found, permission_denied, no_change, request_id_conflict.
    """
    with transaction.atomic():
        user = lock_user(user_id, actor)
        if not waits(REOPEN, user):
            people.set_active(user_id=user_id, active=True, actor=actor, now=now, reason=reason)
            return None
        require_authority(actor, user)
        return _ask(REOPEN, user, {"user": user.pk}, request_id, actor=actor, now=now, reason=reason)


def preview_grant(payload: Mapping[str, Any]) -> list[EffectRow]:
    """The roles before and after. Raises Refusal no_change."""
    user, role = _user(payload), Role(payload["role"])
    held = roles_of(user)
    if role in held:
        raise Refusal(Code.NO_CHANGE, f"{user} is {role.label.lower()} already.", field="role")
    until = f"{role.label}, until {payload['expires_at']}" if payload["expires_at"] else role.label
    return [("Roles", _words(held), _words(held | {role})), ("New role", "", until), *_who_chose(user)]


def preview_password(payload: Mapping[str, Any]) -> list[EffectRow]:
    """What changes, of somebody who may what."""
    user = _user(payload)
    return [
        ("Password", "the old one", "one that who asked has chosen, and knows"),
        ("Sessions", "go on", "end at once"),
        ("Roles", _words(roles_of(user)), "the same"),
    ]


def preview_reset(payload: Mapping[str, Any]) -> list[EffectRow]:
    """What a login needs. Raises Refusal second_factor_off."""
    user = _user(payload)
    if not second_factor.is_on(user):
        raise Refusal(Code.SECOND_FACTOR_OFF, f"{user} has no second factor.")
    return [
        ("A login needs", "password and code", "the password alone, until they set another up"),
        ("Roles", _words(roles_of(user)), "the same"),
        *_who_chose(user),
    ]


def preview_reopening(payload: Mapping[str, Any]) -> list[EffectRow]:
    """What works again. Raises Refusal no_change."""
    user = _user(payload)
    if user.is_active:
        raise Refusal(Code.NO_CHANGE, f"{user} is active already.")
    return [
        ("Login", "refused", "works, with the password as it was"),
        ("Roles", "none while it is shut", _words(roles_of(user))),
        *_who_chose(user),
    ]


def execute_grant(approval: ApprovalRequest, actor: Actor, now: datetime) -> None:
    """Grant it, if who asked still could."""
    ends = approval.payload["expires_at"]
    grant_role(
        user_id=approval.payload["user"],
        role=Role(approval.payload["role"]),
        expires_at=datetime.fromisoformat(ends) if ends else None,
        approval=approval,
        actor=actor,
        now=now,
        reason=approval.reason,
    )


def execute_password(approval: ApprovalRequest, actor: Actor, now: datetime) -> None:
    """Set it, and forget it in the vault."""
    people.put_password(
        user_id=approval.payload["user"],
        encoded=vault.read(_place(approval), actor=actor, now=now).decode(),
        approval=approval,
        actor=actor,
        now=now,
        reason=approval.reason,
    )
    vault.destroy(_place(approval), actor=actor, now=now)


def forget_password(approval: ApprovalRequest, _state: ApprovalState, now: datetime) -> None:
    """One that will not be set is in the vault no longer."""
    vault.destroy(_place(approval), actor=Actor.system("approvals"), now=now)


def execute_reset(approval: ApprovalRequest, actor: Actor, now: datetime) -> None:
    """Take it away, if it is still there."""
    second_factor.reset(
        user_id=approval.payload["user"], approval=approval, actor=actor, now=now, reason=approval.reason
    )


def execute_reopening(approval: ApprovalRequest, actor: Actor, now: datetime) -> None:
    """Open it, if it is still shut."""
    people.set_active(
        user_id=approval.payload["user"],
        active=True,
        approval=approval,
        actor=actor,
        now=now,
        reason=approval.reason,
    )


def _ask(
    action: str,
    user: User,
    payload: Mapping[str, Any],
    request_id: str,
    *,
    actor: Actor,
    now: datetime,
    reason: str,
) -> ApprovalRequest:
    return ask_always(
        action=action,
        target=Target("accounts.user", user.pk, user.username),
        payload=payload,
        request_id=request_id,
        reason=require_reason(reason),
        actor=actor,
        now=now,
    )


def _place(approval: ApprovalRequest) -> vault.Place:
    return vault.Place.of_user(approval.payload["user"], Purpose.PASSWORD, approval.request_id)


def _user(payload: Mapping[str, Any]) -> User:
    user = User.objects.select_related("password_set_by").filter(id=payload["user"]).first()
    if user is None:
        raise Refusal(Code.NOT_FOUND, "No such user.", user=payload["user"])
    return user


def _who_chose(user: User) -> list[EffectRow]:
    """Who else could log in as this person."""
    if user.password_set_by is None:
        return []
    return [("Password", "", f"chosen by {user.password_set_by}, who could log in as {user}")]


def _words(held: set[Role]) -> str:
    return ", ".join(role.label for role in Role if role in held) or "none"
