"""Transfers between own accounts in a list: each does and leaves what one by itself does."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import LedgerKind, MoneyKind, MoneyRequest, TradingAccount, Transfer, TransferKind
from accounts.services import own_transfers
from accounts.services.money_requests import Asked, Wish, request_money
from accounts.services.own_transfers import Sent, request_transfers, transfer_soon
from accounts.services.posting import Cause, Ledger
from audit.models import AuditRecord
from tests.accounts.wishing import client_account, needs_approval, picture, wish_for
from tests.audit.naming import by
from tests.factories import NOW, fund, make_account, money
from tests.threads import PATIENCE, all_at_once, start_elsewhere, wait_for_a_lock
from tradeplatform.common.errors import Refusal
from tradeplatform.common.invariants import check_all

pytestmark = pytest.mark.django_db

TRANSFER = MoneyKind.TRANSFER


@pytest.fixture
def source() -> TradingAccount:
    """A dollar account with 100 on it."""
    account = client_account()
    fund(account, account.currency, 100)
    return account


@pytest.fixture
def target(source: TradingAccount) -> TradingAccount:
    """Another of the same person, empty."""
    return make_account(currency=source.currency, user=source.user)


def wish(
    source: TradingAccount, to: TradingAccount | int, amount: str | int, request_id: str, **more: Any
) -> Wish:
    number = to if isinstance(to, int) else to.pk
    return wish_for(TRANSFER, source, amount, request_id, to_account_id=number, **more)


def send(*wishes: Wish, by_whom: TradingAccount) -> list[Asked | Refusal]:
    return request_transfers([Sent(one, by(by_whom.user), f"c-{one.request_id}") for one in wishes], now=NOW)


def codes(outcomes: list[Asked | Refusal]) -> list[str]:
    """What became of each: done, repeated, waits, or the code of its refusal."""
    return [
        one.code.value if isinstance(one, Refusal) else "repeated" if one.repeated else one.request.state
        for one in outcomes
    ]


def left(account: TradingAccount) -> str:
    return money(account, account.currency)[0]


def test_money_moves_in_the_order_of_the_list(source: TradingAccount, target: TradingAccount) -> None:
    outcomes = send(
        wish(target, source, 10, "too soon"),
        wish(source, target, 70, "there"),
        wish(source, target, 40, "too much"),
        wish(target, source, 20, "back"),
        wish(source, target, 50, "again"),
        by_whom=source,
    )

    assert codes(outcomes) == ["insufficient_funds", "done", "insufficient_funds", "done", "done"]
    assert (left(source), left(target)) == ("0", "100")
    # Along each ledger account the balances follow each other.
    after = Transfer.objects.filter(kind="internal").order_by("id")
    assert [(int(t.debit_balance_after), int(t.credit_balance_after)) for t in after] == [
        (30, 70),
        (50, 50),
        (0, 100),
    ]


def test_each_leaves_the_same_rows_as_by_itself(source: TradingAccount, target: TradingAccount) -> None:
    def rows() -> list[object]:
        request = MoneyRequest.objects.values().get(identity_id=identity)
        transfer = Transfer.objects.order_by("-id").values()[0]
        assert transfer["id"] == request["transfer_id"]
        record = AuditRecord.objects.order_by("-id").values()[0]
        other = {"id", "identity_id", "request_id", "transfer_id", "entry_id", "correlation_id"}
        other |= {"debit_balance_after", "credit_balance_after", "before", "after"}
        left_of = [
            {name: value for name, value in row.items() if name not in other}
            for row in (request, transfer, record)
        ]
        return [*left_of, record["before"]["balance"], record["after"]["balance"]]

    identity = "alone"
    request_money(wish(source, target, 30, identity), actor=by(source.user), now=NOW)
    alone = rows()
    send(wish(target, source, 30, "home"), by_whom=source)
    identity = "listed"
    send(wish(source, target, 30, identity), by_whom=source)

    assert rows() == alone
    assert alone[3:] == ["100", "70"]
    assert AuditRecord.objects.order_by("-id")[0].correlation_id == "c-listed"


def test_one_id_has_one_effect(source: TradingAccount, target: TradingAccount) -> None:
    first, second = wish(source, target, 10, "one"), wish(source, target, 11, "one")

    outcomes = send(first, first, second, by_whom=source)
    before = picture()
    again = send(first, second, by_whom=source)

    assert codes(outcomes) == ["done", "repeated", "request_id_conflict"]
    assert codes(again) == ["repeated", "request_id_conflict"]
    assert picture() == before
    requests = {one.request.pk for one in (*outcomes, *again) if isinstance(one, Asked)}
    assert requests == {MoneyRequest.objects.get().pk}
    assert left(target) == "10"


def test_what_is_refused_leaves_no_trace(source: TradingAccount, target: TradingAccount) -> None:
    stranger = client_account()
    closed = make_account(currency=source.currency, user=source.user, is_active=False)
    before = picture()

    outcomes = send(
        wish(source, stranger, 10, "1"),
        wish(source, 987_654, 10, "2"),
        wish(source, closed, 10, "3"),
        wish(source, source, 10, "4"),
        wish(source, target, "100.01", "5"),
        wish(source, target, "0.001", "6"),
        wish(source, target, "-1", "7"),
        wish(source, target, 10, "8", asset="NONE"),
        wish(source, target, 10, " "),
        by_whom=source,
    )

    assert codes(outcomes) == [
        "account_not_found",
        "account_not_found",
        "account_inactive",
        "invalid_field",
        "insufficient_funds",
        "invalid_number",
        "invalid_number",
        "unknown_asset",
        "invalid_field",
    ]
    assert picture() == before


def test_a_refused_one_stops_no_other_and_leaves_its_id_free(
    source: TradingAccount, target: TradingAccount
) -> None:
    outcomes = send(wish(source, target, 101, "one"), wish(source, target, 60, "two"), by_whom=source)

    assert codes(outcomes) == ["insufficient_funds", "done"]
    assert codes(send(wish(source, target, 40, "one"), by_whom=source)) == ["done"]
    assert (left(source), left(target)) == ("0", "100")


def test_where_a_policy_covers_it_each_waits_for_its_own_approval(
    source: TradingAccount, target: TradingAccount
) -> None:
    needs_approval(TRANSFER, above=Decimal(50), asset=source.currency.code)

    outcomes = send(
        wish(source, target, 10, "small"),
        wish(source, target, 60, "large"),
        wish(source, target, 80, "more"),
        by_whom=source,
    )

    assert codes(outcomes) == ["done", "requested", "requested"]
    assert (left(source), left(target)) == ("90", "10")


def test_many_take_no_more_statements_than_two(source: TradingAccount, target: TradingAccount) -> None:
    def statements(ids: range) -> int:
        with CaptureQueriesContext(connection) as seen:
            done = send(*(wish(source, target, "0.5", f"n-{one}") for one in ids), by_whom=source)
        assert set(codes(done)) == {"done"}
        return len(seen)

    statements(range(1))
    assert statements(range(10, 12)) == statements(range(20, 50))


@pytest.mark.django_db(transaction=True, databases=["default", "readonly"])
def test_those_asked_for_at_the_same_time_go_in_together(
    source: TradingAccount, target: TradingAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    ask = own_transfers.request_transfers

    def counted(sent: Any, *, now: Any) -> Any:
        sizes.append(len(sent))
        return ask(sent, now=now)

    monkeypatch.setattr(own_transfers, "request_transfers", counted)

    def transfer(number: int) -> str:
        try:
            asked = transfer_soon(wish(source, target, 10, f"n-{number % 12}"), actor=by(source.user))
        except Refusal as refusal:
            return refusal.code.value
        return "repeated" if asked.repeated else asked.request.state

    results = all_at_once([lambda number=number: transfer(number) for number in range(24)])  # type: ignore[misc]

    # Twelve ids, each asked for twice; there is money for ten.
    assert results.count("done") == results.count("repeated") == 10
    assert results.count("insufficient_funds") == 4
    assert (left(source), left(target)) == ("0", "100")
    assert sum(sizes) >= 24
    assert [finding.code for finding in check_all() if not finding.holds] == []


@pytest.mark.django_db(transaction=True, databases=["default", "readonly"])
def test_one_that_waits_for_money_comes_after_what_it_waited_for(
    source: TradingAccount, target: TradingAccount
) -> None:
    """Along a ledger account ids increase with time: its chain of balances is read in their order."""
    asset = source.currency.pk
    with transaction.atomic():
        ledger = Ledger.lock(clients=[(source.pk, asset)], system=[(LedgerKind.FUNDING, asset)])
        later = start_elsewhere(lambda: codes(send(wish(source, target, 30, "one"), by_whom=source)))
        wait_for_a_lock()
        ledger.transfer(
            at=NOW,
            kind=TransferKind.DEPOSIT,
            debit=ledger.system(LedgerKind.FUNDING, asset),
            credit=ledger.client(source.pk, asset),
            amount=Decimal(5),
            cause=Cause(reason="came first"),
        )
        ledger.flush()
    assert later.result(PATIENCE) == ["done"]

    assert (left(source), left(target)) == ("75", "30")
    assert list(Transfer.objects.order_by("id").values_list("kind", flat=True)) == [
        "deposit",
        "deposit",
        "internal",
    ]
    held = check_all(only=["iM1", "iM2", "iM4-balance", "iM4-chain", "iM4-time"])
    assert [finding.code for finding in held if not finding.holds] == []


@pytest.mark.django_db(transaction=True)
def test_of_two_accounts_that_race_for_one_id_one_gets_it(
    source: TradingAccount, target: TradingAccount
) -> None:
    other = client_account()
    fund(other, other.currency, 100)
    beside = make_account(currency=other.currency, user=other.user)

    def first() -> str:
        return codes(send(wish(source, target, 10, "one"), by_whom=source))[0]

    def second() -> str:
        return codes(send(wish(other, beside, 10, "one"), by_whom=other))[0]

    def outcome(ask: Any) -> Any:
        def asked() -> str:
            try:
                return str(ask())
            except Refusal as refusal:
                return refusal.code.value

        return asked

    results = all_at_once([outcome(first), outcome(second)])

    assert sorted(map(str, results)) == ["done", "request_id_conflict"]
    assert sorted([left(target), left(beside)]) == ["0", "10"]
