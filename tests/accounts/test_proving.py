"""Proofs: every invariant in one snapshot, stored for ever with a hash that anybody can compute again."""

from __future__ import annotations

import hashlib
import io
import json

import pgtrigger
import pytest
from django.core.management import call_command
from django.db import connection

from accounts.models import LedgerAccount, ProofRun
from accounts.services.proving import Step, prove, prove_in_steps
from accounts.tasks import prove_nightly
from tests.factories import ACTOR, NOW, Market, make_market
from tradeplatform.common.invariants import all_invariants


@pytest.fixture
def market(db: None, monkeypatch: pytest.MonkeyPatch) -> Market:
    """A market that has traded, seen through the connection of the test's own transaction."""
    for module in ("tradeplatform.common", "orders", "orders.history"):
        monkeypatch.setattr(f"{module}.invariants.READ_ONLY", "default", raising=False)
    market = make_market()
    market.sell(market.trader(), 1, 50_000)
    market.buy(market.trader(), 1, 50_000)
    market.drain()
    return market


def break_a_balance() -> int:
    """Give a client what nobody paid; the ledger account's id."""
    ledger = LedgerAccount.objects.filter(kind="client").earliest("id")
    with pgtrigger.ignore(), connection.cursor() as cursor:
        cursor.execute("UPDATE accounts_ledgeraccount SET balance = balance + 1 WHERE id = %s", [ledger.pk])
    return ledger.pk


def test_a_run_has_every_rule_and_says_what_it_looked_at(market: Market) -> None:
    run = prove(actor=ACTOR, now=NOW)

    assert [finding["code"] for finding in run.findings] == [rule.code for rule in all_invariants()]
    assert (run.holds, run.at, run.actor_label) == (True, NOW, ACTOR.label)
    examined = {finding["code"]: finding["examined"] for finding in run.findings}
    assert examined["iM4-balance"] == LedgerAccount.objects.count()


def test_the_hash_is_of_all_balances_and_can_be_computed_by_anybody(market: Market) -> None:
    run = prove(actor=ACTOR, now=NOW)

    quote = market.instrument.quote
    rows = LedgerAccount.objects.filter(asset=quote).order_by("id").values_list("id", "balance")
    text = ",".join(f"{number}:{balance:.18f}" for number, balance in rows)
    assert run.balances[quote.code] == {
        "accounts": len(rows),
        "sum": "0.000000000000000000",
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
    }


def test_what_is_broken_is_stored_with_its_rows(market: Market) -> None:
    ledger_id = break_a_balance()

    run = prove(actor=ACTOR, now=NOW)

    broken = {finding["code"]: finding["breaches"] for finding in run.findings if not finding["holds"]}
    assert run.holds is False
    assert [row["ledger_account"] for row in broken["iM4-balance"]] == [ledger_id]


def test_steps_come_one_by_one_and_a_run_that_is_left_is_not_stored(market: Market) -> None:
    steps = prove_in_steps(actor=ACTOR, now=NOW)
    first = next(steps)
    assert isinstance(first, Step)
    assert (first.place, first.of) == (1, len(all_invariants()))
    steps.close()  # type: ignore[attr-defined]

    assert not ProofRun.objects.exists()


def test_the_nightly_task_stores_a_run(market: Market) -> None:
    prove_nightly(from_a_newer_version=True)

    assert ProofRun.objects.get().holds


class TestCommand:
    def test_proves_stores_and_prints(self, market: Market) -> None:
        out = io.StringIO()
        call_command("proof", "--json", stdout=out)

        (shown,) = json.loads(out.getvalue())
        assert (shown["id"], shown["holds"]) == (ProofRun.objects.get().pk, True)

    def test_exits_with_1_on_a_breach_and_lists_it(self, market: Market) -> None:
        break_a_balance()
        with pytest.raises(SystemExit) as caught:
            call_command("proof", stdout=io.StringIO())
        assert caught.value.code == 1

        out = io.StringIO()
        call_command("proof", "--history", stdout=out)
        assert "BROKEN" in out.getvalue()
