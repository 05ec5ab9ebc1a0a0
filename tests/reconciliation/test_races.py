"""Two people at one line, two imports of one file, two approvers of one write-off: one effect each."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import LedgerKind, Role, Transfer
from accounts.reconciliation.models import (
    Break,
    ImportedStatement,
    Match,
    ReconciliationRun,
    StatementLine,
)
from accounts.reconciliation.services.matching import rematch, undo
from tests.factories import ACTOR, make_user, money
from tests.reconciliation.banking import (
    LATER,
    account_at,
    asked_off,
    asset_of,
    by_hand,
    decided,
    make_source,
    matched,
    paid_in,
    policy_for_write_offs,
    proven,
    row,
    take,
    the_break,
)
from tests.threads import all_at_once
from tradeplatform.common.errors import Code, Refusal

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "readonly"])


def outcome(act: Callable[[], Any]) -> Callable[[], str]:
    """What became of it, or the code of its refusal."""

    def done() -> str:
        try:
            act()
        except Refusal as refusal:
            return refusal.code.value
        return "done"

    return done


def test_two_operators_match_one_line_at_once() -> None:
    source = make_source()
    account = account_at(source)
    transfers = [paid_in(account, 60) for _ in range(8)]
    take(source, row("B1", 60))
    (line,) = StatementLine.objects.all()

    results = all_at_once([outcome(lambda t=t: by_hand(source, [line], [t])) for t in transfers])  # type: ignore[misc]

    assert sorted(map(str, results)) == [Code.ALREADY_MATCHED.value] * 7 + ["done"]
    assert len(matched(source)) == 1
    proven()


def test_one_file_imported_eight_times_at_once_is_one_statement() -> None:
    source = make_source()
    paid_in(account_at(source), 60)
    rows = [row("B1", 60), *(row(f"C{number}", number + 1) for number in range(30))]

    results = all_at_once([outcome(lambda: take(source, *rows))] * 8)

    assert set(results) == {"done"}
    assert (ImportedStatement.objects.count(), StatementLine.objects.count()) == (1, 31)
    assert (Match.objects.count(), Break.objects.count()) == (1, 30)
    proven()


@pytest.mark.parametrize("round_number", range(3))
def test_two_approvers_at_once_write_off_once(round_number: int) -> None:
    policy_for_write_offs()
    source = make_source()
    take(source, row("B1", 60))
    approval = asked_off(the_break(source))
    officers = [make_user(Role.COMPLIANCE_OFFICER) for _ in range(4)]

    results = all_at_once(
        [outcome(lambda o=officer: decided(approval, by_whom=o)) for officer in officers],  # type: ignore[misc]
        threads=4,
    )

    assert sorted(map(str, results)) == [Code.APPROVAL_NOT_PENDING.value] * 3 + ["done"]
    assert Transfer.objects.filter(kind="write_off").count() == 1
    assert money(None, asset_of(source), LedgerKind.SUSPENSE)[0] == "60"
    proven()


def test_two_people_ask_for_one_write_off_at_once() -> None:
    policy_for_write_offs()
    source = make_source()
    take(source, row("B1", 60))
    found, makers = the_break(source), [make_user(Role.ADMIN) for _ in range(4)]

    results = all_at_once(
        [outcome(lambda m=maker: asked_off(found, m, uuid.uuid4().hex)) for maker in makers],  # type: ignore[misc]
        threads=4,
    )

    assert sorted(map(str, results)) == ["done"] + [Code.WRITE_OFF_WAITS.value] * 3


@pytest.mark.parametrize("round_number", range(4))
def test_everything_at_once_leaves_both_sides_accounted_for(round_number: int) -> None:
    """Approving, matching by hand and by rule, undoing, importing and paying in, all about the same money."""
    policy_for_write_offs()
    source = make_source()
    account = account_at(source)
    take(source, row("B1", 60), row("B2", 25))
    approval = asked_off(Break.objects.get(line__reference="B1"))
    transfer = paid_in(account, 60)
    other = paid_in(account, 25)
    take(source, row("B3", 25))
    (first, *_rest) = StatementLine.objects.order_by("pk")
    officer = make_user(Role.COMPLIANCE_OFFICER)

    def undo_newest() -> None:
        newest = Match.objects.order_by("-pk").first()
        if newest is not None:
            undo(match_id=newest.pk, reason="not the same", actor=ACTOR, now=LATER)

    works = [
        outcome(lambda: decided(approval, by_whom=officer)),
        outcome(lambda: by_hand(source, [first], [transfer])),
        outcome(lambda: rematch(actor=ACTOR, now=LATER)),
        outcome(lambda: take(source, row("B4", 1), row("B5", 2))),
        outcome(lambda: paid_in(account, 25)),
        outcome(undo_newest),
        outcome(lambda: by_hand(source, list(StatementLine.objects.filter(reference="B2")), [other])),
        outcome(lambda: rematch(actor=ACTOR, now=LATER)),
    ]
    order = works[round_number:] + works[:round_number]

    results = all_at_once(order)

    allowed = {"done", "already_matched", "already_undone", "break_not_open"}
    assert set(map(str, results)) <= allowed, results
    rematch(actor=ACTOR, now=LATER)
    assert ReconciliationRun.objects.count() == 3
    proven()
