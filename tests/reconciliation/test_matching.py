"""What is the same money on both sides is matched by rule, in order; the rest are breaks."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from functools import partial

import pytest
from django.db import IntegrityError, transaction

from accounts.models import AccountType, LedgerKind, Transfer
from accounts.reconciliation.models import (
    Break,
    BreakState,
    Match,
    MatchLeg,
    ReconciliationRun,
    StatementLine,
    StatementSource,
)
from accounts.reconciliation.services.breaks import assign
from accounts.reconciliation.services.matching import rematch, undo
from accounts.services.correcting import correct
from audit.models import AuditRecord
from tests.factories import ACTOR, NOW, make_asset, make_user
from tests.reconciliation.banking import (
    LATER,
    account_at,
    breaks,
    by_hand,
    client_deposit,
    make_source,
    matched,
    paid_in,
    paid_out,
    proven,
    refused,
    row,
    take,
    the_break,
    with_provider,
)
from tradeplatform.common.errors import Code

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def one_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another connection would not see the test's own transaction."""
    for module in ("tradeplatform.common.invariants", "orders.invariants"):
        monkeypatch.setattr(f"{module}.READ_ONLY", "default")


def lines(source: StatementSource, *references: str) -> list[StatementLine]:
    return [StatementLine.objects.get(source=source, reference=reference) for reference in references]


def taken_back(transfer: Transfer, amount: int) -> Transfer:
    """A correction of it."""
    return correct(
        transfer_id=transfer.pk,
        amount=Decimal(amount),
        reason="entered twice",
        request_id="correction",
        actor=ACTOR,
        now=NOW,
    )


class TestByReference:
    """Feature 46, B7."""

    def test_request_id_transfer_id_and_evidence_name_a_transfer(self, source: StatementSource) -> None:
        account = account_at(source)
        asked = paid_in(account, 100, request_id="req-1")
        numbered = paid_in(account, 200)
        evident = client_deposit(source, 300, reference="SEPA-77", request_id="req-3")

        done = take(
            source,
            row("B1", 100, ours="req-1"),
            row("B2", 200, ours=str(numbered.pk)),
            row("SEPA-77", 300),
        )

        assert done.settled.matched == {"reference": 3}
        assert matched(source) == [
            ("reference", ["B1"], [asked.pk]),
            ("reference", ["B2"], [numbered.pk]),
            ("reference", ["SEPA-77"], [evident.pk]),
        ]
        assert breaks(source) == []
        proven()

    def test_their_own_number_is_no_transfer_of_ours(self, source: StatementSource) -> None:
        transfer = paid_in(account_at(source), 100, at=NOW - timedelta(days=20))

        take(source, row(str(transfer.pk), 75))

        assert breaks(source) == [("ours", "75")]

    def test_an_injected_difference_is_found_by_name_and_size(self, source: StatementSource) -> None:
        """AC feature 46: reconciliation finds an injected difference."""
        account = account_at(source)
        for number in range(50):
            paid_in(account, 100 + number, request_id=f"req-{number}")
        wrong = paid_out(account, 40, request_id="out-1")
        told = [row(f"B{number}", 100 + number, ours=f"req-{number}") for number in range(50)]

        take(source, *told, row("B50", "-40.01", ours="out-1"))

        found = the_break(source)
        assert (found.kind, found.amount) == ("differs", Decimal("-0.01"))
        assert found.line is not None
        assert (found.line.reference, found.transfer_ids) == ("B50", [wrong.pk])
        assert len(matched(source)) == 50
        proven()

    def test_several_of_ours_that_name_one_of_theirs_are_a_group(self, source: StatementSource) -> None:
        parts = [
            client_deposit(source, amount, reference="BULK-9", request_id=f"part-{amount}")
            for amount in (10, 20, 30)
        ]

        take(source, row("BULK-9", 60))

        assert matched(source) == [("group", ["BULK-9"], [part.pk for part in parts])]
        proven()

    def test_a_group_that_falls_short_differs_as_a_whole(self, source: StatementSource) -> None:
        parts = [
            client_deposit(source, amount, reference="BULK-9", request_id=f"part-{amount}")
            for amount in (10, 20)
        ]

        take(source, row("BULK-9", "29.50"))

        found = the_break(source)
        assert (found.kind, found.amount) == ("differs", Decimal("-0.50"))
        assert found.transfer_ids == [part.pk for part in parts]

    def test_a_transfer_that_two_lines_name_belongs_to_neither(self, source: StatementSource) -> None:
        paid_in(account_at(source), 100, request_id="req-1")

        take(source, row("B1", 60, ours="req-1"), row("B2", 40, ours="req-1"))

        assert sorted(breaks(source)) == [("ours", "40"), ("ours", "60"), ("theirs", "-100")]
        proven()


