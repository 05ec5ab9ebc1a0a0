"""Create and change people and their trading accounts by hand, each act with a reason and a record.

Roles have a file of their own (roles.py), so have the identity check (identity.py) and money (funding.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.contrib.auth.hashers import make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.models import AccountType, SessionEnd, TradingAccount, TradingGroup, User
from accounts.services import api_keys
from accounts.services.authority import answerable, lock_user, require_agreement, require_authority
from accounts.services.sessions import end_all_sessions
from audit.actor import Actor
from audit.models import ApprovalRequest
from audit.services.reasons import require_reason
from audit.services.recording import agreed, record
from tradeplatform.common.changes import Seen, apply_changes, only, plain, validate
from tradeplatform.common.errors import Code, Refusal

USER_FIELDS = ("first_name", "last_name", "email", "phone", "country_code", "is_verified")
ACCOUNT_FIELDS = ("type", "leverage", "max_leverage", "trade_group")
_OPENED = ("user", "currency", "group", "position_mode", *ACCOUNT_FIELDS)


def create_user(
    *, username: str, values: Mapping[str, Any], password: str, actor: Actor, now: datetime, reason: str
) -> User:
    """Add a person without any role, whose identity nobody has checked.

    Raises Refusal: reason_required, invalid_field, field_is_fixed.
    """
    reason = require_reason(reason)
    only(values, USER_FIELDS)
    user = User(username=username, password_set_by_id=actor.user_id, **values)
    user.password = encoded_password(user, password)
    with transaction.atomic():
        validate(user)
        user.save(force_insert=True)
        after = {"username": username} | plain(user, USER_FIELDS)
        _record(user, "user.create", username, {}, after, actor=actor, now=now, reason=reason)
    return user


def change_user(
    *,
    user_id: int,
    changes: Mapping[str, Any],
    seen: Seen | None = None,
    actor: Actor,
    now: datetime,
    reason: str,
) -> User:
    """Correct a person's details. Their identity check is changed by two persons (identity.py).

    Raises Refusal: reason_required, not_found, permission_denied, field_is_fixed, row_changed, invalid_field,
    no_change.
    """
    reason = require_reason(reason)
    with transaction.atomic():
        user = _locked_user(user_id, actor)
        before, after = apply_changes(user, changes, USER_FIELDS, seen=seen)
        user.save(update_fields=list(after))
        _record(user, "user.change", user.username, before, after, actor=actor, now=now, reason=reason)
    return user


def set_active(
    *,
    user_id: int,
    active: bool,
    approval: ApprovalRequest | None = None,
    actor: Actor,
    now: datetime,
    reason: str,
) -> User:
    """Let a person log in, or end all their sessions at once; activating does not bring them back.

    A staff login is opened again for who asked for it (`approval`), and shut by one person.
    Raises Refusal: reason_required, not_found, permission_denied, no_change.
    """
    reason = require_reason(reason)
    with transaction.atomic():
        user = _locked_user(user_id, actor, approval, agreement=active)
        if not active and user.id == actor.user_id:
            raise Refusal(Code.PERMISSION_DENIED, "You cannot lock yourself out: ask a colleague.")
        if user.is_active == active:
            raise Refusal(Code.NO_CHANGE, f"{user} is {'active' if active else 'deactivated'} already.")
        user.is_active = active
        user.save(update_fields=["is_active"])
        if not active:
            end_all_sessions(user, SessionEnd.DEACTIVATED, now=now)
        api_keys.forget(user_id=user.pk)
        verb = "user.activate" if active else "user.deactivate"
        change = {"is_active": not active}, {"is_active": active} | _under(approval)
        _record(user, verb, user.username, *change, actor=actor, now=now, reason=reason)
    return user


def set_password(*, user_id: int, password: str, actor: Actor, now: datetime, reason: str) -> User:
    """Give a person a new password; all their sessions end. The record does not hold it.

    Raises Refusal: reason_required, not_found, permission_denied, invalid_field.
    """
    with transaction.atomic():
        encoded = encoded_password(_locked_user(user_id, actor), password)
        return put_password(user_id=user_id, encoded=encoded, actor=actor, now=now, reason=reason)


def put_password(
    *,
    user_id: int,
    encoded: str,
    approval: ApprovalRequest | None = None,
    actor: Actor,
    now: datetime,
    reason: str,
) -> User:
    """The same of a password that was checked and hashed before; a staff login's for who asked (`approval`).

    Whoever chose it counts as this person in approvals, until its owner has chosen one.
    """
    reason = require_reason(reason)
    with transaction.atomic():
        user = _locked_user(user_id, actor, approval, agreement=True)
        user.password, user.password_set_by_id = encoded, answerable(actor, approval).user_id
        user.save(update_fields=["password", "password_set_by"])
        end_all_sessions(user, SessionEnd.PASSWORD, now=now)
        after = _under(approval)
        _record(user, "user.set_password", user.username, {}, after, actor=actor, now=now, reason=reason)
    return user


def encoded_password(user: User, password: str) -> str:
    """The hash of a password that is good enough for this person. Raises Refusal invalid_field."""
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise Refusal(Code.INVALID_FIELD, " ".join(error.messages), field="password") from error
    return make_password(password)


def open_account(*, values: Mapping[str, Any], actor: Actor, now: datetime, reason: str) -> TradingAccount:
    """Open a trading account with no money on it, in its group's mode unless another is said.

    Raises Refusal: reason_required, invalid_field.
    """
    reason = require_reason(reason)
    group: TradingGroup | None = values.get("group")
    mode = {"position_mode": group.position_mode} if group else {}
    account = TradingAccount(**mode | dict(values))
    with transaction.atomic():
        validate(account)
        account.save(force_insert=True)
        after = plain(account, _OPENED)
        _record(account, "account.open", str(account), {}, after, actor=actor, now=now, reason=reason)
    return account


def change_account(
    *,
    account_id: int,
    changes: Mapping[str, Any],
    seen: Seen | None = None,
    actor: Actor,
    now: datetime,
    reason: str,
) -> TradingAccount:
    """Change type, leverage and trade group. Play money stays play money: demo is for life.

    Raises Refusal: reason_required, account_not_found, field_is_fixed, row_changed, invalid_field, no_change.
    """
    reason = require_reason(reason)
    with transaction.atomic():
        account = TradingAccount.objects.select_for_update(no_key=True).filter(id=account_id).first()
        if account is None:
            raise Refusal(Code.ACCOUNT_NOT_FOUND, "No such account.", account=account_id)
        was = account.type
        before, after = apply_changes(account, changes, ACCOUNT_FIELDS, seen=seen)
        if account.type != was and AccountType.DEMO in {account.type, was}:
            raise Refusal(Code.FIELD_IS_FIXED, "A demo account stays one, and no other becomes one.")
        account.save(update_fields=list(after))
        _record(account, "account.change", str(account), before, after, actor=actor, now=now, reason=reason)
    return account


def _locked_user(
    user_id: int, actor: Actor, approval: ApprovalRequest | None = None, *, agreement: bool = False
) -> User:
    """The person, whom the actor may change; with `agreement`, a member of staff only for who asked."""
    user = lock_user(user_id, actor)
    require_authority(answerable(actor, approval), user)
    if agreement and user.is_staff:
        require_agreement(actor, user, approval)
    return user


def _under(approval: ApprovalRequest | None) -> dict[str, Any]:
    return dict(agreed(approval.pk if approval else None))


def _record(
    row: User | TradingAccount,
    verb: str,
    label: str,
    before: dict[str, Any],
    after: dict[str, Any],
    *,
    actor: Actor,
    now: datetime,
    reason: str,
) -> None:
    record(
        actor=actor,
        action=f"accounts.{verb}",
        target_type=f"accounts.{row._meta.model_name}",
        target_id=row.pk,
        target_label=label,
        reason=reason,
        before=before,
        after=after,
        now=now,
    )
