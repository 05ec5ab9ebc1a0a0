"""What approvals ask of people."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from accounts.backends import roles_held
from accounts.models import Role, User
from accounts.permissions import STAFF_ROLES
from audit.approvable import House, register_house
from instruments.services.converting import Purpose, convert
from tradeplatform.common.errors import Refusal


def _roles(user_id: int) -> frozenset[str]:
    user = User.objects.filter(id=user_id).first()
    return frozenset() if user is None else roles_held(user)


def _may(user_id: int, permission: str) -> bool:
    user = User.objects.filter(id=user_id, is_active=True).first()
    return user is not None and (not permission or user.has_perm(permission))


def _worth(amount: Decimal, asset: str, target: str, now: datetime) -> Decimal | None:
    """At the platform's own rates, None without one."""
    try:
        return convert(amount, asset, target, purpose=Purpose.LIMIT, now=now).amount
    except Refusal:
        return None


register_house(
    House(
        roles=[(role.value, role.label) for role in Role if role in STAFF_ROLES],
        roles_of=_roles,
        may=_may,
        worth=_worth,
    )
)
