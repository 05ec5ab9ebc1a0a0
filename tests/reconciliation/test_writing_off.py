"""A break is written off by two people: one transfer with suspense, and both sides are matched."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from accounts.models import LedgerAccount, LedgerKind, Role, Transfer
from accounts.reconciliation.models import Break, BreakState, Match, StatementSource
from accounts.reconciliation.services.matching import rematch, undo
from accounts.reconciliation.services.writing_off import ACTION
from accounts.services.correcting import correct
from audit.approvable import act_of
from audit.models import ApprovalPolicy, AuditRecord
from audit.services.approving import cancel, expire_due
from instruments.models import Realm
from tests.audit.naming import by
from tests.factories import ACTOR, NOW, make_asset, make_user, money, short
from tests.reconciliation.banking import (
    LATER,
    account_at,
    asked_off,
    asset_of,
    breaks,
    by_hand,
    decided,
    make_source,
    matched,
    paid_in,
    policy_for_write_offs,
    proven,
    refused,
    row,
    take,
    the_break,
)
from tradeplatform.common.errors import Code

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def one_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another connection would not see the test's own transaction."""
    for module in ("tradeplatform.common.invariants", "orders.invariants"):
        monkeypatch.setattr(f"{module}.READ_ONLY", "default")


@pytest.fixture(autouse=True)
def policy(db: None) -> None:
    policy_for_write_offs()


def held(source: StatementSource, kind: LedgerKind) -> str:
    return money(None, asset_of(source), kind)[0]


class TestWhatMoves:
    def test_a_fee_that_we_never_booked(self, source: StatementSource) -> None:
        """B7: written off by two people."""
        paid_in(account_at(source), 100)
        take(source, row("B1", 100), row("B2", "-2.50"), closing={asset_of(source).code: Decimal("97.50")})
        found = the_break(source)

        approval = asked_off(found)
        assert held(source, LedgerKind.SUSPENSE) == "0"
        decided(approval)

        # The ledger now has with the bank what the bank has of ours.
        assert held(source, LedgerKind.FUNDING) == "-97.5"
        assert held(source, LedgerKind.SUSPENSE) == "-2.5"
        found.refresh_from_db()
        transfer = Transfer.objects.get(kind="write_off")
        assert (found.state, found.write_off_id, found.approval) == ("written_off", transfer.pk, approval)
        assert transfer.reason == f"Write-off of break {found.pk}: a fee that we pay"
        assert matched(source)[-1] == ("write_off", ["B2"], [transfer.pk])
        record = AuditRecord.objects.get(action="accounts.money.write_off")
        assert (record.target_id, record.after["amount"]) == (str(found.pk), "-2.5")
        proven()

    def test_money_that_we_cannot_explain(self, source: StatementSource) -> None:
        take(source, row("B1", 40))

        decided(asked_off(the_break(source)))

        assert (held(source, LedgerKind.FUNDING), held(source, LedgerKind.SUSPENSE)) == ("-40", "40")
        proven()

    def test_a_deposit_that_never_came(self, source: StatementSource) -> None:
        transfer = paid_in(account_at(source), 100)
        take(source, row("B1", 7))

        decided(asked_off(Break.objects.get(kind="theirs")))

        assert (held(source, LedgerKind.FUNDING), held(source, LedgerKind.SUSPENSE)) == ("0", "-100")
        written = Transfer.objects.get(kind="write_off")
        assert matched(source) == [("write_off", [], [transfer.pk, written.pk])]
        proven()

    def test_a_difference_of_a_group(self, source: StatementSource) -> None:
        account = account_at(source)
        transfer = paid_in(account, 100, request_id="req-1")
        take(source, row("B1", "99.99", ours="req-1"))

        decided(asked_off(the_break(source)))

        written = Transfer.objects.get(kind="write_off")
        assert (written.amount, held(source, LedgerKind.SUSPENSE)) == (Decimal("0.01"), "-0.01")
        assert matched(source) == [("write_off", ["B1"], [transfer.pk, written.pk])]
        assert breaks(source) == []
        proven()

    def test_a_provider_has_its_own_ledger_account(self) -> None:
        source = make_source(make_asset(decimals=2), kind=LedgerKind.LP)
        take(source, row("B1", "-3"))

        decided(asked_off(the_break(source)))

        assert (held(source, LedgerKind.LP), held(source, LedgerKind.SUSPENSE)) == ("3", "-3")
        assert held(source, LedgerKind.FUNDING) == "0"
        proven()

    def test_suspense_of_play_money_is_another(self, source: StatementSource) -> None:
        account = account_at(source)
        LedgerAccount.objects.create(
            kind=LedgerKind.SUSPENSE, asset=asset_of(source), realm=Realm.DEMO, balance=0
        )
        paid_in(account, 100)
        take(source, row("B1", 100), row("B2", "-2.50"))

        decided(asked_off(the_break(source)))

        suspense = LedgerAccount.objects.filter(kind=LedgerKind.SUSPENSE).order_by("realm")
        assert [(row.realm, short(row.balance)) for row in suspense] == [("demo", "0"), ("live", "-2.5")]
        take(source, row("B3", "-1"))
        assert act_of(ACTION).preview({"break": the_break(source).pk})[1][1:] == (
            f"-2.50 {account.currency.code}",
            f"-3.50 {account.currency.code}",
        )
        proven()

    def test_later_statements_do_not_ask_for_it(self, source: StatementSource) -> None:
        take(source, row("B1", 40))
        decided(asked_off(the_break(source)))

        take(source, row("B9", 1, at=LATER), now=LATER + timedelta(days=3))
        rematch(actor=ACTOR, now=LATER + timedelta(days=3))

        assert breaks(source) == [("ours", "1")]
        proven()

    def test_one_that_was_wrong_is_taken_apart_and_corrected(self, source: StatementSource) -> None:
        take(source, row("B1", 40))
        decided(asked_off(the_break(source)))
        written = Transfer.objects.get(kind="write_off")

        undo(match_id=Match.objects.get().pk, reason="it is a client's", actor=ACTOR, now=LATER)
        correct(
            transfer_id=written.pk, amount=Decimal(40), reason="wrong", request_id="c", actor=ACTOR, now=LATER
        )
        late = paid_in(account_at(source), 40, at=LATER)
        by_hand(source, [Break.objects.filter(state="open").get().line], [late])  # type: ignore[list-item]

        assert (held(source, LedgerKind.FUNDING), held(source, LedgerKind.SUSPENSE)) == ("-40", "0")
        assert breaks(source) == []
        proven()