class TestByAmount:
    @pytest.mark.parametrize(("days", "rule"), [(-3, True), (3, True), (-4, False), (4, False), (0, True)])
    def test_within_days_of_each_other(self, source: StatementSource, days: int, rule: bool) -> None:
        paid_in(account_at(source), 100)

        take(source, row("B1", 100, at=NOW + timedelta(days=days)), now=NOW + timedelta(days=9))

        assert [found[0] for found in matched(source)] == (["amount"] if rule else [])

    def test_never_the_other_way_round(self, source: StatementSource) -> None:
        paid_in(account_at(source), 100)

        take(source, row("B1", -100))

        assert breaks(source) == [("ours", "-100"), ("theirs", "-100")]

    @pytest.mark.parametrize(("ours", "theirs"), [(2, 1), (1, 2), (2, 2)])
    def test_only_where_both_sides_are_alone(self, source: StatementSource, ours: int, theirs: int) -> None:
        account = account_at(source)
        for _ in range(ours):
            paid_in(account, 100)

        take(source, *(row(f"B{number}", 100) for number in range(theirs)))

        assert matched(source) == []
        assert len(breaks(source)) == ours + theirs
        proven()

    def test_who_names_another_is_not_looked_for_by_amount(self, source: StatementSource) -> None:
        account = account_at(source)
        paid_in(account, 100)
        paid_in(account, 90, request_id="req-1")

        take(source, row("B1", 100, ours="req-1"))

        assert breaks(source) == [("differs", "10"), ("theirs", "-100")]

    def test_another_asset_is_another_matter(self) -> None:
        both = make_asset(decimals=2), make_asset(decimals=2)
        source = make_source(*both, asset_column="asset")
        paid_in(account_at(source), 100)
        other = next(asset for asset in both if asset != account_at(source).currency)
        content = f"reference,date,amount,ours,text,asset\nB1,2026-03-02,100,,x,{other.code}\n".encode()

        take(source, content=content)

        assert breaks(source) == [("ours", "100"), ("theirs", "-100")]
        proven()

    def test_what_one_match_leaves_alone_is_matched_in_the_next_round(self, source: StatementSource) -> None:
        account = account_at(source)
        first = paid_in(account, 100, request_id="req-1")
        second = paid_in(account, 100)

        take(source, row("B1", 100), row("B2", 100, ours="req-1"))

        assert matched(source) == [("reference", ["B2"], [first.pk]), ("amount", ["B1"], [second.pk])]


class TestOurOwnMistakes:
    def test_a_transfer_that_was_taken_back_went_nowhere(self, source: StatementSource) -> None:
        account = account_at(source)
        real, twice = paid_in(account, 100), paid_in(account, 100)
        back = taken_back(twice, 100)

        take(source, row("B1", 100))

        assert matched(source) == [
            ("corrected", [], [twice.pk, back.pk]),
            ("amount", ["B1"], [real.pk]),
        ]
        proven()

    def test_a_part_taken_back_is_not_nothing(self, source: StatementSource) -> None:
        transfer = paid_in(account_at(source), 100)
        taken_back(transfer, 40)

        take(source, row("B1", 7))

        assert sorted(breaks(source)) == [("ours", "7"), ("theirs", "-100"), ("theirs", "40")]

    def test_demo_money_is_with_no_bank(self, source: StatementSource) -> None:
        paid_in(account_at(source, type=AccountType.DEMO), 100)

        take(source, row("B1", 100))

        assert breaks(source) == [("ours", "100")]
        proven()


