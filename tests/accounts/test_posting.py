"""The ledger's only writer: locks in one order, creates what is missing, writes once, keeps the chain."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from accounts.models import LedgerAccount, LedgerKind, TradingAccount, Transfer, TransferKind
from accounts.selectors import balances_of
from accounts.services.posting import Cause, Entry, Ledger
from instruments.models import Asset
from tests.factories import NOW, fund, make_account, make_asset, money
from tests.threads import all_at_once, elsewhere

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(minutes=1)


@pytest.fixture
def asset() -> Asset:
    return make_asset()


@pytest.fixture
def account(asset: Asset) -> TradingAccount:
    account = make_account(currency=asset)
    fund(account, asset, 100)
    return account


def pay(
    ledger: Ledger,
    payer: TradingAccount,
    payee: TradingAccount,
    asset: Asset,
    amount: str,
    entry: Entry | None = None,
    *,
    at: datetime = NOW,
) -> Entry:
    return ledger.transfer(
        at=at,
        kind=TransferKind.ADJUSTMENT,
        debit=ledger.client(payer.id, asset.id),
        credit=ledger.client(payee.id, asset.id),
        amount=Decimal(amount),
        cause=Cause(reason="test"),
        entry=entry,
    )


def test_postings_of_one_flush_chain(account: TradingAccount, asset: Asset) -> None:
    other = make_account(currency=asset)
    with transaction.atomic():
        ledger = Ledger.lock(clients=[(account.id, asset.id), (other.id, asset.id)])
        for amount in ("10", "20.5", "0.00000001"):
            pay(ledger, account, other, asset, amount)
        pay(ledger, other, account, asset, "30")

        ids = ledger.flush()

    rows = list(Transfer.objects.filter(id__in=ids).order_by("id"))
    assert [row.id for row in rows] == ids == sorted(ids)
    assert [(row.debit_balance_after, row.credit_balance_after) for row in rows] == [
        (Decimal(90), Decimal(10)),
        (Decimal("69.5"), Decimal("30.5")),
        (Decimal("69.49999999"), Decimal("30.50000001")),
        (Decimal("0.50000001"), Decimal("99.49999999")),
    ]
    assert (money(account, asset), money(other, asset)) == (("99.49999999", "0"), ("0.50000001", "0"))


def test_legs_share_the_entry_of_their_first_and_a_transfer_alone_is_its_own(
    account: TradingAccount, asset: Asset
) -> None:
    other = make_account(currency=asset)
    with transaction.atomic():
        ledger = Ledger.lock(clients=[(account.id, asset.id), (other.id, asset.id)])
        pay(ledger, account, other, asset, "1")
        entry = pay(ledger, account, other, asset, "2")
        pay(ledger, account, other, asset, "3")
        pay(ledger, account, other, asset, "4", entry)
        pay(ledger, account, other, asset, "5", entry)
        first = ledger.flush()
        pay(ledger, account, other, asset, "6")
        (again,) = ledger.flush()

    rows = list(Transfer.objects.filter(id__in=[*first, again]).order_by("id"))
    assert [row.entry_id for row in rows] == [first[0], first[1], first[2], first[1], first[1], again]


def test_times_along_an_account_never_run_backwards(account: TradingAccount, asset: Asset) -> None:
    """A clock that is behind, or was read before a long wait, is moved up to the account's last time."""
    other = make_account(currency=asset)
    early, late = NOW - timedelta(minutes=1), NOW + timedelta(minutes=1)

    def payment(payer: TradingAccount, at: datetime) -> datetime:
        with transaction.atomic():
            ledger = Ledger.lock(clients=[(account.id, asset.id), (other.id, asset.id)])
            moment = ledger.moment(at)
            pay(ledger, payer, account if payer is other else other, asset, "1", at=at)
            (made,) = ledger.flush()
        assert Transfer.objects.get(id=made).at == moment
        return moment

    assert [payment(account, at) for at in (early, late, NOW)] == [NOW, late, late]
    assert payment(other, late + timedelta(seconds=1)) == late + timedelta(seconds=1)
    assert set(LedgerAccount.objects.filter(account__in=[account, other]).values_list("moved_at")) == {
        (late + timedelta(seconds=1),)
    }


