"""`manage.py proof`: check every invariant, store what was found; exit code 1 on a breach."""

from __future__ import annotations

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone
from rich.table import Table
from rich.text import Text

from accounts.models import ProofRun
from accounts.services.proving import Step, prove_in_steps
from audit.actor import Actor
from tradeplatform.common.console import output, progress, verdict
from tradeplatform.common.times import rfc3339


class Command(BaseCommand):
    """A thin door to accounts.services.proving."""

    help = "Check every invariant in one snapshot and store the result with a hash of all balances."

    def add_arguments(self, parser: CommandParser) -> None:
        """Options."""
        parser.add_argument("--json", action="store_true", help="Print the run as JSON.")
        parser.add_argument("--history", action="store_true", help="List the last runs; check nothing.")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Check or list."""
        runs = list(ProofRun.objects.order_by("-id")[:30]) if options["history"] else [_run()]
        if options["json"]:
            self.stdout.write(json.dumps([_json(run) for run in runs], indent=2, default=str))
        else:
            output(options).print(_history(runs) if options["history"] else _findings(runs[0]))
        if not options["history"] and not runs[0].holds:
            sys.exit(1)


def _run() -> ProofRun:
    with progress("{task.fields[code]}") as bar:
        task = bar.add_task("Proving", total=None, code="")
        for step in prove_in_steps(actor=Actor.system("command"), now=timezone.now()):
            if isinstance(step, Step):
                bar.update(task, total=step.of, completed=step.place, code=step.finding.code)
            else:
                return step
    raise RuntimeError("a proof ends with its run")


def _json(run: ProofRun) -> dict[str, Any]:
    return {
        "id": run.pk,
        "at": rfc3339(run.at),
        "seconds": run.seconds,
        "holds": run.holds,
        "by": run.actor_label,
        "findings": run.findings,
        "balances": run.balances,
    }


def _mark(holds: bool) -> Text:  # noqa: FBT001 - what is shown
    return verdict(good=holds, words="holds" if holds else "BROKEN")


def _history(runs: list[ProofRun]) -> Table:
    table = Table("Proof", "When (UTC)", "", "By", "Invariants", "Seconds")
    for run in runs:
        table.add_row(str(run.pk), f"{run.at:%Y-%m-%d %H:%M:%S}", _mark(run.holds), run.actor_label,
                      str(len(run.findings)), str(run.seconds))  # fmt: skip
    return table


def _findings(run: ProofRun) -> Table:
    table = Table("", "Code", "What must hold", title=f"Proof {run.pk}", title_justify="left")
    for name in ("Examined", "Breaches", "Seconds"):
        table.add_column(name, justify="right")
    for row in run.findings:
        table.add_row(_mark(row["holds"]), row["code"], row["title"], f"{row['examined']:,}",
                      str(len(row["breaches"])), str(row["seconds"]))  # fmt: skip
    return table
