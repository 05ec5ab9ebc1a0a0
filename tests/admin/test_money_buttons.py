"""Deposit, withdraw, adjust: before and after shown, one transfer whoever presses how often, all recorded."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from accounts.models import LedgerKind, Role, TradingAccount, Transfer
from tests.admin.conftest import Lived, SignIn
from tests.admin.pressing import errors, filled, press, recorded, said
from tests.admin.registry import act
from tests.factories import money

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
        balance, _held, available, _other = answer.context["effects"]
        after = "900" if name == "withdraw" else "1\u2009100"
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
            ("NaN", "Enter a number."),
            ("Infinity", "Enter a number."),
            ("ten", "Enter a number."),
            ("0", "must not be zero"),
            ("0.000000001", "has 8 digits after the point"),
            ("1" * 21, "Ensure that there are no more than 20 digits before the decimal point."),
        ],
    )
    def test_refuses_a_bad_amount(
        self, amount: str, complaint: str, name: str, boss: Client, funded: TradingAccount
    ) -> None:
        transfers = Transfer.objects.count()

        answer = press(boss, act(TradingAccount, funded.pk, name), confirm=True, **answers(funded, amount))

        assert answer.status_code in {200, 400}
        assert any(complaint in message for message in errors(answer)["amount"])
        assert (Transfer.objects.count(), money(funded, funded.currency)) == (transfers, ("1000", "0"))

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
