"""`manage.py quote`: a price by hand, as a table or JSON, or only checked."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from audit.models import AuditRecord
from instruments.models import Instrument, Quote
from tests.factories import make_instrument, short

pytestmark = pytest.mark.django_db


@pytest.fixture
def instrument() -> Instrument:
    return make_instrument()


def run(*arguments: str, **options: Any) -> str:
    out = io.StringIO()
    call_command("quote", *arguments, stdout=out, **options)
    return out.getvalue()


def test_records_with_a_table(instrument: Instrument) -> None:
    printed = run(instrument.symbol, "1.1000", "1.1002", reason="desk")

    row = Quote.objects.get(instrument=instrument)
    assert (short(row.bid), short(row.ask), row.source) == ("1.1", "1.1002", "operator")
    assert (AuditRecord.objects.get().reason, "1.1002" in printed) == ("desk", True)


def test_says_as_json_what_a_dry_run_would_record(instrument: Instrument) -> None:
    report = json.loads(run(instrument.symbol, "1.1", "1.2", json=True, dry_run=True))

    assert {name: report[name] for name in ("symbol", "bid", "ask", "recorded")} == {
        "symbol": instrument.symbol, "bid": "1.1", "ask": "1.2", "recorded": False
    }  # fmt: skip
    assert (Quote.objects.count(), AuditRecord.objects.count()) == (0, 0)


@pytest.mark.parametrize(
    ("bid", "ask", "complaint"),
    [("2", "1", "not below it"), ("0", "1", "above zero"), ("x", "1", "a decimal number")],
)
def test_refuses_what_is_no_quote(instrument: Instrument, bid: str, ask: str, complaint: str) -> None:
    with pytest.raises(CommandError, match=complaint):
        run(instrument.symbol, bid, ask)

    assert Quote.objects.count() == 0


def test_refuses_an_unknown_symbol() -> None:
    with pytest.raises(CommandError, match="No such instrument"):
        run("NOPE", "1", "2")