class TestTwoPeople:
    def test_the_inbox_shows_the_effect(self, source: StatementSource) -> None:
        paid_in(account_at(source), 100)
        take(source, row("B1", 100), row("B2", "-2.50"))
        found, code = the_break(source), asset_of(source).code

        approval = asked_off(found)

        expected = [
            ("Funding (outside world) balance", f"-100.00 {code}", f"-97.50 {code}"),
            ("Suspense balance", f"0.00 {code}", f"-2.50 {code}"),
            (f"Break {found.pk}", "Missing with us, open", "written off"),
        ]
        assert approval.effects == [list(effect) for effect in expected]
        assert act_of(ACTION).preview(approval.payload) == expected

    def test_the_maker_is_never_the_checker(self, source: StatementSource) -> None:
        maker = make_user(Role.ADMIN, Role.COMPLIANCE_OFFICER)
        take(source, row("B1", 40))
        approval = asked_off(the_break(source), maker)

        assert refused(lambda: decided(approval, by_whom=maker)).code == Code.MAKER_IS_CHECKER

    @pytest.mark.parametrize("off", [True, False])
    def test_without_a_policy_it_waits_all_the_same(self, source: StatementSource, off: bool) -> None:
        above = {"above": Decimal(1_000), "asset": asset_of(source).code}
        ApprovalPolicy.objects.update(**({"active": False} if off else above), approvers=2)
        take(source, row("B1", 40))

        approval = asked_off(the_break(source))

        assert (approval.state, approval.needed, approval.role) == ("pending", 1, Role.COMPLIANCE_OFFICER)
        assert not Transfer.objects.filter(kind="write_off").exists()
        assert refused(lambda: decided(approval, by_whom=make_user(Role.ADMIN))).code == (
            Code.PERMISSION_DENIED
        )
        decided(approval)
        assert Break.objects.get().state == BreakState.WRITTEN_OFF
        proven()

    def test_a_maker_who_lost_the_right_makes_nothing_happen(self, source: StatementSource) -> None:
        maker = make_user(Role.ADMIN)
        take(source, row("B1", 40))
        approval = asked_off(the_break(source), maker)
        maker.is_active = False
        maker.save(update_fields=["is_active"])

        assert refused(lambda: decided(approval)).code == Code.MAKER_LOST_RIGHT

    def test_asked_twice_with_one_id_is_one_request(self, source: StatementSource) -> None:
        take(source, row("B1", 40))
        found, maker = the_break(source), make_user(Role.ADMIN)

        first = asked_off(found, maker, "one")

        assert asked_off(found, maker, "one") == first
        assert refused(lambda: asked_off(found, maker, "two")).code == Code.WRITE_OFF_WAITS

    def test_an_id_that_moved_other_money_is_a_conflict(self, source: StatementSource) -> None:
        paid_in(account_at(source), 40, request_id="taken", at=NOW - timedelta(days=60))
        take(source, row("B1", 40))

        refusal = refused(lambda: asked_off(the_break(source), request_id="taken"))

        assert refusal.code == Code.REQUEST_ID_CONFLICT

    @pytest.mark.parametrize("end", ["reject", "cancel", "expire"])
    def test_what_was_not_agreed_can_be_asked_again(self, source: StatementSource, end: str) -> None:
        maker = make_user(Role.ADMIN)
        take(source, row("B1", 40))
        approval = asked_off(the_break(source), maker)
        if end == "reject":
            decided(approval, approve=False)
        elif end == "cancel":
            cancel(approval_id=approval.pk, actor=by(maker), now=LATER, reason="no")
        else:
            expire_due(now=approval.expires_at)
        assert the_break(source).approval is None

        decided(asked_off(the_break(source), maker))

        assert Break.objects.get().state == BreakState.WRITTEN_OFF
        proven()

    def test_what_was_matched_meanwhile_is_not_written_off(self, source: StatementSource) -> None:
        take(source, row("B1", 40))
        approval = asked_off(the_break(source))
        paid_in(account_at(source), 40)
        rematch(actor=ACTOR, now=LATER)

        refusal = refused(lambda: decided(approval))

        assert (refusal.code, refusal.context["state"]) == (Code.BREAK_NOT_OPEN, "matched")
        approval.refresh_from_db()
        assert approval.state == "pending"
        decided(approval, approve=False)
        proven()

    @pytest.mark.parametrize(
        "change",
        [
            {"state": "written_off", "closed_at": NOW},
            {"write_off_id": 1},
            {"state": "written_off", "closed_at": NOW, "write_off_id": 1},
        ],
    )
    def test_the_database_refuses_one_without_approval(self, source: StatementSource, change: Any) -> None:
        take(source, row("B1", 40))

        with pytest.raises(IntegrityError, match="break_written_off_by_two"), transaction.atomic():
            Break.objects.update(**change)
