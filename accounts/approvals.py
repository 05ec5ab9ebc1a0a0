"""Which acts of accounts may need approval, and what approvals ask of people."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial

from accounts.backends import roles_held
from accounts.models import MoneyKind, Role, TradingAccount, User
from accounts.permissions import STAFF_ROLES
from accounts.services import correction_requests, identity, limit_requests, staff_requests
from accounts.services.authority import hands_of
from accounts.services.money_effects import preview
from accounts.services.money_requests import action_of, ended, execute
from audit.approvable import Act, DefaultPolicy, House, approvable, nothing_held, register_house
from audit.models import ApprovalRequest
from instruments.services.converting import Purpose, convert
from tradeplatform.common.errors import Refusal

#: What an operator needs to ask for it in a client's name.
RIGHT = {
    MoneyKind.DEPOSIT: "accounts.deposit_tradingaccount",
    MoneyKind.WITHDRAWAL: "accounts.withdraw_tradingaccount",
    MoneyKind.TRANSFER: "accounts.transfer_tradingaccount",
    MoneyKind.CREDIT: "accounts.credit_tradingaccount",
    MoneyKind.BONUS: "accounts.credit_tradingaccount",
    MoneyKind.ADJUSTMENT: "accounts.adjust_tradingaccount",
}
_OFFICER, _RISK = Role.COMPLIANCE_OFFICER.value, Role.RISK_MANAGER.value
_POLICIES = {
    MoneyKind.DEPOSIT: (DefaultPolicy(_OFFICER, Decimal(100_000), "USD"),),
    MoneyKind.WITHDRAWAL: (
        DefaultPolicy(_OFFICER, Decimal(1_000), "USD"),
        DefaultPolicy(_OFFICER, Decimal(100_000), "USD", approvers=2),
    ),
    MoneyKind.TRANSFER: (),
    MoneyKind.CREDIT: (DefaultPolicy(_RISK, expires_after=timedelta(days=1)),),
    MoneyKind.BONUS: (DefaultPolicy(_RISK, Decimal(100), "USD"),),
    MoneyKind.ADJUSTMENT: (DefaultPolicy(_RISK, expires_after=timedelta(days=1)),),
}


def _maker_may(approval: ApprovalRequest) -> bool:
    """An owner about their own account, an operator with the right; nobody who was deactivated."""
    maker = User.objects.filter(id=approval.maker_id, is_active=True).first()
    if maker is None:
        return False
    if TradingAccount.objects.filter(id=approval.payload["account"], user=maker).exists():
        return True
    return maker.has_perm(RIGHT[MoneyKind(approval.payload["kind"])])


def _roles(user_id: int) -> frozenset[str]:
    user = User.objects.filter(id=user_id).first()
    return frozenset() if user is None else roles_held(user)


def _worth(amount: Decimal, asset: str, target: str, now: datetime) -> Decimal | None:
    """At the platform's own rates, None without one."""
    try:
        return convert(amount, asset, target, purpose=Purpose.LIMIT, now=now).amount
    except Refusal:
        return None


def _may(user_id: int, permission: str) -> bool:
    """Nobody who was deactivated."""
    user = User.objects.filter(id=user_id, is_active=True).first()
    return user is not None and user.has_perm(permission)


def _has_right(right: str, approval: ApprovalRequest) -> bool:
    return _may(approval.maker_id, right)


for kind in MoneyKind:
    approvable(
        Act(
            name=action_of(kind),
            title=kind.label,
            maker_may=_maker_may,
            preview=preview,
            execute=execute,
            ended=ended,
            policies=_POLICIES[kind],
        )
    )
for name, title, module in (
    (correction_requests.ACTION, "Correction", correction_requests),
    (limit_requests.ACTION, "Change withdrawal limits", limit_requests),
    (identity.ACTION, "Change identity check", identity),
):
    approvable(
        Act(
            name=name,
            title=title,
            maker_may=partial(_has_right, module.RIGHT),
            preview=module.preview,
            execute=module.execute,
            ended=nothing_held,
            policies=(DefaultPolicy(_OFFICER),),
            always=True,
        )
    )
for name, title, preview_of, execute_it, ended_as in (
    (
        staff_requests.GRANT,
        "Grant role",
        staff_requests.preview_grant,
        staff_requests.execute_grant,
        nothing_held,
    ),
    (
        staff_requests.PASSWORD,
        "Set login password",
        staff_requests.preview_password,
        staff_requests.execute_password,
        staff_requests.forget_password,
    ),
    (
        staff_requests.RESET,
        "Reset second factor",
        staff_requests.preview_reset,
        staff_requests.execute_reset,
        nothing_held,
    ),
    (
        staff_requests.REOPEN,
        "Activate login",
        staff_requests.preview_reopening,
        staff_requests.execute_reopening,
        nothing_held,
    ),
):
    approvable(
        Act(
            name=name,
            title=title,
            maker_may=partial(_has_right, staff_requests.RIGHTS[name]),
            preview=preview_of,
            execute=execute_it,
            ended=ended_as,
            policies=(DefaultPolicy(_OFFICER),),
            always=True,
        )
    )
register_house(
    House(
        roles=[(role.value, role.label) for role in Role if role in STAFF_ROLES],
        roles_of=_roles,
        may=_may,
        hands_of=hands_of,
        worth=_worth,
    )
)
