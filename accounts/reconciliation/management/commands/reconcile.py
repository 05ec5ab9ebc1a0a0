"""`manage.py reconcile`: import statements, try the rules again, list breaks, say how things stand."""

from __future__ import annotations

import json
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from rich.table import Table

from accounts.reconciliation.models import Break, BreakKind, BreakState, ReconciliationRun, StatementSource
from accounts.reconciliation.selectors import AGES, age_of, open_by_age
from accounts.reconciliation.services.importing import Preview, Terms, import_statement, preview_statement
from accounts.reconciliation.services.matching import rematch
from accounts.reconciliation.services.sources import find_source
from audit.actor import Actor
from instruments.scaling import short_text
from tradeplatform.common.console import output
from tradeplatform.common.errors import Refusal
from tradeplatform.common.times import rfc3339

_ACTOR = Actor.system("command")
_MOST_BREAKS = 10_000


def day(text: str) -> date:
    """A day such as 2026-11-28."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no day: write it as 2026-11-28.") from error


def closing(text: str) -> tuple[str, Decimal]:
    """A closing balance such as USD=1250.50."""
    code, _equals, amount = text.partition("=")
    try:
        return code, Decimal(amount)
    except InvalidOperation as error:
        raise ArgumentTypeError(f"{text!r}: write it as USD=1250.50.") from error


class Command(BaseCommand):
    """A thin door to accounts.reconciliation.services."""

    help = "Compare our ledger with what banks and custodians say."

    def add_arguments(self, parser: CommandParser) -> None:
        """Four verbs."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        take = verbs.add_parser("import", help="Take a statement whole or not at all; again adds nothing.")
        take.add_argument("file", type=Path, metavar="FILE")
        take.add_argument("--source", required=True)
        take.add_argument("--from", type=day, dest="first", metavar="2026-11-01")
        take.add_argument("--to", type=day, dest="last", metavar="2026-11-30")
        take.add_argument(
            "--closing", type=closing, action="append", default=[], metavar="USD=1250.50",
            help="what it says we had at its end; may be given for several assets",
        )  # fmt: skip
        take.add_argument("--reason", default="statement of the source")
        take.add_argument("--dry-run", action="store_true", help="say what would be imported, take nothing")
        match = verbs.add_parser("match", help="Try all rules again and store how many breaks are open.")
        breaks = verbs.add_parser("breaks", help="List the open breaks, the oldest first.")
        status = verbs.add_parser("status", help="Open breaks by source and age, and the last run.")
        for verb in (match, breaks):
            verb.add_argument("--source")
        for verb in (take, match, breaks, status):
            verb.add_argument("--json", action="store_true")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Do what the verb says."""
        with _refusals_named():
            rows = getattr(self, f"_{options['verb']}")(options)
        if options["json"]:
            self.stdout.write(json.dumps(rows))
            return
        output(options).print(_TABLES[options["verb"]](rows) if rows else "Nothing.")

    def _import(self, options: dict[str, Any]) -> dict[str, Any]:
        source = find_source(options["source"])
        terms = Terms(options["first"], options["last"], dict(options["closing"]))
        how: dict[str, Any] = {
            "source_id": source.pk, "terms": terms, "actor": _ACTOR, "now": timezone.now()
        }  # fmt: skip
        try:
            file = options["file"].open("rb")
        except OSError as error:
            raise CommandError(f"{options['file']} cannot be read: {error.strerror}.") from error
        with file:
            if options["dry_run"]:
                return _previewed(preview_statement(file=file, **how), options)
            name, reason = options["file"].name, options["reason"]
            return import_statement(file=file, file_name=name, reason=reason, **how).as_json()

    def _match(self, options: dict[str, Any]) -> list[dict[str, Any]]:
        source_id = find_source(options["source"]).pk if options["source"] else None
        runs = rematch(actor=_ACTOR, now=timezone.now(), source_id=source_id)
        return [_run(run) for run in runs]

    def _breaks(self, options: dict[str, Any]) -> list[dict[str, Any]]:
        rows = Break.objects.filter(state=BreakState.OPEN).select_related(
            "source", "ledger__asset", "line", "assignee"
        )
        if options["source"]:
            rows = rows.filter(source=find_source(options["source"]))
        now = timezone.now()
        return [
            {
                "break": row.pk,
                "source": row.source.name,
                "kind": row.kind,
                "amount": short_text(row.amount),
                "asset": row.ledger.asset.code,
                "happened": rfc3339(row.happened_at),
                "age": age_of(row, now=now),
                "line": row.line.reference if row.line else None,
                "transfers": row.transfer_ids,
                "assignee": row.assignee.username if row.assignee else None,
            }
            for row in rows.order_by("happened_at", "pk")[:_MOST_BREAKS]
        ]

    def _status(self, _options: dict[str, Any]) -> list[dict[str, Any]]:
        counts = {(row.source_id, row.age): row.count for row in open_by_age(now=timezone.now())}
        newest = {
            run.source_id: run
            for run in ReconciliationRun.objects.order_by("source", "-pk").distinct("source")
        }
        return [
            {
                "source": source.name,
                **{age: counts.get((source.pk, age), 0) for age, _end in AGES},
                "last_run": rfc3339(newest[source.pk].at) if source.pk in newest else None,
                "breaks_then": newest[source.pk].breaks if source.pk in newest else None,
            }
            for source in StatementSource.objects.order_by("name")
        ]


def _previewed(found: Preview, options: dict[str, Any]) -> dict[str, Any]:
    """What would be imported; rows at fault end the command with all of them."""
    if found.faults and not options["json"]:
        rows = "".join(f"\n  line {row.line}: {row.message} ({row.code})" for row in found.faults[:100])
        raise CommandError(f"{len(found.faults):,} rows are at fault; nothing would be taken.{rows}")
    return found.as_json() if options["json"] or found.imported is None else found.imported.as_json()


def _run(run: ReconciliationRun) -> dict[str, Any]:
    return {
        "source": run.source.name,
        "matched": run.matched,
        "opened": run.opened,
        "closed": run.closed,
        "breaks": run.breaks,
        "oldest": rfc3339(run.oldest) if run.oldest else None,
    }


def _imported_table(row: dict[str, Any]) -> Table:
    table = Table("", "", show_header=False)
    for name, value in row.items():
        table.add_row(name, _cell(value))
    return table


def _breaks_table(rows: list[dict[str, Any]]) -> Table:
    table = Table("Break", "Source", "What", "Theirs less ours", "Happened", "Who")
    for row in rows:
        about = [f"line {row['line']}"] if row["line"] else []
        about += [f"transfer {number}" for number in row["transfers"]]
        table.add_row(
            str(row["break"]),
            row["source"],
            "\n".join([str(BreakKind(row["kind"]).label), *about]),
            f"{row['amount']} {row['asset']}",
            f"{row['happened'][:10]}\n{row['age']}",
            row["assignee"] or "",
        )
    return table


def _plain_table(rows: list[dict[str, Any]]) -> Table:
    table = Table()
    for name in rows[0]:
        table.add_column(name.replace("_", " "), no_wrap=name == "source", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    return table


_TABLES: dict[str, Callable[[Any], Table]] = {
    "import": _imported_table,
    "match": _plain_table,
    "breaks": _breaks_table,
    "status": _plain_table,
}


def _cell(value: Any) -> str:
    """A value as people read it."""
    if value is None or value in ([], {}):
        return ""
    if isinstance(value, dict):
        return ", ".join(f"{name} {count}" for name, count in value.items())
    if isinstance(value, list):
        return "\n".join(_cell(item) for item in value)
    return str(value)


@contextmanager
def _refusals_named() -> Iterator[None]:
    """A refusal ends the command with its sentence, its code and the rows at fault."""
    try:
        yield
    except Refusal as refusal:
        rows = "".join(
            f"\n  line {row['line']}: {row['message']} ({row['code']})"
            for row in refusal.context.get("rows", ())
        )
        raise CommandError(f"{refusal.message} ({refusal.code}){rows}") from refusal
