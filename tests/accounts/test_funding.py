"""Money in, out and corrected: once for each request id, never below what is available, always recorded."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import FundingRequest, LedgerKind, TradingAccount, Transfer
from accounts.services.funding import adjust, deposit, withdraw
from audit.actor import Actor
from audit.models import AuditRecord
from instruments.models import Asset
from tests.factories import ACTOR, NOW, everything_stored, make_account, make_asset, make_market, money, short
from tests.threads import all_at_once
from tradeplatform.common.errors import Code, Refusal

pytestmark = pytest.mark.django_db


@pytest.fixture
def asset() -> Asset:
    return make_asset(decimals=8)


@pytest.fixture
def account(asset: Asset) -> TradingAccount:
    return make_account(currency=asset)


def move(
    service: Callable[..., Transfer],
    account: TradingAccount,
    asset: Asset,
    amount: str | Decimal,
    request_id: str = "one",
    **how: Any,
) -> Transfer:
    """Call a funding service with plain arguments."""
    values = {
        "account_id": account.id,
        "asset": asset.code,
        "amount": Decimal(amount),
        "reason": "wire 4711",
        "request_id": request_id,
        "actor": ACTOR,
        "now": NOW,
    }
    return service(**(values | how))


def refused(ask: Callable[[], Any]) -> Refusal:
    def picture() -> object:
        counts = [model.objects.count() for model in (Transfer, FundingRequest, AuditRecord)]
        return everything_stored(), counts

    before = picture()
    with pytest.raises(Refusal) as caught:
        ask()
    assert picture() == before
    return caught.value


def test_a_deposit_comes_from_outside(account: TradingAccount, asset: Asset) -> None:
    transfer = move(deposit, account, asset, "100.5")

    assert money(account, asset) == ("100.5", "0")
    assert money(None, asset, LedgerKind.FUNDING) == ("-100.5", "0")
    assert (transfer.kind, short(transfer.amount), transfer.request_id, transfer.reason) == (
        "deposit",
        "100.5",
        "one",
        "wire 4711",
    )
    assert (short(transfer.credit_balance_after), short(transfer.debit_balance_after)) == ("100.5", "-100.5")


def test_a_withdrawal_goes_outside(account: TradingAccount, asset: Asset) -> None:
    move(deposit, account, asset, "100")

    transfer = move(withdraw, account, asset, "30.00000001", "two")

    assert money(account, asset) == ("69.99999999", "0")
    assert money(None, asset, LedgerKind.FUNDING) == ("-69.99999999", "0")
    assert (transfer.kind, short(transfer.amount)) == ("withdrawal", "30.00000001")


@pytest.mark.parametrize(("amount", "after"), [("5", "105"), ("-5", "95")])
def test_an_adjustment_goes_either_way_against_the_house(
    account: TradingAccount, asset: Asset, amount: str, after: str
) -> None:
    move(deposit, account, asset, "100")

    transfer = move(adjust, account, asset, amount, "two")

    assert money(account, asset) == (after, "0")
    assert money(None, asset, LedgerKind.HOUSE) == (short(-Decimal(amount)), "0")
    assert (transfer.kind, short(transfer.amount)) == ("adjustment", "5")


def test_who_why_and_what_changed_is_recorded(account: TradingAccount, asset: Asset) -> None:
    person = Actor.user(user_id=account.user_id, label="ada", ip="192.0.2.1")

    transfer = move(deposit, account, asset, "100.50", actor=person)

    row = AuditRecord.objects.get()
    assert (row.action, row.target_id, row.reason) == ("accounts.money.deposit", str(account.id), "wire 4711")
    assert (row.actor_id, row.actor_label, row.ip) == (account.user_id, "ada", "192.0.2.1")
    assert row.before == {"asset": asset.code, "balance": "0"}
    assert row.after == {"asset": asset.code, "balance": "100.5", "transfer": transfer.id}
    assert transfer.actor_id == account.user_id


class TestIdempotency:
    """One request id, one effect."""

    def test_the_same_request_again_is_the_same_transfer(self, account: TradingAccount, asset: Asset) -> None:
        first = move(deposit, account, asset, "100")
        before = everything_stored()

        again = move(deposit, account, asset, "100.00000000")

        assert again.id == first.id
        assert (everything_stored(), Transfer.objects.count(), AuditRecord.objects.count()) == (before, 1, 1)

    @pytest.mark.parametrize(
        "other",
        [
            {"amount": Decimal("100.00000001")},
            {"reason": "another reason"},
            {"service": adjust},
            {"account": True},
            {"asset": True},
        ],
    )
    def test_another_payload_is_a_conflict(
        self, account: TradingAccount, asset: Asset, other: dict[str, Any]
    ) -> None:
        move(deposit, account, asset, "100")
        how = dict(other)
        service = how.pop("service", deposit)
        whose = make_account(currency=asset) if how.pop("account", False) else account
        what = make_asset() if how.pop("asset", False) else asset

        refusal = refused(lambda: move(service, whose, what, how.pop("amount", "100"), **how))

        assert (refusal.code, refusal.status) == (Code.REQUEST_ID_CONFLICT, 409)

    def test_a_repeat_succeeds_when_the_money_is_gone_since(
        self, account: TradingAccount, asset: Asset
    ) -> None:
        move(deposit, account, asset, "100")
        first = move(withdraw, account, asset, "100", "two")

        assert move(withdraw, account, asset, "100", "two").id == first.id
        assert money(account, asset) == ("0", "0")

    def test_a_refused_request_leaves_its_id_free(self, account: TradingAccount, asset: Asset) -> None:
        refused(lambda: move(withdraw, account, asset, "1", "two"))
        move(deposit, account, asset, "1")

        move(withdraw, account, asset, "1", "two")

        assert money(account, asset) == ("0", "0")


BAD_AMOUNTS = ["0", "-1", "NaN", "sNaN", "Infinity", "-Infinity", "1E+18", "1E+999999999", "1E-999999999"]
TOO_FINE = ["0.000000001", "0." + "1" * 40, "1" * 17 + "." + "0" * 60 + "1", "0." + "9" * 120]


class TestRefused:
    """Nothing moves."""

    @pytest.mark.parametrize("service", [deposit, withdraw])
    @pytest.mark.parametrize("amount", [*BAD_AMOUNTS, *TOO_FINE, "1" * 40])
    def test_what_is_no_amount(
        self, account: TradingAccount, asset: Asset, service: Callable[..., Transfer], amount: str
    ) -> None:
        refusal = refused(lambda: move(service, account, asset, amount))

        assert (refusal.code, refusal.context["field"]) == (Code.INVALID_NUMBER, "amount")

    @pytest.mark.parametrize("amount", [*(bad for bad in BAD_AMOUNTS if bad != "-1"), *TOO_FINE])
    def test_what_is_no_correction(self, account: TradingAccount, asset: Asset, amount: str) -> None:
        assert refused(lambda: move(adjust, account, asset, amount)).code == Code.INVALID_NUMBER

    def test_more_than_there_is(self, account: TradingAccount, asset: Asset) -> None:
        move(deposit, account, asset, "10")

        refusal = refused(lambda: move(withdraw, account, asset, "10.00000001", "two"))

        assert (refusal.code, refusal.context) == (
            Code.INSUFFICIENT_FUNDS,
            {
                "field": "amount",
                "asset": asset.code,
                "available": "10",
                "held": "0",
                "required": "10.00000001",
            },
        )
        assert refused(lambda: move(adjust, account, asset, "-10.00000001", "two")).code == (
            Code.INSUFFICIENT_FUNDS
        )

    def test_more_than_the_ledger_can_count(self, account: TradingAccount, asset: Asset) -> None:
        most = Decimal(10) ** 18 - 1
        for number in range(10):
            move(deposit, account, asset, most, f"r{number}")

        assert refused(lambda: move(deposit, account, asset, "11", "one more")).code == Code.INVALID_NUMBER
        move(deposit, account, asset, "10", "to the brim")
        assert money(account, asset) == ("1" + "0" * 19, "0")

    def test_what_open_orders_hold(self) -> None:
        market = make_market()
        trader = market.trader(base=10, quote=0)
        market.sell(trader, 4, 50000)

        refusal = refused(lambda: move(withdraw, trader, market.instrument.base, "6.0001"))

        assert (refusal.code, refusal.context["available"], refusal.context["held"]) == (
            Code.INSUFFICIENT_FUNDS,
            "6",
            "4",
        )
        move(withdraw, trader, market.instrument.base, "6")
        assert money(trader, market.instrument.base) == ("4", "4")

    @pytest.mark.parametrize("reason", ["", "   ", "\n\t", "a\0b"])
    def test_without_a_reason(self, account: TradingAccount, asset: Asset, reason: str) -> None:
        assert refused(lambda: move(deposit, account, asset, "1", reason=reason)).code in {
            Code.REASON_REQUIRED,
            Code.INVALID_FIELD,
        }

    @pytest.mark.parametrize("request_id", ["", "  ", "x" * 65, "a\0b"])
    def test_without_a_usable_request_id(
        self, account: TradingAccount, asset: Asset, request_id: str
    ) -> None:
        refusal = refused(lambda: move(deposit, account, asset, "1", request_id))

        assert refusal.code == Code.INVALID_FIELD

    @pytest.mark.parametrize("code", ["", "NOPE", "A\0", "\ud800"])
    def test_an_unknown_asset(self, account: TradingAccount, asset: Asset, code: str) -> None:
        assert refused(lambda: move(deposit, account, Asset(code=code), "1")).code == Code.UNKNOWN_ASSET

    def test_an_asset_out_of_use(self, account: TradingAccount, asset: Asset) -> None:
        Asset.objects.filter(id=asset.id).update(is_active=False)

        assert refused(lambda: move(deposit, account, asset, "1")).code == Code.UNKNOWN_ASSET

    @pytest.mark.parametrize("account_id", [0, -1, 2**63])
    def test_an_unknown_account(self, account: TradingAccount, asset: Asset, account_id: int) -> None:
        refusal = refused(lambda: move(deposit, TradingAccount(id=account_id), asset, "1"))

        assert refusal.code == Code.ACCOUNT_NOT_FOUND


@pytest.mark.django_db(transaction=True)
class TestRaces:
    """Several connections at once."""

    def test_one_request_sent_eight_times_moves_money_once(
        self, account: TradingAccount, asset: Asset
    ) -> None:
        results = all_at_once([lambda: move(deposit, account, asset, "100").id] * 8)

        assert len(set(results)) == 1
        assert (money(account, asset), Transfer.objects.count()) == (("100", "0"), 1)

    def test_one_request_id_for_eight_accounts_serves_one_of_them(self, asset: Asset) -> None:
        accounts = [make_account(currency=asset) for _ in range(8)]

        def pay(to: TradingAccount) -> Callable[[], int]:
            return lambda: move(deposit, to, asset, "100").id

        results = all_at_once([pay(one) for one in accounts])

        conflicts = [r for r in results if isinstance(r, Refusal) and r.code == Code.REQUEST_ID_CONFLICT]
        assert (len(conflicts), Transfer.objects.count()) == (7, 1)
        assert sorted(money(one, asset)[0] for one in accounts) == ["0"] * 7 + ["100"]
        assert money(None, asset, LedgerKind.FUNDING) == ("-100", "0")

    def test_withdrawals_never_take_more_than_there_is(self, account: TradingAccount, asset: Asset) -> None:
        move(deposit, account, asset, "10")

        def take(number: int) -> Callable[[], Transfer]:
            return lambda: move(withdraw, account, asset, "1", f"w{number}")

        results = all_at_once([take(number) for number in range(25)])

        assert sum(isinstance(result, Transfer) for result in results) == 10
        refusals = {result.code for result in results if isinstance(result, Refusal)}
        assert (refusals, money(account, asset)) == ({Code.INSUFFICIENT_FUNDS}, ("0", "0"))


def test_the_fingerprint_of_a_request_is_fixed_for_ever(account: TradingAccount, asset: Asset) -> None:
    move(deposit, account, asset, "100.50")

    text = f"deposit|{account.id}|{asset.code}|100.5|wire 4711"
    assert FundingRequest.objects.get().fingerprint == hashlib.sha256(text.encode()).hexdigest()
