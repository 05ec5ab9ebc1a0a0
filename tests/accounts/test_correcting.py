"""A transfer is corrected by one the other way round, at most by what is left, once for each request."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from accounts.models import FundingRequest, LedgerKind, TradingAccount, Transfer, TransferKind
from accounts.services.correcting import correct, left_to_correct
from accounts.services.funding import withdraw
from accounts.services.posting import Cause, Ledger
from audit.models import AuditRecord
from instruments.models import Asset
from tests.factories import ACTOR, NOW, everything_stored, fund, make_account, make_asset, make_market, money
from tests.threads import all_at_once
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.invariants import check_all

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def one_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another connection would not see the test's own transaction: every check would hold of nothing."""
    for module in ("tradeplatform.common.invariants", "orders.invariants"):
        monkeypatch.setattr(f"{module}.READ_ONLY", "default")


_RULES = ("iM1", "iM2", "iM3", "iM4-balance", "iM4-chain", "iM4-time", "iM5", "iM6-entry", "iM6-correction",
          "iA2-money")  # fmt: skip


@pytest.fixture
def asset() -> Asset:
    return make_asset(decimals=8)


@pytest.fixture
def account(asset: Asset) -> TradingAccount:
    account = make_account(currency=asset)
    fund(account, asset, 100)
    return account


@pytest.fixture
def deposited(account: TradingAccount) -> Transfer:
    return Transfer.objects.get(credit__account=account)


def take_back(transfer: Transfer, amount: str | Decimal, request_id: str = "one", **how: Any) -> Transfer:
    values: dict[str, Any] = {
        "transfer_id": transfer.id,
        "amount": Decimal(amount),
        "reason": "entered twice",
        "request_id": request_id,
        "actor": ACTOR,
        "now": NOW,
    }
    return correct(**(values | how))


def refused(transfer: Transfer, amount: str, **how: Any) -> Refusal:
    def picture() -> object:
        return everything_stored(), [m.objects.count() for m in (Transfer, FundingRequest, AuditRecord)]

    before = picture()
    with pytest.raises(Refusal) as caught:
        take_back(transfer, amount, **how)
    assert picture() == before
    return caught.value


def broken() -> list[Any]:
    findings = check_all(only=_RULES)
    assert all(finding.examined for finding in findings if finding.code in {"iM1", "iM2", "iM6-correction"})
    return [finding for finding in findings if not finding.holds]


def test_a_part_and_then_the_rest(account: TradingAccount, asset: Asset, deposited: Transfer) -> None:
    first = take_back(deposited, "30.5")
    second = take_back(deposited, "69.5", "two")

    assert [(row.kind, row.corrects_id, row.amount) for row in (first, second)] == [
        (TransferKind.CORRECTION, deposited.id, Decimal("30.5")),
        (TransferKind.CORRECTION, deposited.id, Decimal("69.5")),
    ]
    assert (first.debit_id, first.credit_id) == (deposited.credit_id, deposited.debit_id)
    assert (money(account, asset), money(None, asset, LedgerKind.FUNDING)) == (("0", "0"), ("0", "0"))
    assert left_to_correct(deposited) == 0
    assert broken() == []
    record = AuditRecord.objects.get(action="accounts.money.correction", after__transfer=second.id)
    assert (record.reason, record.before["left"], record.after["left"]) == ("entered twice", "69.5", "0")


def test_more_than_is_left_is_refused(account: TradingAccount, asset: Asset, deposited: Transfer) -> None:
    fund(account, asset, 500)
    take_back(deposited, "60")

    refusal = refused(deposited, "40.00000001", request_id="two")

    assert (refusal.code, refusal.status) == (Code.CORRECTION_TOO_LARGE, 409)
    assert (refusal.context["amount"], refusal.context["left"]) == ("100", "40")


def test_a_correction_can_be_corrected(account: TradingAccount, asset: Asset, deposited: Transfer) -> None:
    correction = take_back(deposited, "100")
    take_back(correction, "100", "two")

    assert money(account, asset) == ("100", "0")
    assert [left_to_correct(row) for row in (deposited, correction)] == [0, 0]
    assert broken() == []


