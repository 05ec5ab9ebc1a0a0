"""Withdraw, transfer, look, take back: once for each id, mine alone, and what waits is held."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import MoneyKind, MoneyRequest, TradingAccount
from instruments.models import Asset
from tests.accounts.wishing import ask_money, client_account, decided, needs_approval, picture
from tests.api.client import Api, refused, signed_in
from tests.factories import fund, make_account, money

pytestmark = pytest.mark.django_db


@pytest.fixture
def mine() -> TradingAccount:
    """A known person's account with 1000 USD."""
    account = client_account()
    fund(account, account.currency, 1000)
    return account


@pytest.fixture
def usd(mine: TradingAccount) -> Asset:
    return mine.currency


@pytest.fixture
def api(mine: TradingAccount) -> Api:
    return signed_in(mine)


def body(amount: str = "80", request_id: str = "w-1", **changes: Any) -> dict[str, Any]:
    return {"asset": "USD", "amount": amount, "request_id": request_id} | changes


def withdraw(api: Api, account: TradingAccount, **changes: Any) -> Any:
    return api.post(f"/accounts/{account.pk}/withdrawals", body(**changes))


class TestWithdrawing:
    def test_is_paid_at_once_where_nobody_must_agree(
        self, api: Api, mine: TradingAccount, usd: Asset
    ) -> None:
        answer = withdraw(api, mine, reference="IBAN 4711")

        done = MoneyRequest.objects.get()
        assert done.closed_at is not None
        assert (answer.status_code, answer.json()) == (
            201,
            {
                "id": str(done.pk),
                "request_id": "w-1",
                "kind": "withdrawal",
                "state": "done",
                "account": mine.pk,
                "to_account": None,
                "asset": "USD",
                "amount": "80.00",
                "held": "0.00",
                "reference": "IBAN 4711",
                "reason": "asked for by the client",
                "created_at": done.at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
                "closed_at": done.closed_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
                "transfer_id": str(done.transfer_id),
            },
        )
        assert money(mine, usd) == ("920", "0")

    def test_waits_and_is_held_where_somebody_must(self, api: Api, mine: TradingAccount, usd: Asset) -> None:
        needs_approval(MoneyKind.WITHDRAWAL)

        answer = withdraw(api, mine)

        assert (answer.status_code, answer.json()["state"], answer.json()["held"]) == (
            202,
            "requested",
            "80.00",
        )
        assert money(mine, usd) == ("1000", "80")
        decided(MoneyRequest.objects.get())
        found = api.get(f"/accounts/{mine.pk}/requests/{answer.json()['id']}").json()
        assert (found["state"], found["held"], found["transfer_id"] is None) == ("done", "0.00", False)

    def test_sent_again_is_the_same_request(self, api: Api, mine: TradingAccount, usd: Asset) -> None:
        first = withdraw(api, mine)

        again = withdraw(api, mine, amount="80.00")

        assert (again.status_code, again.json()) == (200, first.json())
        conflict = refused(withdraw(api, mine, amount="81"), "request_id_conflict", 409)
        assert conflict["context"] == {"request_id": first.json()["request_id"]}
        assert money(mine, usd) == ("920", "0")

    def test_two_people_may_use_the_same_id(self, api: Api, mine: TradingAccount) -> None:
        theirs = client_account()
        fund(theirs, theirs.currency, 1000)

        assert withdraw(api, mine).status_code == 201
        assert withdraw(signed_in(theirs), theirs).status_code == 201

    @pytest.mark.parametrize(
        ("changes", "code", "status"),
        [
            ({"amount": "0"}, "invalid_number", 400),
            ({"amount": "-1"}, "invalid_number", 400),
            ({"amount": "1" * 40}, "invalid_number", 400),
            ({"amount": "0.001"}, "invalid_number", 400),
            ({"amount": "1e2"}, "invalid_number", 400),
            ({"amount": "NaN"}, "invalid_number", 400),
            ({"amount": None}, "invalid_field", 400),
            ({"amount": "1000.01"}, "insufficient_funds", 400),
            ({"amount": "1000000.01"}, "kyc_limit_exceeded", 400),
            ({"asset": "NOPE"}, "unknown_asset", 404),
            ({"request_id": ""}, "invalid_field", 400),
            ({"request_id": "a b"}, "invalid_field", 400),
            ({"request_id": "x" * 37}, "invalid_field", 400),
            ({"reference": "x" * 141}, "invalid_field", 400),
            ({"document_hash": "ab" * 32}, "invalid_field", 400),
            ({"kind": "deposit"}, "invalid_field", 400),
        ],
    )
    def test_bad_input_moves_nothing(
        self, api: Api, mine: TradingAccount, changes: dict[str, Any], code: str, status: int
    ) -> None:
        before = picture()

        refused(withdraw(api, mine, **changes), code, status)

        assert picture() == before

    @pytest.mark.parametrize(
        ("state", "code"),
        [({"is_locked": True}, "account_locked"), ({"is_active": False}, "account_inactive")],
    )
    def test_out_of_a_locked_or_closed_account(
        self, api: Api, mine: TradingAccount, state: dict[str, bool], code: str
    ) -> None:
        TradingAccount.objects.filter(pk=mine.pk).update(**state)

        refused(withdraw(api, mine), code, 403)


