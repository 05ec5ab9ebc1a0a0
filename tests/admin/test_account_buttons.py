"""Open, edit, lock, unlock an account."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from accounts.models import Role, TradingAccount
from orders.models import Side
from tests.admin.conftest import Lived, SignIn
from tests.admin.pressing import errors, filled, press, recorded, said
from tests.admin.registry import act, address
from tests.factories import make_user, refusal_of

REASON = "asked for in writing"


def of(account: TradingAccount) -> TradingAccount:
    return TradingAccount.objects.get(pk=account.pk)


class TestLock:
    def test_denies_orders_from_now_on_and_is_recorded(self, sign_in: SignIn, lived: Lived) -> None:
        client = sign_in(Role.COMPLIANCE_OFFICER)

        answer = press(client, act(TradingAccount, lived.buyer.pk, "lock"), reason=REASON)

        assert answer.status_code == 302
        assert (of(lived.buyer).is_locked, of(lived.buyer).locked_reason) == (True, REASON)
        (outcome,) = lived.market.send_all([lived.market.request(lived.buyer, Side.BUY, 1, 49000)])
        assert refusal_of(outcome).code == "account_locked"
        (record,) = recorded("accounts.account.lock")
        assert (record.actor_id, record.reason) == (client.user.id, REASON)  # type: ignore[attr-defined]
        assert record.before == {"is_locked": False, "locked_reason": ""}
        assert record.after == {"is_locked": True, "locked_reason": REASON}
        assert REASON in client.get(address(TradingAccount, "change", lived.buyer.pk)).content.decode()

    def test_pressed_twice_locks_once(self, boss: Client, funded: TradingAccount) -> None:
        button = act(TradingAccount, funded.pk, "lock")
        data = filled(boss, button, reason=REASON)

        boss.post(button, data)
        second = boss.post(button, data)

        assert f"{funded} is locked already." in said(second)
        assert len(recorded("accounts.account.lock")) == 1

    def test_wants_a_reason(self, boss: Client, funded: TradingAccount) -> None:
        answer = press(boss, act(TradingAccount, funded.pk, "lock"), reason="")

        assert errors(answer) == {"reason": ["This field is required."]}
        assert not of(funded).is_locked

    def test_is_forbidden_without_the_right(self, sign_in: SignIn, funded: TradingAccount) -> None:
        answer = sign_in(Role.SUPPORT).post(
            act(TradingAccount, funded.pk, "lock"), {"reason": REASON, "request_id": "x"}
        )

        assert answer.status_code == 403
        assert not of(funded).is_locked
        assert recorded("accounts.account.lock") == []


class TestUnlock:
    @pytest.fixture
    def locked(self, boss: Client, funded: TradingAccount) -> TradingAccount:
        press(boss, act(TradingAccount, funded.pk, "lock"), reason="suspicion")
        return funded

    def test_takes_orders_again_and_is_recorded(self, boss: Client, locked: TradingAccount) -> None:
        page = boss.get(act(TradingAccount, locked.pk, "unlock"))
        assert "suspicion" in page.content.decode()

        answer = press(boss, act(TradingAccount, locked.pk, "unlock"), reason=REASON)

        assert answer.status_code == 302
        assert (of(locked).is_locked, of(locked).locked_reason) == (False, "")
        (record,) = recorded("accounts.account.unlock")
        assert record.before == {"is_locked": True, "locked_reason": "suspicion"}
        assert (record.after, record.reason) == ({"is_locked": False, "locked_reason": ""}, REASON)

    def test_of_an_open_account_says_so(self, boss: Client, funded: TradingAccount) -> None:
        answer = boss.get(act(TradingAccount, funded.pk, "unlock"))

        assert f"{funded} is not locked." in said(answer)
        assert recorded("accounts.account.unlock") == []

    def test_is_forbidden_without_the_right(self, sign_in: SignIn, locked: TradingAccount) -> None:
        answer = sign_in(Role.SUPPORT).post(
            act(TradingAccount, locked.pk, "unlock"), {"reason": REASON, "request_id": "x"}
        )

        assert answer.status_code == 403
        assert of(locked).is_locked


class TestEdit:
    def test_shows_and_records_only_what_differs(self, sign_in: SignIn, funded: TradingAccount) -> None:
        client = sign_in(Role.ADMIN)
        button = act(TradingAccount, funded.pk, "edit")

        shown = press(client, button, leverage=20, trade_group=7, reason=REASON)
        done = press(client, button, confirm=True, leverage=20, trade_group=7, reason=REASON)

        effects = [(e.label, e.before, e.after) for e in shown.context["effects"]]
        assert effects == [("Leverage", 1, 20), ("Trade group", 0, 7)]
        assert done.status_code == 302
        assert (of(funded).leverage, of(funded).trade_group) == (20, 7)
        (record,) = recorded("accounts.account.change")
        assert record.before == {"leverage": 1, "trade_group": 0}
        assert record.after == {"leverage": 20, "trade_group": 7}

    def test_without_a_difference_says_so(self, boss: Client, funded: TradingAccount) -> None:
        answer = press(boss, act(TradingAccount, funded.pk, "edit"), reason=REASON)

        assert answer.status_code == 400
        assert errors(answer) == {"__all__": ["Nothing is different: there is nothing to save."]}

    def test_pressed_twice_changes_once(self, boss: Client, funded: TradingAccount) -> None:
        button = act(TradingAccount, funded.pk, "edit")
        data = filled(boss, button, leverage=20, reason=REASON) | {"confirm": "1"}

        boss.post(button, data)
        second = boss.post(button, data)

        assert second.status_code == 400
        assert len(recorded("accounts.account.change")) == 1

    def test_the_database_has_the_last_word(self, boss: Client, funded: TradingAccount) -> None:
        answer = press(
            boss, act(TradingAccount, funded.pk, "edit"), confirm=True, leverage=900, reason=REASON
        )

        assert answer.status_code == 400
        assert of(funded).leverage == 1
        assert recorded("accounts.account.change") == []

    def test_is_forbidden_without_the_right(self, sign_in: SignIn, funded: TradingAccount) -> None:
        data = {"leverage": 20, "reason": REASON, "request_id": "x", "confirm": "1"}

        answer = sign_in(Role.RISK_MANAGER).post(act(TradingAccount, funded.pk, "edit"), data)

        assert answer.status_code == 403
        assert of(funded).leverage == 1


class TestOpen:
    @property
    def button(self) -> str:
        return address(TradingAccount, "new", "open")

    def answers(self, funded: TradingAccount, **changes: object) -> dict[str, Any]:
        owner = make_user(Role.TRADER)
        return {
            "username": owner.username,
            "account_number": "ACC-77",
            "currency": funded.currency_id,
            "type": "live",
            "reason": REASON,
        } | changes

    def test_opens_an_empty_account_and_is_recorded(self, sign_in: SignIn, funded: TradingAccount) -> None:
        answers = self.answers(funded)

        answer = press(sign_in(Role.ADMIN), self.button, confirm=True, **answers)

        opened = TradingAccount.objects.get(account_number="ACC-77")
        assert answer.headers["Location"] == address(TradingAccount, "change", opened.pk)
        assert (opened.user.username, opened.ledger_accounts.count()) == (answers["username"], 0)
        (record,) = recorded("accounts.account.open")
        assert (record.target_label, record.after["user"]) == ("ACC-77", answers["username"])

    def test_pressed_twice_opens_one(self, boss: Client, funded: TradingAccount) -> None:
        data = filled(boss, self.button, **self.answers(funded)) | {"confirm": "1"}

        boss.post(self.button, data)
        second = boss.post(self.button, data)

        assert second.status_code == 400
        assert TradingAccount.objects.filter(account_number="ACC-77").count() == 1
        assert len(recorded("accounts.account.open")) == 1

    def test_for_nobody_says_so(self, boss: Client, funded: TradingAccount) -> None:
        answer = press(boss, self.button, **self.answers(funded, username="nobody"))

        assert errors(answer) == {"username": ["No such user: give the login name."]}

    def test_is_forbidden_without_the_right(self, sign_in: SignIn, funded: TradingAccount) -> None:
        data = self.answers(funded, request_id="x", confirm="1")

        answer = sign_in(Role.SUPPORT).post(self.button, data)

        assert answer.status_code == 403
        assert not TradingAccount.objects.filter(account_number="ACC-77").exists()