def test_a_hold_is_no_movement(account: TradingAccount, asset: Asset) -> None:
    with transaction.atomic():
        ledger = Ledger.lock(clients=[(account.id, asset.id)])
        ledger.hold(ledger.client(account.id, asset.id), Decimal(40))
        ledger.flush()

    assert LedgerAccount.objects.get(account=account).moved_at == NOW
    assert money(account, asset) == ("100", "40")


def test_credit_is_an_account_of_its_own_that_never_goes_below_zero(
    account: TradingAccount, asset: Asset
) -> None:
    def lend(amount: str, back: str) -> None:
        with transaction.atomic():
            ledger = Ledger.lock(credits=[(account.id, asset.id)], system=[(LedgerKind.HOUSE, asset.id)])
            credit, house = ledger.credit(account.id, asset.id), ledger.system(LedgerKind.HOUSE, asset.id)
            for debit, to, moved in ((house, credit, amount), (credit, house, back)):
                ledger.transfer(
                    at=NOW,
                    kind=TransferKind.CREDIT,
                    debit=debit,
                    credit=to,
                    amount=Decimal(moved),
                    cause=Cause(),
                )
            ledger.flush()

    lend("50", "20")
    with pytest.raises(IntegrityError, match="ledger_available_not_negative"):
        lend("1", "31.00000001")

    assert money(account, asset) == ("100", "0")
    assert money(account, asset, LedgerKind.CREDIT) == ("30", "0")
    assert [row.balance for row in balances_of(account.id)] == [Decimal(100)]


def test_nothing_posted_writes_nothing(account: TradingAccount, asset: Asset) -> None:
    before = Transfer.objects.count()
    with transaction.atomic():
        assert Ledger.lock(clients=[(account.id, asset.id)]).flush() == []

    assert Transfer.objects.count() == before


def test_missing_accounts_are_opened_once(account: TradingAccount, asset: Asset) -> None:
    other = make_asset()
    for _ in range(2):
        with transaction.atomic():
            ledger = Ledger.lock(clients=[(account.id, other.id)], system=[(LedgerKind.FEE, other.id)])

    assert {ledger.client(account.id, other.id).balance, ledger.system(LedgerKind.FEE, other.id).balance} == {
        0
    }
    assert LedgerAccount.objects.filter(asset=other).count() == 2


@pytest.mark.django_db(transaction=True)
def test_missing_accounts_are_opened_once_by_eight_at_once() -> None:
    asset = make_asset()
    owner = make_account(currency=asset)

    def open_them() -> int:
        with transaction.atomic():
            return Ledger.lock(clients=[(owner.id, asset.id)]).client(owner.id, asset.id).id

    assert len(set(all_at_once([open_them] * 8))) == 1
    assert LedgerAccount.objects.filter(asset=asset).count() == 1


@pytest.mark.django_db(transaction=True)
def test_opposite_payments_at_once_neither_deadlock_nor_lose_a_unit() -> None:
    asset = make_asset()
    one, two = make_account(currency=asset), make_account(currency=asset)
    fund(one, asset, 1000)
    fund(two, asset, 1000)

    def swap(payer: TradingAccount, payee: TradingAccount) -> None:
        with transaction.atomic():
            ledger = Ledger.lock(clients=[(payer.id, asset.id), (payee.id, asset.id)])
            pay(ledger, payer, payee, asset, "1")
            ledger.flush()

    results = all_at_once([lambda: swap(one, two), lambda: swap(two, one)] * 40)

    assert results == [None] * 80
    assert (money(one, asset), money(two, asset)) == (("1000", "0"), ("1000", "0"))


@pytest.mark.django_db(transaction=True)
def test_outside_a_transaction_it_refuses_to_work(account: TradingAccount, asset: Asset) -> None:
    with pytest.raises(RuntimeError, match="inside a transaction"):
        Ledger.lock(clients=[(account.id, asset.id)])


@pytest.mark.parametrize("amount", ["0", "-1"])
def test_an_amount_that_is_not_positive_is_not_a_transfer(
    account: TradingAccount, asset: Asset, amount: str
) -> None:
    other = make_account(currency=asset)
    with transaction.atomic():
        ledger = Ledger.lock(clients=[(account.id, asset.id), (other.id, asset.id)])
        with pytest.raises(ValueError, match="not a transfer"):
            pay(ledger, account, other, asset, amount)
        assert ledger.flush() == []


