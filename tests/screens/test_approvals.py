"""The inbox in a real browser: a client's withdrawal waits, an operator sees what it does, and says yes."""

from __future__ import annotations

import uuid
from decimal import Decimal

import pytest
from django.utils import timezone
from playwright.sync_api import Page

from accounts.models import KycLimit, KycStatus, MoneyKind, MoneyRequest, Role, TradingAccount, User
from accounts.services.money_requests import Wish, request_money
from audit.actor import Actor
from audit.models import ApprovalPolicy, ApprovalRequest
from instruments.models import Asset
from tests.admin.registry import act, address
from tests.factories import fund, make_account, make_user, money
from tests.screens.watching import Watch
from tests.servers import Platform

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def account(platform: Platform) -> TradingAccount:
    """A known client with 800,000 USD."""
    user = make_user(Role.TRADER)
    User.objects.filter(pk=user.pk).update(
        first_name="Clara", last_name="Client", kyc_level=3, kyc_status=KycStatus.APPROVED
    )
    account = make_account(currency=Asset.objects.get(code="USD"), user=user)
    fund(account, account.currency, 800_000, now=timezone.now())
    return account


def withdraw(account: TradingAccount, amount: str) -> MoneyRequest:
    wish = Wish(
        kind=MoneyKind.WITHDRAWAL,
        account_id=account.pk,
        asset="USD",
        amount=Decimal(amount),
        reason="to my bank account",
        request_id=uuid.uuid4().hex,
        reference="DE02 1203 0000 0000 2020 51",
    )
    actor = Actor.user(user_id=account.user_id, label=account.user.username, ip="192.0.2.7")
    return request_money(wish, actor=actor, now=timezone.now()).request


@pytest.mark.parametrize("theme", ["dark"], indirect=True)
def test_every_page_of_the_inbox_opens_without_a_complaint(account: TradingAccount, watch: Watch) -> None:
    small, large = withdraw(account, "1250.5"), withdraw(account, "150000")
    waits = large.approval_id
    pages = {
        "inbox": address(ApprovalRequest, "changelist"),
        "approval": address(ApprovalRequest, "change", waits),
        "approval-approve": act(ApprovalRequest, small.approval_id, "approve"),
        "approval-reject": act(ApprovalRequest, waits, "reject"),
        "money-requests": address(MoneyRequest, "changelist"),
        "money-request": address(MoneyRequest, "change", large.pk),
        "policies": address(ApprovalPolicy, "changelist"),
        "policy-edit": act(ApprovalPolicy, ApprovalPolicy.objects.order_by("pk")[0].pk, "edit"),
        "policy-add": address(ApprovalPolicy, "new", "add"),
        "limits": address(KycLimit, "changelist"),
        "limit-edit": act(KycLimit, 1, "edit"),
        "account-with-requests": address(TradingAccount, "change", account.pk),
    }
    for name, url in pages.items():
        watch.visit(url)
        watch.keep_both(f"approvals-{name}")

    assert watch.problems == []


@pytest.mark.parametrize("theme", ["light"], indirect=True)
def test_from_the_side_bar_to_the_payment_in_clicks(
    account: TradingAccount, page: Page, watch: Watch
) -> None:
    before = money(account, account.currency)[0]
    waits = withdraw(account, "2000")
    watch.visit("/admin/")
    page.click("nav a:has-text('Approvals') >> nth=0")
    page.click(f"#result_list >> text=/^{waits.approval_id}$/")
    page.click("text=Approve")
    assert f"{account} available" in page.inner_text("table.bo-effects")
    page.fill("textarea[name=reason]", "called the client back")
    page.click("button:has-text('Approve')")

    assert "Approved and done: withdrawal" in page.inner_text("#main")
    waits.refresh_from_db()
    assert (waits.state, money(account, account.currency)[0]) == (
        "done",
        f"{Decimal(before) - 2000:f}",
    )
    assert watch.problems == []
