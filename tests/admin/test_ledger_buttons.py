"""Correct a transfer, and export the ledger, from the back office."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import LedgerKind, Role, TradingAccount, Transfer
from audit.models import ApprovalRequest
from tests.admin.conftest import SignIn
from tests.admin.pressing import errors, filled, press, said
from tests.admin.registry import act, address
from tests.audit.agreeing import agree
from tests.factories import money


@pytest.fixture
def deposited(funded: TradingAccount) -> Transfer:
    return Transfer.objects.get(credit__account=funded)


def test_a_correction_is_shown_then_asked_for_then_made(
    boss: Client, sign_in: SignIn, funded: TradingAccount, deposited: Transfer
) -> None:
    url = act(Transfer, deposited.pk, "correct")
    form: dict[str, Any] = {"amount": "400", "reason": "entered twice"}
    asked = press(boss, url, **form)
    assert money(funded, funded.currency) == ("1000", "0")
    assert [effect.label for effect in asked.context["effects"]] == [
        f"{funded} balance", "Funding (outside world) balance", "Left to correct", "Approval",
    ]  # fmt: skip
    assert asked.context["effects"][-1].after == "waits for 1 compliance officer: nothing moves before"

    answer = press(boss, url, confirm=True, **form)

    assert "was sent for approval" in said(answer)
    assert money(funded, funded.currency) == ("1000", "0")
    approval, officer = ApprovalRequest.objects.get(), sign_in(Role.COMPLIANCE_OFFICER)
    approve = act(ApprovalRequest, approval.pk, "approve")
    shown = officer.get(approve).context["effects"]
    assert [effect.label for effect in shown][1:] == [
        f"{funded} balance", "Funding (outside world) balance", "Left to correct",
    ]  # fmt: skip
    press(officer, approve, reason="seen the papers")

    correction = Transfer.objects.latest("id")
    assert (correction.corrects_id, correction.amount) == (deposited.pk, Decimal(400))
    assert money(funded, funded.currency) == ("600", "0")
    assert money(None, funded.currency, LedgerKind.FUNDING) == ("-600", "0")
    page = boss.get(address(Transfer, "change", deposited.pk)).content.decode()
    assert "entered twice" in page


@pytest.mark.parametrize("amount", ["1000.01", "0"])
def test_more_than_is_left_is_refused_beside_its_field(
    boss: Client, funded: TradingAccount, deposited: Transfer, amount: str
) -> None:
    answer = press(boss, act(Transfer, deposited.pk, "correct"), amount=amount, reason="too much")

    assert "amount" in errors(answer)
    assert (Transfer.objects.count(), ApprovalRequest.objects.count()) == (1, 0)


def test_pressed_twice_asks_once(boss: Client, deposited: Transfer) -> None:
    url = act(Transfer, deposited.pk, "correct")
    data = filled(boss, url, amount="400", reason="entered twice", confirm="1")

    answers = [boss.post(url, data) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [302, 302]
    assert ApprovalRequest.objects.count() == 1


def test_what_was_taken_back_whole_has_no_button(boss: Client, deposited: Transfer) -> None:
    url = act(Transfer, deposited.pk, "correct")
    press(boss, url, confirm=True, amount="1000", reason="entered twice")
    assert boss.get(url).status_code == 200
    approval = ApprovalRequest.objects.get()
    agree(approval, now=approval.created_at)

    assert boss.get(url).status_code == 302


class TestExport:
    @pytest.fixture(autouse=True)
    def one_connection(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tradeplatform.common.invariants.READ_ONLY", "default")
        monkeypatch.setattr("accounts.exporting.READ_ONLY", "default")

    def test_streams_the_days_asked_for(self, boss: Client, deposited: Transfer) -> None:
        answer: Any = boss.get(reverse("admin:ledger_export"), {"from": "2026-03-01", "to": "2026-03-31"})

        lines = b"".join(answer.streaming_content).decode().splitlines()
        assert answer.headers["Content-Disposition"] == (
            'attachment; filename="ledger-2026-03-01-to-2026-03-31.csv"'
        )
        assert (lines[0].split(",")[0], lines[1].split(",")[0], len(lines)) == (
            "transfer", str(deposited.pk), 2,
        )  # fmt: skip

    def test_a_wrong_period_leads_back(self, boss: Client) -> None:
        answer = boss.get(reverse("admin:ledger_export"), {"from": "2026-03-31", "to": "2026-03-01"})

        assert answer.status_code == 302

    @pytest.mark.parametrize(
        ("role", "status"), [(Role.SUPPORT, 403), (Role.COMPLIANCE_OFFICER, 200), (Role.ADMIN, 200)]
    )
    def test_who_may(self, sign_in: SignIn, role: Role, status: int) -> None:
        assert sign_in(role).get(reverse("admin:ledger_export")).status_code == status
