"""`manage.py reconcile`: each verb as a table and as JSON."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.reconciliation.models import ReconciliationRun, StatementSource
from accounts.reconciliation.tasks import rematch_nightly
from tests.reconciliation.banking import account_at, asset_of, paid_in, picture, row, statement, take

pytestmark = pytest.mark.django_db


def run(*words: str) -> str:
    out = io.StringIO()
    call_command("reconcile", *words, stdout=out)
    return out.getvalue()


def told(*words: str) -> Any:
    return json.loads(run(*words, "--json"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "march.csv"
    path.write_bytes(statement(row("B1", 5), row("B2", 7)))
    return path


def test_a_dry_run_says_what_would_be_and_takes_nothing(source: StatementSource, file: Path) -> None:
    paid_in(account_at(source), 5)
    before = picture()

    would = told("import", str(file), "--source", source.name, "--dry-run")

    assert picture() == before
    assert (would["rows"], would["faults"]) == (2, 0)
    assert (would["would"]["new"], would["would"]["matched"]) == (2, {"amount": 1})
    assert "amount 1" in run("import", str(file), "--source", source.name, "--dry-run")


def test_import_then_again(source: StatementSource, file: Path) -> None:
    code = asset_of(source).code

    first = told("import", str(file), "--source", source.name, "--closing", f"{code}=12")
    again = told("import", str(file), "--source", source.name, "--closing", f"{code}=12")

    assert (first["new"], first["breaks_open"]) == (2, 2)
    assert first["balances"] == [{"asset": code, "theirs": "12", "ours": "0", "difference": "12"}]
    assert (again["repeated"], again["new"], again["statement"]) == (True, 0, first["statement"])
    assert again["breaks_open"] == 2


def test_breaks_status_and_match(source: StatementSource) -> None:
    take(source, row("B1", 5), row("B2", 7))
    (first, _second) = told("breaks", "--source", source.name)

    assert first | {"break": 0} == {
        "break": 0, "source": source.name, "kind": "ours", "amount": "5", "asset": asset_of(source).code,
        "happened": "2026-03-02T00:00:00.000000Z", "age": "over 30 days", "line": "B1", "transfers": [],
        "assignee": None,
    }  # fmt: skip
    (status,) = told("status")
    assert (status["over 30 days"], status["0-1 days"], status["last_run"]) == (2, 0, None)

    paid_in(account_at(source), 5)
    (ran,) = told("match", "--source", source.name)
    assert (ran["matched"], ran["closed"], ran["breaks"]) == (1, 1, 1)
    assert told("status")[0]["breaks_then"] == 1
    for verb in ("breaks", "status", "match"):
        assert source.name in run(verb)
    assert "line B2" in run("breaks")


def test_an_empty_platform_says_so() -> None:
    assert "Nothing." in run("status")
    assert told("breaks") == []


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"x", "wrong_columns"), (statement(row("B1", "x")), r"line 2: .*invalid_number")],
)
def test_a_bad_file_ends_with_its_code(
    source: StatementSource, tmp_path: Path, content: bytes, said: str
) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(content)

    for more in ((), ("--dry-run",)):
        with pytest.raises(CommandError, match=said):
            run("import", str(path), "--source", source.name, *more)


@pytest.mark.parametrize(
    "words", [("import", "/nowhere", "--source"), ("import", "/nowhere", "--closing", "x", "--source")]
)
def test_what_cannot_be_read_is_said(source: StatementSource, words: tuple[str, ...]) -> None:
    with pytest.raises(CommandError):
        run(*words, source.name)


def test_a_source_that_is_not_there() -> None:
    with pytest.raises(CommandError, match="not_found"):
        run("breaks", "--source", "nowhere")


def test_beat_matches_and_stores_the_count(source: StatementSource) -> None:
    take(source, row("B1", 5))

    rematch_nightly(unknown="argument")

    stored = ReconciliationRun.objects.get()
    assert (stored.source, stored.actor_label, stored.breaks) == (source, "beat", 1)