class TestBreaks:
    def test_what_they_lack_counts_only_in_the_time_they_spoke_of(self, source: StatementSource) -> None:
        account = account_at(source)
        paid_in(account, 1, at=NOW - timedelta(days=2))
        paid_in(account, 2)
        paid_in(account, 3, at=NOW + timedelta(days=2))

        take(source, row("B1", 50), now=NOW + timedelta(days=3))
        assert breaks(source) == [("ours", "50"), ("theirs", "-2")]

        take(
            source, row("B2", 60, at=NOW), first=(NOW - timedelta(days=2)).date(), now=NOW + timedelta(days=3)
        )
        assert breaks(source) == [("ours", "50"), ("theirs", "-2"), ("theirs", "-1"), ("ours", "60")]
        proven()

    def test_a_later_statement_closes_what_it_explains(self, source: StatementSource) -> None:
        """We book at night, the bank the next day: missing with them until its next statement."""
        paid_in(account_at(source), 100, request_id="req-1")
        take(source, row("B1", 5))
        assert breaks(source) == [("ours", "5"), ("theirs", "-100")]

        done = take(source, row("B2", 100, ours="req-1", at=LATER), now=LATER + timedelta(days=1))

        assert (done.settled.matched, done.settled.closed) == ({"reference": 1}, 1)
        assert breaks(source) == [("ours", "5")]
        assert Break.objects.get(kind="theirs").state == BreakState.MATCHED
        proven()

    def test_a_break_that_takes_anothers_place_keeps_who_looks_at_it(self, source: StatementSource) -> None:
        looker = make_user()
        looker.is_staff = True
        looker.save(update_fields=["is_staff"])
        paid_in(account_at(source), 100, request_id="req-1")
        take(source, row("B1", 5))
        waiting = Break.objects.get(kind="theirs")
        assign(break_id=waiting.pk, username=looker.username, reason="hers", actor=ACTOR, now=LATER)

        take(source, row("B2", 98, ours="req-1"))

        waiting.refresh_from_db()
        differs = Break.objects.get(kind="differs")
        assert (waiting.state, differs.assignee) == (BreakState.SUPERSEDED, looker)

    def test_nothing_is_opened_twice(self, source: StatementSource) -> None:
        paid_in(account_at(source), 100)
        take(source, row("B1", 5))
        before = list(Break.objects.values())

        runs = [rematch(actor=ACTOR, now=LATER, source_id=source.pk)[0] for _ in range(2)]

        assert list(Break.objects.values()) == before
        assert [(run.matched, run.opened, run.closed, run.breaks) for run in runs] == [(0, 0, 0, 2)] * 2

    def test_the_nightly_run_matches_and_counts(self, source: StatementSource) -> None:
        other = make_source()
        take(source, row("B1", 100))
        take(other, row("B1", 7))
        paid_in(account_at(source), 100)

        rematch(actor=ACTOR, now=LATER)

        runs = ReconciliationRun.objects.order_by("pk").values_list("source", "matched", "closed", "breaks")
        assert list(runs) == [(source.pk, 1, 1, 0), (other.pk, 0, 0, 1)]

    def test_a_provider_is_reconciled_like_a_bank(self) -> None:
        """B7: LP reconciliation."""
        asset = make_asset(decimals=2)
        source = make_source(asset, kind=LedgerKind.LP)
        number = with_provider(asset, 500)

        done = take(source, row("B1", 500), row("B2", "-1.25"), closing={asset.code: Decimal("498.75")})

        assert matched(source) == [("amount", ["B1"], [number])]
        assert breaks(source) == [("ours", "-1.25")]
        assert [(found.theirs, found.ours) for found in done.balances] == [(Decimal("498.75"), Decimal(500))]