def test_what_was_spent_cannot_be_taken_back(
    account: TradingAccount, asset: Asset, deposited: Transfer
) -> None:
    withdraw(
        account_id=account.id,
        asset=asset.code,
        amount=Decimal(1),
        reason="rent",
        request_id="w",
        actor=ACTOR,
        now=NOW,
    )

    refusal = refused(deposited, "100")

    assert (refusal.code, refusal.context["available"]) == (Code.INSUFFICIENT_FUNDS, "99")


@pytest.mark.parametrize(
    ("amount", "how", "code"),
    [
        ("0", {}, Code.INVALID_NUMBER),
        ("-1", {}, Code.INVALID_NUMBER),
        ("NaN", {}, Code.INVALID_NUMBER),
        ("0.000000001", {}, Code.INVALID_NUMBER),
        ("1e40", {}, Code.INVALID_NUMBER),
        ("1", {"reason": "  "}, Code.REASON_REQUIRED),
        ("1", {"request_id": ""}, Code.INVALID_FIELD),
        ("1", {"transfer_id": 2**40}, Code.NOT_FOUND),
    ],
)
def test_bad_input_moves_nothing(deposited: Transfer, amount: str, how: dict[str, Any], code: Code) -> None:
    assert refused(deposited, amount, **how).code == code


def test_a_request_has_one_effect(account: TradingAccount, asset: Asset, deposited: Transfer) -> None:
    first = take_back(deposited, "10")

    assert take_back(deposited, "10") == first
    assert refused(deposited, "11").code == Code.REQUEST_ID_CONFLICT
    assert money(account, asset) == ("90", "0")


@pytest.mark.django_db(transaction=True)
def test_sixteen_at_once_take_back_no_more_than_there_was(account: TradingAccount, asset: Asset) -> None:
    fund(account, asset, 1000)
    deposited = Transfer.objects.filter(credit__account=account).earliest("id")

    results = all_at_once([partial(take_back, deposited, "30", f"r{number}") for number in range(16)])

    refusals = [result.code for result in results if isinstance(result, Refusal)]
    assert refusals == [Code.CORRECTION_TOO_LARGE] * 13
    assert (money(account, asset), left_to_correct(deposited)) == (("1010", "0"), Decimal(10))


@pytest.mark.parametrize("wrong", ["too much", "same way", "unknown"])
def test_the_database_refuses_a_correction_that_does_not_fit(
    account: TradingAccount, asset: Asset, deposited: Transfer, wrong: str
) -> None:
    fund(account, asset, 500)

    def write() -> None:
        with transaction.atomic():
            ledger = Ledger.lock(clients=[(account.id, asset.id)], system=[(LedgerKind.FUNDING, asset.id)])
            client, other = ledger.client(account.id, asset.id), ledger.system(LedgerKind.FUNDING, asset.id)
            ledger.transfer(
                at=NOW,
                kind=TransferKind.CORRECTION,
                debit=other if wrong == "same way" else client,
                credit=client if wrong == "same way" else other,
                amount=Decimal("100.1" if wrong == "too much" else 1),
                cause=Cause(corrects_id=2**40 if wrong == "unknown" else deposited.id),
            )
            ledger.flush()

    before = everything_stored()
    with pytest.raises(IntegrityError, match="does not correct"):
        write()
    assert everything_stored() == before


def test_a_trade_is_one_entry_and_its_fee_can_be_corrected() -> None:
    market = make_market()
    seller, buyer = market.trader(), market.trader()
    market.sell(seller, 1, 50_000)
    market.buy(buyer, 1, 50_000)
    market.drain()
    legs = list(Transfer.objects.filter(trade_id__isnull=False).order_by("id"))
    fee = next(leg for leg in legs if leg.kind == TransferKind.FEE)

    correction = take_back(fee, fee.amount)

    assert {leg.entry_id for leg in legs} == {legs[0].id}
    assert (correction.entry_id, correction.trade_id, correction.order_id) == (
        correction.id,
        fee.trade_id,
        None,
    )
    assert broken() == []
    # It was taken back without another person's agreement, which is what iA8 looks for.
    assert [finding.code for finding in check_all() if not finding.holds] == ["iA8"]
