"""Deposit, withdraw, adjust: before and after shown, one transfer whoever presses how often, all recorded."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from accounts.models import KycLimit, LedgerKind, MoneyKind, MoneyRequest, Role, TradingAccount, Transfer
from audit.models import ApprovalRequest
from tests.accounts.wishing import needs_approval
from tests.admin.conftest import Lived, SignIn
from tests.admin.pressing import errors, filled, press, recorded, said
from tests.admin.registry import act, address
from tests.factories import make_account, money

REASON = "bank statement 17"
BUTTONS = ["deposit", "withdraw", "adjust"]


def answers(account: TradingAccount, amount: str) -> dict[str, Any]:
    return {"asset": account.currency.code, "amount": amount, "reason": REASON}


@pytest.mark.parametrize(
    ("name", "amount", "balance", "action", "other"),
    [
        ("deposit", "250.5", "1250.5", "accounts.money.deposit", LedgerKind.FUNDING),
        ("withdraw", "250.5", "749.5", "accounts.money.withdrawal", LedgerKind.FUNDING),
        ("adjust", "0.25", "1000.25", "accounts.money.adjustment", LedgerKind.HOUSE),
        ("adjust", "-0.25", "999.75", "accounts.money.adjustment", LedgerKind.HOUSE),
    ],
)
def test_moves_once_and_is_recorded(
    name: str,
    amount: str,
    balance: str,
    action: str,
    other: LedgerKind,
    sign_in: SignIn,
    funded: TradingAccount,
) -> None:
    client = sign_in(Role.ADMIN)
    before = len(recorded(action))

    answer = press(client, act(TradingAccount, funded.pk, name), confirm=True, **answers(funded, amount))

    assert answer.status_code == 302
    assert money(funded, funded.currency) == (balance, "0")
    transfer = Transfer.objects.latest("id")
    sides = {transfer.debit.kind, transfer.credit.kind}
    assert (transfer.amount, sides) == (abs(Decimal(amount)), {LedgerKind.CLIENT, other})
    assert (transfer.actor_id, transfer.reason) == (client.user.id, REASON)  # type: ignore[attr-defined]
    record = recorded(action)[before]
    assert record.before == {"asset": funded.currency.code, "balance": "1000"}
    assert record.after == {"asset": funded.currency.code, "balance": balance, "transfer": transfer.pk}
    assert f"transfer {transfer.pk}" in said(answer)


@pytest.mark.parametrize("name", BUTTONS)
class TestEveryMoneyButton:
    def test_asks_before_it_moves(self, name: str, boss: Client, funded: TradingAccount) -> None:
        transfers = Transfer.objects.count()

        answer = press(boss, act(TradingAccount, funded.pk, name), **answers(funded, "100"))

        assert answer.status_code == 200
        assert answer.context["confirming"]
        balance, _held, available, _other = answer.context["effects"][:4]
        after = "900" if name == "withdraw" else "1\u202f100"
        assert f"{after}.00000000" in str(balance.after)
        assert f"{after}.00000000" in str(available.after)
        assert Transfer.objects.count() == transfers

    def test_sent_again_finds_it_done(self, name: str, boss: Client, funded: TradingAccount) -> None:
        button = act(TradingAccount, funded.pk, name)
        data = filled(boss, button, **answers(funded, "100")) | {"confirm": "1"}
        transfers = Transfer.objects.count()

        first = said(boss.post(button, data))
        second = said(boss.post(button, data))

        assert second == f"{first} {first}"
        assert Transfer.objects.count() == transfers + 1

    @pytest.mark.parametrize(
        ("amount", "complaint"),
        [
            ("", "This field is required."),
            ("NaN", "Write a decimal number"),
            ("Infinity", "Write a decimal number"),
            ("ten", "Write a decimal number"),
            ("1e2", "Write a decimal number"),
            ("5_0", "Write a decimal number"),
            ("\u0663", "Write a decimal number"),
            ("+5", "Write a decimal number"),
            ("0", "must not be zero"),
            ("0.000000001", "has 8 digits after the point"),
            ("1" * 19, "Write a decimal number"),
        ],
    )
    def test_refuses_a_bad_amount(
        self, amount: str, complaint: str, name: str, boss: Client, funded: TradingAccount
    ) -> None:
        transfers = Transfer.objects.count()

        answer = press(boss, act(TradingAccount, funded.pk, name), **answers(funded, amount))

        assert answer.status_code in {200, 400}
        assert not answer.context["confirming"]
        assert any(complaint in message for message in errors(answer)["amount"])
        assert (Transfer.objects.count(), money(funded, funded.currency)) == (transfers, ("1000", "0"))

    def test_what_the_press_would_refuse_is_refused_before_the_effect(
        self, name: str, boss: Client, funded: TradingAccount
    ) -> None:
        stored = (Transfer.objects.count(), MoneyRequest.objects.count())
        data = answers(funded, "100") | {"document_hash": "no hash"}

        answer = press(boss, act(TradingAccount, funded.pk, name), **data)

        assert errors(answer) == {"document_hash": ["A SHA-256 has 64 characters of 0-9 a-f."]}
        assert not answer.context["confirming"]
        assert (Transfer.objects.count(), MoneyRequest.objects.count()) == stored

    def test_wants_a_reason(self, name: str, boss: Client, funded: TradingAccount) -> None:
        transfers = Transfer.objects.count()

        data = answers(funded, "100") | {"reason": ""}
        answer = press(boss, act(TradingAccount, funded.pk, name), confirm=True, **data)

        assert errors(answer) == {"reason": ["This field is required."]}
        assert Transfer.objects.count() == transfers

    def test_is_forbidden_without_the_right(self, name: str, sign_in: SignIn, funded: TradingAccount) -> None:
        transfers = Transfer.objects.count()
        data = answers(funded, "100") | {"request_id": "r", "confirm": "1"}

        for role in (Role.SUPPORT, Role.RISK_MANAGER, Role.COMPLIANCE_OFFICER):
            answer = sign_in(role).post(act(TradingAccount, funded.pk, name), data)
            assert answer.status_code == 403

        assert (Transfer.objects.count(), money(funded, funded.currency)) == (transfers, ("1000", "0"))


def test_a_negative_deposit_is_no_withdrawal(boss: Client, funded: TradingAccount) -> None:
    answer = press(boss, act(TradingAccount, funded.pk, "deposit"), confirm=True, **answers(funded, "-5"))

    assert "amount" in errors(answer)
    assert money(funded, funded.currency) == ("1000", "0")


def test_what_orders_hold_cannot_be_withdrawn(boss: Client, lived: Lived) -> None:
    quote = lived.market.instrument.quote
    balance, held = money(lived.buyer, quote)

    data = {"asset": quote.code, "amount": balance, "reason": REASON}
    answer = press(boss, act(TradingAccount, lived.buyer.pk, "withdraw"), confirm=True, **data)

    assert answer.status_code == 400
    assert f"{Decimal(held)} is held by open orders" in errors(answer)["amount"][0].replace(
        ".000000000000000000", ""
    )
    assert money(lived.buyer, quote) == (balance, held)


def test_one_request_id_for_another_amount_is_a_conflict(boss: Client, funded: TradingAccount) -> None:
    button = act(TradingAccount, funded.pk, "deposit")
    data = filled(boss, button, **answers(funded, "100")) | {"confirm": "1"}
    boss.post(button, data)

    answer = boss.post(button, data | {"amount": "200"})

    assert answer.status_code == 409
    assert money(funded, funded.currency) == ("1100", "0")


class TestWhenOthersMustAgree:
    """The press asks; the money moves when somebody else has said yes."""

    def test_the_effect_says_who_and_the_press_sends_it(
        self, sign_in: SignIn, funded: TradingAccount
    ) -> None:
        needs_approval(MoneyKind.WITHDRAWAL, above=Decimal(50), asset="USD")
        client = sign_in(Role.ADMIN)
        button = act(TradingAccount, funded.pk, "withdraw")
        assert len(press(client, button, **answers(funded, "50")).context["effects"]) == 6

        shown = press(client, button, **answers(funded, "80")).context["effects"]
        assert (shown[-1].label, shown[-1].after) == (
            "Approval",
            "waits for 1 compliance officer: the amount is held at once and leaves when it is approved",
        )
        at_once_and_then = [
            (f"{funded} held, at once", "0.00000000 USD", "80.00000000 USD"),
            (f"{funded} available, at once", "1\u202f000.00000000 USD", "920.00000000 USD"),
            (f"{funded} held, when approved", "80.00000000 USD", "0.00000000 USD"),
            (f"{funded} balance, when approved", "1\u202f000.00000000 USD", "920.00000000 USD"),
        ]
        assert [(row.label, row.before, row.after) for row in shown[:4]] == at_once_and_then
        answer = press(client, button, confirm=True, **answers(funded, "80"))
        asked_for = ApprovalRequest.objects.get().effects
        assert [tuple(row) for row in asked_for[:4]] == at_once_and_then

        money_request = MoneyRequest.objects.get()
        assert "Withdrawal was sent for approval: " in said(answer)
        assert address(ApprovalRequest, "change", money_request.approval_id) in said(answer)
        assert money(funded, funded.currency) == ("1000", "80")
        page = client.get(address(TradingAccount, "change", funded.pk)).content.decode()
        assert address(MoneyRequest, "change", money_request.pk) in page

    def test_the_inbox_leads_to_the_account_and_the_request_and_pays(
        self, sign_in: SignIn, funded: TradingAccount
    ) -> None:
        needs_approval(MoneyKind.WITHDRAWAL)
        press(sign_in(Role.ADMIN), act(TradingAccount, funded.pk, "withdraw"), confirm=True,
              **answers(funded, "80"))  # fmt: skip
        waits, officer = MoneyRequest.objects.get(), sign_in(Role.COMPLIANCE_OFFICER)

        page = officer.get(address(ApprovalRequest, "change", waits.approval_id)).content.decode()
        assert address(TradingAccount, "change", funded.pk) in page
        assert address(MoneyRequest, "change", waits.pk) in page
        answer = press(officer, act(ApprovalRequest, waits.approval_id, "approve"), reason=REASON)

        assert "Approved and done: withdrawal" in said(answer)
        assert money(funded, funded.currency) == ("920", "0")
        page = officer.get(address(MoneyRequest, "change", waits.pk)).content.decode()
        assert address(Transfer, "change", MoneyRequest.objects.get().transfer_id) in page

    def test_what_cannot_be_done_any_more_says_why(self, sign_in: SignIn, funded: TradingAccount) -> None:
        needs_approval(MoneyKind.ADJUSTMENT)
        boss = sign_in(Role.ADMIN)
        press(boss, act(TradingAccount, funded.pk, "adjust"), confirm=True, **answers(funded, "-600"))
        press(boss, act(TradingAccount, funded.pk, "withdraw"), confirm=True, **answers(funded, "500"))
        waits, officer = ApprovalRequest.objects.get(), sign_in(Role.COMPLIANCE_OFFICER)

        shown = officer.get(act(ApprovalRequest, waits.pk, "approve"))
        assert shown.context["effects"][-1].label == "It cannot be done now"
        answer = press(officer, act(ApprovalRequest, waits.pk, "approve"), reason=REASON)

        assert "Only 500 USD is available" in errors(answer)["__all__"][0]
        assert ApprovalRequest.objects.get().state == "pending"


class TestTransfer:
    def test_between_accounts_of_one_person(self, boss: Client, funded: TradingAccount) -> None:
        other = make_account(currency=funded.currency, user=funded.user)
        data = answers(funded, "80") | {"to_account": other.account_number}

        shown = press(boss, act(TradingAccount, funded.pk, "transfer"), **data).context["effects"]
        press(boss, act(TradingAccount, funded.pk, "transfer"), confirm=True, **data)

        assert [effect.label for effect in shown] == [
            *(f"{account} {what}" for account in (funded, other) for what in ("balance", "held", "available"))
        ]
        assert (money(funded, funded.currency), money(other, other.currency)) == (("920", "0"), ("80", "0"))

    def test_to_somebody_else_is_refused_at_the_field(self, boss: Client, funded: TradingAccount) -> None:
        theirs = make_account(currency=funded.currency)

        for number in (theirs.account_number, funded.account_number, "NOPE", "a\0b"):
            answer = press(boss, act(TradingAccount, funded.pk, "transfer"), confirm=True,
                           **answers(funded, "80"), to_account=number)  # fmt: skip
            assert "to_account" in errors(answer)
        assert money(funded, funded.currency) == ("1000", "0")


@pytest.mark.parametrize("name", ["credit", "bonus"])
def test_the_house_lends(name: str, boss: Client, funded: TradingAccount) -> None:
    press(boss, act(TradingAccount, funded.pk, name), confirm=True, **answers(funded, "80"))

    assert money(funded, funded.currency) == ("1000", "0")
    assert money(funded, funded.currency, LedgerKind.CREDIT) == ("80", "0")


def test_limits_are_shown_before_the_press_and_changed_when_another_agrees(
    sign_in: SignIn, funded: TradingAccount
) -> None:
    client = sign_in(Role.ADMIN)
    edit = act(KycLimit, 3, "edit")
    data: dict[str, Any] = {"daily": "90", "monthly": "100", "reason": REASON}

    shown = press(client, edit, **data).context["effects"]
    assert [effect.label for effect in shown] == ["Daily", "Monthly", "Approval"]
    press(client, edit, confirm=True, **data)
    assert KycLimit.objects.get(level=3).daily == 1_000_000
    approval = ApprovalRequest.objects.get()
    press(sign_in(Role.COMPLIANCE_OFFICER), act(ApprovalRequest, approval.pk, "approve"), reason="agreed")

    (record,) = recorded("accounts.limit.change")
    assert record.after == {"daily": "90", "monthly": "100", "approval": approval.pk}
    button = act(TradingAccount, funded.pk, "withdraw")
    rows = [
        (e.label, e.before, e.after)
        for e in press(client, button, **answers(funded, "90")).context["effects"]
    ]
    assert rows[-2] == ("Withdrawn in 24 hours, of 90.00 USD", "0.00 USD", "90.00 USD")
    answer = press(client, button, **answers(funded, "91"))
    assert not answer.context["confirming"]
    assert "Level 3 may withdraw 90 USD in 24 hours: 90 is left." in str(errors(answer))
    assert sign_in(Role.COMPLIANCE_OFFICER).get(edit).status_code == 403


def test_who_approves_a_withdrawal_sees_the_limits(sign_in: SignIn, funded: TradingAccount) -> None:
    needs_approval(MoneyKind.WITHDRAWAL, role=Role.COMPLIANCE_OFFICER)
    withdraw = act(TradingAccount, funded.pk, "withdraw")
    press(sign_in(Role.ADMIN), withdraw, confirm=True, **answers(funded, "80"))
    (approval,) = ApprovalRequest.objects.all()
    page = act(ApprovalRequest, approval.pk, "approve")
    officer = sign_in(Role.COMPLIANCE_OFFICER)

    def shown() -> list[tuple[object, ...]]:
        effects = officer.get(page).context["effects"]
        return [(effect.label, effect.before, effect.after) for effect in effects]

    assert ("Withdrawn in 24 hours, of 1\u202f000\u202f000.00 USD", "0.00 USD", "80.00 USD") in shown()
    KycLimit.objects.filter(level=3).update(daily=79)
    refusal = "Level 3 may withdraw 79 USD in 24 hours: 79 is left."
    assert shown()[1:] == [("It cannot be done now", "", refusal)]
    assert money(funded, funded.currency) == ("1000", "80")
