"""The page Proof: green or red, rows that lead to what is broken, and a check that tells how far it is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import ProofRun, Role
from tests.accounts.test_proving import break_a_balance
from tests.admin.conftest import Lived, SignIn
from tests.factories import NOW
from tradeplatform.common.invariants import all_invariants


@pytest.fixture
def lived(lived_shared: Lived) -> Lived:
    """One market for all of this module; a test undoes what it did."""
    return lived_shared


@pytest.fixture(autouse=True)
def one_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """The checks see the test's own transaction."""
    for module in ("tradeplatform.common", "orders", "orders.history"):
        monkeypatch.setattr(f"{module}.invariants.READ_ONLY", "default", raising=False)


def check(client: Client) -> list[dict[str, object]]:
    answer: Any = client.post(reverse("admin:proof_check"))
    return [json.loads(line) for line in b"".join(answer.streaming_content).splitlines()]


def test_a_check_tells_every_rule_and_then_its_run(boss: Client, lived: Lived) -> None:
    *steps, run = check(boss)

    assert [step["code"] for step in steps] == [rule.code for rule in all_invariants()]
    assert [(step["place"], step["of"]) for step in steps] == [
        (place, len(steps)) for place in range(1, len(steps) + 1)
    ]
    stored = ProofRun.objects.latest("id")
    assert (run["run"], run["holds"], stored.actor_label) == (stored.pk, True, boss.user.username)  # type: ignore[attr-defined]
    page = boss.get(reverse("admin:proof")).content.decode()
    assert page.count(">Holds<") == len(steps)


def test_what_is_broken_leads_to_its_row(boss: Client, lived: Lived) -> None:
    ledger_id = break_a_balance()

    *steps, run = check(boss)

    link = reverse("admin:accounts_ledgeraccount_change", args=[ledger_id])
    assert run["holds"] is False
    assert any(link in str(step["row"]) for step in steps)
    assert link in boss.get(reverse("admin:proof")).content.decode()
    assert link in boss.get(str(run["url"])).content.decode()


def test_a_rule_that_was_never_checked_says_so(boss: Client, lived: Lived) -> None:
    page = boss.get(reverse("admin:proof")).content.decode()

    assert page.count("Not checked yet") == len(all_invariants())


def test_what_a_row_says_is_text(boss: Client, lived: Lived) -> None:
    finding = {
        "code": "iM1", "title": "<b>", "examined": 1, "seconds": 0, "holds": False,
        "breaches": [{"what": "<script>", "order": "no number"}],
    }  # fmt: skip
    run = ProofRun.objects.create(
        at=NOW, seconds=1, holds=False, actor_label="beat", findings=[finding], balances={}
    )

    page = boss.get(reverse("admin:accounts_proofrun_change", args=[run.pk])).content.decode()

    assert "<script>" not in page.split("What must hold")[1]
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize(
    ("role", "look", "press"),
    [(Role.SUPPORT, 200, 403), (Role.COMPLIANCE_OFFICER, 200, 200), (Role.TRADER, 302, 302)],
)
def test_who_may(sign_in: SignIn, lived: Lived, role: Role, look: int, press: int) -> None:
    client = sign_in(role)

    assert client.get(reverse("admin:proof")).status_code == look
    assert client.post(reverse("admin:proof_check")).status_code == press


def test_a_check_is_pressed_not_visited(boss: Client, lived: Lived) -> None:
    assert boss.get(reverse("admin:proof_check")).status_code == 405
