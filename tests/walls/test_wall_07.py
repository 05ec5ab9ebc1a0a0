"""Wall 7: a ledger transfer has one debit account, one credit account, one asset and an amount above zero."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import Sum

from accounts.models import AccountType, LedgerAccount, Transfer
from instruments.models import Asset, Realm
from tests.factories import NOW, fund, make_account, make_asset, make_market

pytestmark = pytest.mark.django_db

COLUMNS = (
    "id, entry_id, at, kind, asset_id, realm, debit_id, credit_id, amount, debit_balance_after,"
    " credit_balance_after, request_id, reason"
)


@pytest.fixture
def row() -> dict[str, Any]:
    """A transfer that could be written."""
    asset = make_asset()
    payer, payee = make_account(currency=asset), make_account(currency=asset)
    for account in (payer, payee):
        fund(account, asset, 100)
    return {
        "asset": asset.id,
        "realm": Realm.LIVE.value,
        "debit": LedgerAccount.objects.get(account=payer).id,
        "credit": LedgerAccount.objects.get(account=payee).id,
        "amount": Decimal(1),
    }


def insert(row: dict[str, Any]) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO accounts_transfer ({COLUMNS}) VALUES"  # noqa: S608
            " (nextval('accounts_transfer_id_seq'), currval('accounts_transfer_id_seq'), %s, 'adjustment',"
            " %s, %s, %s, %s, %s, 0, 0, '', '')",
            [NOW, row["asset"], row["realm"], row["debit"], row["credit"], row["amount"]],
        )
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def other_assets_account() -> int:
    asset = make_asset()
    account = make_account(currency=asset)
    fund(account, asset, 1)
    return LedgerAccount.objects.get(account=account).id


def demo_account(asset_id: int) -> int:
    asset = Asset.objects.get(id=asset_id)
    account = make_account(currency=asset, type=AccountType.DEMO)
    fund(account, asset, 1)
    return LedgerAccount.objects.get(account=account).id


def test_wall_07_the_row_as_such_could_be_written(row: dict[str, Any]) -> None:
    before = Transfer.objects.count()
    insert(row)

    assert Transfer.objects.count() == before + 1


@pytest.mark.parametrize(
    ("changes", "constraint"),
    [
        ({"amount": 0}, "transfer_amount_positive"),
        ({"amount": -1}, "transfer_amount_positive"),
        ({"amount": Decimal("NaN")}, "transfer_amount_positive"),
        ({"debit": None}, "debit_id"),
        ({"credit": None}, "credit_id"),
        ({"asset": None}, "asset_id"),
        ({"credit": "the debit"}, "transfer_sides_differ"),
        ({"credit": "of another asset"}, "transfer_credit_of_asset"),
        ({"debit": "of another asset"}, "transfer_debit_of_asset"),
        ({"asset": "another"}, "transfer_debit_of_asset|transfer_credit_of_asset"),
        ({"debit": 2**40}, "transfer_debit_of_asset"),
        ({"realm": None}, "realm"),
        ({"realm": Realm.DEMO.value}, "transfer_debit_of_asset_and_realm|transfer_credit_of_asset_and_realm"),
        ({"credit": "of a demo account"}, "transfer_credit_of_asset_and_realm"),
        ({"debit": "of a demo account"}, "transfer_debit_of_asset_and_realm"),
    ],
)
def test_wall_07_an_unbalanced_transfer_cannot_be_written(
    row: dict[str, Any], changes: dict[str, Any], constraint: str
) -> None:
    words = {
        "the debit": row["debit"],
        "of another asset": other_assets_account(),
        "another": make_asset().id,
        "of a demo account": demo_account(row["asset"]),
    }
    before = Transfer.objects.count()

    with pytest.raises(IntegrityError, match=constraint):
        insert(row | {name: words.get(value, value) for name, value in changes.items()})

    assert Transfer.objects.count() == before


def test_wall_07_a_ledger_account_keeps_its_asset(row: dict[str, Any]) -> None:
    """What was posted to an account in one asset cannot become another's by changing the account."""
    with pytest.raises(IntegrityError, match=r"transfer_(debit|credit)_of_asset"):
        LedgerAccount.objects.filter(id=row["debit"]).update(asset=make_asset())


def test_wall_07_every_asset_sums_to_zero_after_trading() -> None:
    market = make_market()
    for price in (50000, 50000.01, 49999.99):
        market.sell(market.trader(), "0.3333", str(price))
        market.buy(market.trader(), "0.3333", str(price))
    market.drain()

    sums = LedgerAccount.objects.values("asset").annotate(sum=Sum("balance"))
    assert {row["sum"] for row in sums} == {Decimal(0)}