class TestTransferring:
    def test_goes_to_another_of_my_accounts(self, api: Api, mine: TradingAccount, usd: Asset) -> None:
        other = make_account(currency=usd, user=mine.user)

        answer = api.post(f"/accounts/{mine.pk}/transfers", body(to_account=other.pk))

        assert (answer.status_code, answer.json()["to_account"]) == (201, other.pk)
        assert (money(mine, usd), money(other, usd)) == (("920", "0"), ("80", "0"))

    def test_another_one_with_its_id_is_refused_by_that_id(
        self, api: Api, mine: TradingAccount, usd: Asset
    ) -> None:
        other = make_account(currency=usd, user=mine.user)
        api.post(f"/accounts/{mine.pk}/transfers", body(to_account=other.pk))

        answer = api.post(f"/accounts/{mine.pk}/transfers", body(amount="81", to_account=other.pk))

        assert refused(answer, "request_id_conflict", 409)["context"] == {"request_id": "w-1"}
        assert (money(mine, usd), money(other, usd)) == (("920", "0"), ("80", "0"))

    def test_not_to_itself_nor_to_anybody_else(self, api: Api, mine: TradingAccount, usd: Asset) -> None:
        theirs = make_account(currency=usd)
        url = f"/accounts/{mine.pk}/transfers"

        refused(api.post(url, body(to_account=mine.pk)), "invalid_field")
        refused(api.post(url, body(to_account=theirs.pk)), "account_not_found", 404)
        refused(api.post(url, body(to_account=2**63 - 1)), "account_not_found", 404)
        refused(api.post(url, body()), "invalid_field")
        assert money(mine, usd) == ("1000", "0")


class TestLooking:
    def test_lists_newest_first_in_pages_and_finds_by_my_id(self, api: Api, mine: TradingAccount) -> None:
        ids = [withdraw(api, mine, request_id=f"w-{n}", amount="1").json()["id"] for n in range(3)]
        ask_money(MoneyKind.DEPOSIT, mine, 5, "by an operator")

        first = api.get(f"/accounts/{mine.pk}/requests?limit=3").json()
        rest = api.get(f"/accounts/{mine.pk}/requests?cursor={first['next_cursor']}").json()
        found = api.get(f"/accounts/{mine.pk}/requests?request_id=w-1").json()

        assert [row["kind"] for row in first["results"]] == ["deposit", "withdrawal", "withdrawal"]
        assert first["results"][0]["request_id"] is None
        assert ([row["id"] for row in rest["results"]], rest["next_cursor"]) == ([ids[0]], None)
        assert [row["id"] for row in found["results"]] == [ids[1]]

    def test_nothing_of_another_person_is_there(self, api: Api, mine: TradingAccount) -> None:
        needs_approval(MoneyKind.WITHDRAWAL)
        theirs = client_account()
        fund(theirs, theirs.currency, 1000)
        waits = withdraw(signed_in(theirs), theirs).json()["id"]
        before = picture()

        for answer in (
            withdraw(api, theirs),
            api.post(f"/accounts/{theirs.pk}/transfers", body(to_account=mine.pk)),
            api.get(f"/accounts/{theirs.pk}/requests"),
            api.get(f"/accounts/{theirs.pk}/requests/{waits}"),
            api.delete(f"/accounts/{theirs.pk}/requests/{waits}"),
        ):
            refused(answer, "account_not_found", 404)
        for method in (api.get, api.delete):
            refused(method(f"/accounts/{mine.pk}/requests/{waits}"), "request_not_found", 404)
            refused(method(f"/accounts/{mine.pk}/requests/{2**70}"), "request_not_found", 404)
        assert picture() == before

    def test_strangers_are_not_answered(self, mine: TradingAccount) -> None:
        refused(withdraw(Api(), mine), "not_authenticated", 401)


class TestTakingBack:
    def test_releases_what_it_held_once(self, api: Api, mine: TradingAccount, usd: Asset) -> None:
        needs_approval(MoneyKind.WITHDRAWAL)
        url = f"/accounts/{mine.pk}/requests/{withdraw(api, mine).json()['id']}"

        answer = api.delete(url)

        assert (answer.status_code, answer.json()["state"], answer.json()["held"]) == (
            200,
            "cancelled",
            "0.00",
        )
        assert money(mine, usd) == ("1000", "0")
        refused(api.delete(url), "request_not_open", 409)

    def test_what_is_done_stays_done(self, api: Api, mine: TradingAccount) -> None:
        url = f"/accounts/{mine.pk}/requests/{withdraw(api, mine).json()['id']}"

        refused(api.delete(url), "request_not_open", 409)