class TestByHand:
    def test_two_sides_that_come_to_the_same(self, source: StatementSource) -> None:
        account = account_at(source)
        ours = [paid_in(account, amount, at=NOW) for amount in (30, 70)]
        take(source, row("B1", 60), row("B2", 40))

        match = by_hand(source, lines(source, "B1", "B2"), ours)

        assert matched(source) == [("hand", ["B1", "B2"], [transfer.pk for transfer in ours])]
        assert breaks(source) == []
        record = AuditRecord.objects.get(action="reconciliation.match.hand")
        assert (record.target_id, record.reason) == (str(match.pk), "seen on paper")
        proven()

    def test_sides_that_differ_are_refused_with_both_sums(self, source: StatementSource) -> None:
        transfer = paid_in(account_at(source), 30)
        take(source, row("B1", 60))

        refusal = refused(lambda: by_hand(source, lines(source, "B1"), [transfer]))

        assert refusal.code == Code.SIDES_DIFFER
        assert refusal.context == {"theirs": "60", "ours": "30"}

    def test_what_is_matched_is_matched(self, source: StatementSource) -> None:
        account = account_at(source)
        transfer = paid_in(account, 60)
        take(source, row("B1", 60))
        other = paid_in(account, 60)

        assert refused(lambda: by_hand(source, lines(source, "B1"), [other])).code == Code.ALREADY_MATCHED
        take(source, row("B2", 60, at=LATER), now=LATER)
        assert refused(lambda: by_hand(source, lines(source, "B2"), [transfer])).code == Code.ALREADY_MATCHED

    def test_other_peoples_and_demo_transfers_are_not_there(self, source: StatementSource) -> None:
        other = make_source()
        strange = paid_in(account_at(other), 60)
        demo = paid_in(account_at(source, type=AccountType.DEMO), 60)
        take(source, row("B1", 60))

        for transfer in (strange, demo):
            act = partial(by_hand, source, lines(source, "B1"), [transfer])
            assert refused(act).code == Code.NOT_FOUND
        assert refused(lambda: by_hand(other, lines(source, "B1"), [strange])).code == Code.NOT_FOUND

    def test_one_side_alone_is_no_match(self, source: StatementSource) -> None:
        take(source, row("B1", 60))

        assert refused(lambda: by_hand(source, lines(source, "B1"), [])).code == Code.INVALID_FIELD

    def test_the_database_refuses_a_second_match_and_uneven_sides(self, source: StatementSource) -> None:
        transfer = paid_in(account_at(source), 60)
        take(source, row("B1", 60))
        (line,) = lines(source, "B1")
        match = Match.objects.create(source=source, rule="hand", at=NOW, actor_label="x")

        def legs(*amounts: int, taken: bool) -> None:
            target = transfer.pk if taken else transfer.pk + 1_000
            with transaction.atomic():
                MatchLeg.objects.bulk_create(
                    MatchLeg(match=match, transfer_id=target + place, amount=amount)
                    for place, amount in enumerate(amounts)
                )

        with pytest.raises(IntegrityError, match="transfer_matched_once"):
            legs(1, -1, taken=True)
        with pytest.raises(IntegrityError, match="the two sides of a match differ"):
            legs(1, -2, taken=False)
        with pytest.raises(IntegrityError, match="the two sides of a match differ"):
            legs(0, taken=False)
        with pytest.raises(IntegrityError, match="line_matched_once"), transaction.atomic():
            MatchLeg.objects.create(match=match, line=line, amount=60)


class TestUndoing:
    def test_both_sides_are_open_again_and_no_rule_brings_them_together(
        self, source: StatementSource
    ) -> None:
        account = account_at(source)
        paid_in(account, 60, request_id="req-1", at=NOW - timedelta(days=9))
        take(source, row("B1", 60, ours="req-1"))
        (match,) = Match.objects.all()

        undo(match_id=match.pk, reason="another client's", actor=ACTOR, now=LATER)
        rematch(actor=ACTOR, now=LATER)

        assert matched(source) == []
        assert breaks(source) == [("ours", "60")]
        take(source, row("B2", 1, at=NOW - timedelta(days=9)))
        assert breaks(source) == [("ours", "60"), ("ours", "1"), ("theirs", "-60")]
        proven()

    def test_by_hand_they_can_be_matched_again(self, source: StatementSource) -> None:
        transfer = paid_in(account_at(source), 60)
        take(source, row("B1", 60))
        undo(match_id=Match.objects.get().pk, reason="no", actor=ACTOR, now=LATER)
        assert breaks(source) == [("ours", "60"), ("theirs", "-60")]

        by_hand(source, lines(source, "B1"), [transfer])

        assert breaks(source) == []
        assert {row.state for row in Break.objects.all()} == {BreakState.MATCHED}
        proven()

    def test_once(self, source: StatementSource) -> None:
        paid_in(account_at(source), 60)
        take(source, row("B1", 60))
        match = Match.objects.get()
        undo(match_id=match.pk, reason="no", actor=ACTOR, now=LATER)

        refusal = refused(lambda: undo(match_id=match.pk, reason="no", actor=ACTOR, now=LATER))

        assert refusal.code == Code.ALREADY_UNDONE
        assert (
            refused(lambda: undo(match_id=2**40, reason="no", actor=ACTOR, now=LATER)).code == Code.NOT_FOUND
        )
        assert (
            refused(lambda: undo(match_id=1, reason=" ", actor=ACTOR, now=LATER)).code == Code.REASON_REQUIRED
        )
