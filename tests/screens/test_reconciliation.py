"""Reconciliation in a real browser: a statement uploaded, looked at and imported, and the queue of breaks."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.utils import timezone
from playwright.sync_api import Page

from accounts.models import Transfer
from accounts.reconciliation.models import (
    Break,
    ImportedStatement,
    Match,
    ReconciliationRun,
    StatementLine,
    StatementSource,
    StatementUpload,
)
from accounts.reconciliation.services.breaks import assign, note
from audit.actor import Actor
from instruments.models import Asset
from tests.admin.registry import act, address
from tests.factories import tag
from tests.reconciliation.banking import (
    HEADER,
    account_at,
    asset_of,
    make_source,
    paid_in,
    row,
    take,
    uploaded,
)
from tests.screens.watching import Watch
from tests.servers import Platform

pytestmark = pytest.mark.live

_ACTOR = Actor.system("screens")


@pytest.fixture(scope="module")
def source(platform: Platform) -> StatementSource:
    """A bank that agrees with us about most, for weeks; a file that waits, and one with faults."""
    now = timezone.now()
    source = make_source(Asset.objects.create(code=f"D{tag()[:3]}", name="Dollars", decimals=2))
    account, name = account_at(source), source.name
    for number in range(12):
        paid_in(account, 100 + number, request_id=f"{name}-{number}", at=now - timedelta(days=40))
    told = [
        row(f"FT-{number:04}", 100 + number, ours=f"{name}-{number}", at=now - timedelta(days=40))
        for number in range(10)
    ]
    odd = [
        row(f"FT-1{days:03}", f"-{days + 1}.50", at=now - timedelta(days=days), text="Account fee")
        for days in (0, 1, 3, 4, 9, 20, 39)
    ]
    differs = row(
        "FT-2000", "109.50", ours=f"{name}-10", at=now - timedelta(days=39), text="Wire less charges"
    )
    take(source, *told, *odd, differs, closing={asset_of(source).code: Decimal("1040.25")}, now=now)
    found = Break.objects.filter(source=source, kind="differs").get()
    assign(break_id=found.pk, username="officer", reason="knows the bank", actor=_ACTOR, now=now)
    note(break_id=found.pk, text="Called the bank: charges of 0.50, paper follows.", actor=_ACTOR, now=now)
    uploaded(source, row("FT-3000", 111, ours=f"{name}-11"), row("FT-3001", "-3.25"), now=now)
    uploaded(source, row("FT-3002", "x"), row("=FT", 1), row("FT-3003", "0.001"), now=now)
    return source


@pytest.mark.parametrize("theme", ["dark"], indirect=True)
def test_every_page_opens_without_a_complaint(source: StatementSource, watch: Watch) -> None:
    rows = [
        (Break, Break.objects.filter(source=source, kind="differs").get().pk),
        (ImportedStatement, ImportedStatement.objects.filter(source=source).get().pk),
        (Match, Match.objects.filter(source=source).order_by("-pk")[0].pk),
        (StatementLine, StatementLine.objects.filter(source=source).order_by("-pk")[0].pk),
        (StatementSource, source.pk),
        (StatementUpload, StatementUpload.objects.filter(source=source).order_by("-pk")[0].pk),
    ]
    for model, key in rows:
        name = model._meta.model_name
        watch.visit(address(model, "changelist"))
        watch.keep_both(f"reconciliation-{name}-list")
        watch.visit(address(model, "change", key))
        watch.keep_both(f"reconciliation-{name}")
    watch.visit(address(ReconciliationRun, "changelist"))
    first, _second = StatementUpload.objects.filter(source=source).order_by("pk")[:2]
    for name, url in {
        "upload": act(StatementSource, source.pk, "upload"),
        "edit": act(StatementSource, source.pk, "edit"),
        "new": address(StatementSource, "new", "add"),
        "upload-good": address(StatementUpload, "change", first.pk),
        "import": act(StatementUpload, first.pk, "import"),
        "write-off": act(Break, rows[0][1], "write-off"),
        "by-hand": act(Break, rows[0][1], "match"),
        "undo": act(Match, rows[2][1], "undo"),
        "transfer": address(Transfer, "change", Transfer.objects.filter(kind="deposit").latest("id").pk),
    }.items():
        watch.visit(url)
        watch.keep_both(f"reconciliation-{name}")

    assert watch.problems == []


@pytest.mark.parametrize("theme", ["light"], indirect=True)
def test_a_statement_is_uploaded_looked_at_and_imported(
    source: StatementSource, page: Page, watch: Watch, tmp_path: Path
) -> None:
    file = tmp_path / "bank.csv"
    file.write_text("\n".join([HEADER, row("FT-9000", "12.34", at=timezone.now())]))
    watch.visit(act(StatementSource, source.pk, "upload"))
    page.set_input_files("input[type=file]", str(file))
    page.fill("textarea[name=reason]", "the daily file")
    page.click("button:has-text('Upload statement')")
    assert "Can be imported" in page.inner_text("#main")
    page.click("a.bo-button:has-text('Import')")
    assert "New lines" in page.inner_text("table.bo-effects")
    page.click("button:has-text('Import')")

    assert "1 lines are new" in page.inner_text("#main")
    assert StatementLine.objects.filter(source=source, reference="FT-9000").exists()
    assert watch.problems == []
