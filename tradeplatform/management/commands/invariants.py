"""`manage.py invariants`: check everything that must hold, with a figure each; exit code 1 on a breach."""

from __future__ import annotations

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.table import Table

from tradeplatform.common.console import output, verdict
from tradeplatform.common.invariants import Finding, check_all


class Command(BaseCommand):
    """A thin door over tradeplatform.common.invariants."""

    help = "Check every invariant of money, orders, books and journal in one read-only snapshot."

    def add_arguments(self, parser: CommandParser) -> None:
        """Options."""
        parser.add_argument("--json", action="store_true", help="Print findings as JSON.")
        parser.add_argument("--only", nargs="+", default=[], metavar="CODE", help="Check these alone.")
        parser.add_argument("--skip", nargs="+", default=[], metavar="CODE", help="Leave these out.")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Check, print, and exit 1 on a breach."""
        try:
            findings = check_all(only=options["only"], skip=options["skip"])
        except KeyError as error:
            raise CommandError(f"No invariant has the code {error}.") from error
        if options["json"]:
            self.stdout.write(json.dumps([finding.as_json() for finding in findings], default=str, indent=2))
        else:
            _print(output(options), findings)
        if not all(finding.holds for finding in findings):
            sys.exit(1)


def _print(console: Console, findings: list[Finding]) -> None:
    table = Table("", "Code", "What must hold")
    table.add_column("Examined", justify="right")
    table.add_column("Breaches", justify="right")
    for finding in findings:
        mark = verdict(good=finding.holds, words="holds" if finding.holds else "BROKEN")
        table.add_row(mark, finding.code, finding.title, f"{finding.examined:,}", str(len(finding.breaches)))
    console.print(table)
    for finding in findings:
        for breach in finding.breaches:
            console.print(verdict(good=False, words=finding.code), f"{breach}")
    broken = sum(not finding.holds for finding in findings)
    if broken:
        console.print(verdict(good=False, words=f"{broken} invariants are broken."))
    else:
        console.print(f"All {len(findings)} invariants hold.")