def test_two_assets_are_not_a_transfer(account: TradingAccount, asset: Asset) -> None:
    other = make_asset()
    with transaction.atomic():
        ledger = Ledger.lock(clients=[(account.id, asset.id), (account.id, other.id)])
        with pytest.raises(ValueError, match="not a transfer"):
            ledger.transfer(
                at=NOW,
                kind=TransferKind.ADJUSTMENT,
                debit=ledger.client(account.id, asset.id),
                credit=ledger.client(account.id, other.id),
                amount=Decimal(1),
                cause=Cause(),
            )


def test_a_hold_beyond_the_balance_is_refused_by_the_database(account: TradingAccount, asset: Asset) -> None:
    def hold() -> None:
        with transaction.atomic():
            ledger = Ledger.lock(clients=[(account.id, asset.id)])
            ledger.hold(ledger.client(account.id, asset.id), Decimal("100.00000001"))
            ledger.flush()

    with pytest.raises(IntegrityError, match="ledger_available_not_negative"):
        hold()

    assert money(account, asset) == ("100", "0")


def test_only_clients_hold(asset: Asset, account: TradingAccount) -> None:
    def hold() -> None:
        with transaction.atomic():
            ledger = Ledger.lock(clients=[], system=[(LedgerKind.FEE, asset.id)])
            ledger.hold(ledger.system(LedgerKind.FEE, asset.id), Decimal(1))
            ledger.flush()

    with pytest.raises(IntegrityError, match="ledger_only_clients_hold"):
        hold()


class TestLookedAt:
    """Accounts that are locked at the end only: what others posted meanwhile is under what is posted here."""

    pytestmark = pytest.mark.django_db(transaction=True)

    @pytest.fixture
    def others(self, asset: Asset) -> tuple[TradingAccount, TradingAccount]:
        """Two whose ledger accounts are there, and empty."""
        first, second = make_account(currency=asset), make_account(currency=asset)
        with transaction.atomic():
            Ledger.lock(clients=[(first.id, asset.id), (second.id, asset.id)])
        return first, second

    @staticmethod
    def beside(payer: TradingAccount, payee: TradingAccount, asset: Asset, amount: int) -> None:
        """Another connection pays a minute later, and holds and reserves as much of what is left."""

        def post() -> None:
            with transaction.atomic():
                ledger = Ledger.lock(clients=[(payer.id, asset.id), (payee.id, asset.id)])
                pay(ledger, payer, payee, asset, str(amount), at=LATER)
                ledger.hold(ledger.client(payer.id, asset.id), Decimal(amount))
                ledger.reserve(ledger.client(payer.id, asset.id), Decimal(amount))
                ledger.flush()

        elsewhere(post)

    def test_the_chain_has_no_break(
        self, account: TradingAccount, others: tuple[TradingAccount, TradingAccount], asset: Asset
    ) -> None:
        other, third = others
        with transaction.atomic():
            ledger = Ledger.look(clients=[(one.id, asset.id) for one in (account, other, third)])
            pay(ledger, account, third, asset, "10")
            pay(ledger, third, other, asset, "4")
            ledger.hold(ledger.client(account.id, asset.id), Decimal(5))
            self.beside(account, other, asset, 30)
            ids = ledger.flush()

        rows = Transfer.objects.filter(kind=TransferKind.ADJUSTMENT).order_by("id")
        assert [row.id for row in rows][1:] == ids
        # Theirs came first, though these were posted before it.
        after = [(row.debit_balance_after, row.credit_balance_after) for row in rows]
        assert after == [(70, 30), (60, 10), (6, 34)]
        assert {row.at for row in rows} == {LATER}
        stored = LedgerAccount.objects.filter(asset=asset, kind=LedgerKind.CLIENT).order_by("id")
        sums = [(row.balance, row.held, row.reserved) for row in stored]
        assert sums == [(60, 35, 30), (34, 0, 0), (6, 0, 0)]
        assert {row.moved_at for row in stored} == {LATER}

    def test_what_nobody_else_moved_is_as_if_locked_at_once(
        self, account: TradingAccount, asset: Asset
    ) -> None:
        other = make_account(currency=asset)
        with transaction.atomic():
            ledger = Ledger.look(clients=[(account.id, asset.id), (other.id, asset.id)])
            pay(ledger, account, other, asset, "10", at=NOW + timedelta(seconds=1))
            ledger.take()
            ledger.take()
            pay(ledger, account, other, asset, "1")
            ids = ledger.flush()

        rows = Transfer.objects.filter(id__in=ids).order_by("id")
        assert [(row.debit_balance_after, row.at) for row in rows] == [
            (90, NOW + timedelta(seconds=1)),
            (89, NOW + timedelta(seconds=1)),
        ]

    def test_the_database_refuses_what_is_not_there_any_more(
        self, account: TradingAccount, others: tuple[TradingAccount, TradingAccount], asset: Asset
    ) -> None:
        other, _ = others

        def overdraw() -> None:
            with transaction.atomic():
                ledger = Ledger.look(clients=[(account.id, asset.id), (other.id, asset.id)])
                pay(ledger, account, other, asset, "80")
                self.beside(account, other, asset, 21)
                ledger.flush()

        with pytest.raises(IntegrityError, match="ledger_available_not_negative"):
            overdraw()

        assert money(account, asset) == ("79", "21")

    def test_many_at_once_leave_one_chain(self, account: TradingAccount, asset: Asset) -> None:
        other = make_account(currency=asset)

        def there() -> None:
            with transaction.atomic():
                ledger = Ledger.look(clients=[(account.id, asset.id), (other.id, asset.id)])
                for _ in range(3):
                    pay(ledger, account, other, asset, "1")
                ledger.flush()

        all_at_once([there] * 8)

        assert (money(account, asset)[0], money(other, asset)[0]) == ("76", "24")
        rows = Transfer.objects.filter(kind=TransferKind.ADJUSTMENT).order_by("id")
        assert [row.debit_balance_after for row in rows] == [100 - number for number in range(1, 25)]


