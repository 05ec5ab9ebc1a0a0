"""People who ask for money to be moved, and others who approve it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction

from accounts.models import (
    FundingRequest,
    KycStatus,
    MoneyKind,
    MoneyRequest,
    Role,
    TradingAccount,
    Transfer,
    User,
)
from accounts.services.limits import seed_limits
from accounts.services.money_requests import Asked, Wish, action_of, request_money
from audit.models import ApprovalDecision, ApprovalRequest, AuditRecord
from audit.services.approving import decide
from audit.services.policies import add_policy
from instruments.models import Asset
from tests.audit.naming import by
from tests.factories import ACTOR, NOW, everything_stored, make_account, make_asset, make_user
from tradeplatform.common.errors import Refusal


def dollars() -> Asset:
    """USD, in which limits are; made once."""
    found = Asset.objects.filter(code="USD").first()
    return found or make_asset(code="USD", decimals=2)


def known_client(level: int = 3, *roles: Role) -> User:
    """A person whose identity check was approved at this level; there are limits then."""
    with transaction.atomic():
        seed_limits()
    user = make_user(*(roles or (Role.TRADER,)))
    user.kyc_level, user.kyc_status = level, KycStatus.APPROVED
    user.save(update_fields=["kyc_level", "kyc_status"])
    return user


def client_account(level: int = 3, *, asset: Asset | None = None, **changes: Any) -> TradingAccount:
    """An account of such a person, without money."""
    return make_account(currency=asset or dollars(), user=known_client(level), **changes)


def wish_for(
    kind: MoneyKind,
    account: TradingAccount,
    amount: str | int | Decimal,
    request_id: str = "one",
    **changes: Any,
) -> Wish:
    """A wish with plain arguments."""
    values: dict[str, Any] = {"asset": account.currency.code, "reason": "in writing"}
    return Wish(
        kind=kind,
        account_id=account.pk,
        amount=Decimal(amount),
        request_id=request_id,
        **(values | changes),
    )


def ask_money(
    kind: MoneyKind,
    account: TradingAccount,
    amount: str | int | Decimal,
    request_id: str = "one",
    *,
    by_whom: User | None = None,
    now: Any = NOW,
    **changes: Any,
) -> Asked:
    """Ask as the owner, unless somebody else is named."""
    wish = wish_for(kind, account, amount, request_id, **changes)
    return request_money(wish, actor=by(by_whom or account.user), now=now)


def needs_approval(kind: MoneyKind, **changes: Any) -> None:
    """From now on every such act needs one compliance officer, unless told otherwise."""
    values = {"role": Role.COMPLIANCE_OFFICER} | changes
    add_policy(action=action_of(kind), values=values, actor=ACTOR, now=NOW, reason="rules")


def decided(money: MoneyRequest, *, approve: bool = True, by_whom: User | None = None, now: Any = NOW) -> Any:
    """A decision of an officer about it."""
    assert money.approval_id is not None
    checker = by_whom or make_user(Role.COMPLIANCE_OFFICER)
    return decide(
        approval_id=money.approval_id, approve=approve, actor=by(checker), now=now, reason="looked at it"
    )


def picture() -> object:
    """Everything that asking and deciding could change."""
    models = (Transfer, FundingRequest, AuditRecord, MoneyRequest, ApprovalRequest, ApprovalDecision)
    return (
        everything_stored(),
        [model._default_manager.count() for model in models],
        sorted(MoneyRequest.objects.values_list("id", "state", "held")),
        sorted(ApprovalRequest.objects.values_list("id", "state")),
    )


def refused(ask: Callable[[], Any]) -> Refusal:
    """The refusal of what must change nothing."""
    before = picture()
    with pytest.raises(Refusal) as caught:
        ask()
    assert picture() == before
    return caught.value