@pytest.mark.django_db(transaction=True)
class TestHolding:
    """Holds go on top of what is held by then, and of money that is gone by then nothing is held."""

    @staticmethod
    def held_while(account: TradingAccount, asset: Asset, amount: str, meanwhile: Callable[[], None]) -> bool:
        """Look, let something happen on another connection, then hold: whether there was enough."""
        with transaction.atomic():
            ledger = Ledger.look(clients=[(account.id, asset.id)])
            ledger.hold(ledger.client(account.id, asset.id), Decimal(amount))
            elsewhere(meanwhile)
            enough = ledger.holding().run()
            transaction.set_rollback(not enough)
        return enough

    @staticmethod
    def hold(account: TradingAccount, asset: Asset, amount: int, *, reserved: int = 0) -> None:
        with transaction.atomic():
            ledger = Ledger.lock(clients=[(account.id, asset.id)])
            ledger.hold(ledger.client(account.id, asset.id), Decimal(amount))
            ledger.reserve(ledger.client(account.id, asset.id), Decimal(reserved))
            ledger.flush()

    @pytest.mark.parametrize(
        ("meanwhile", "reserved", "enough", "after"),
        [(40, 0, True, 100), (41, 0, False, 41), (0, 40, True, 60), (0, 41, False, 0), (20, 21, False, 20)],
    )
    def test_what_others_hold_and_need_meanwhile_counts(
        self,
        account: TradingAccount,
        asset: Asset,
        meanwhile: int,
        reserved: int,
        enough: bool,
        after: int,
    ) -> None:
        found = self.held_while(
            account, asset, "60", lambda: self.hold(account, asset, meanwhile, reserved=reserved)
        )

        assert found is enough
        assert money(account, asset) == ("100", str(after))

    def test_who_waits_for_a_row_goes_on_from_what_it_is_then(
        self, account: TradingAccount, asset: Asset
    ) -> None:
        outcomes: list[bool] = []

        def one() -> None:
            with transaction.atomic():
                ledger = Ledger.look(clients=[(account.id, asset.id)])
                ledger.hold(ledger.client(account.id, asset.id), Decimal(30))
                enough = ledger.holding().run()
                transaction.set_rollback(not enough)
            outcomes.append(enough)

        all_at_once([one] * 8)

        assert sorted(outcomes) == [False] * 5 + [True] * 3
        assert money(account, asset) == ("100", "90")

    def test_of_money_that_is_locked_there_is_enough(self, account: TradingAccount, asset: Asset) -> None:
        other = make_account(currency=asset)
        with transaction.atomic():
            ledger = Ledger.lock(clients=[(account.id, asset.id), (other.id, asset.id)])
            ledger.hold(ledger.client(account.id, asset.id), Decimal(100))
            assert ledger.holding().run() is True

        assert (money(account, asset), money(other, asset)) == (("100", "100"), ("0", "0"))
