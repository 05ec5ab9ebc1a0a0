"""`manage.py ledger`: export any number of transfers, and close the months that have ended."""

from __future__ import annotations

import json
import resource
import sys
import time
from argparse import ArgumentTypeError
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from rich.table import Table

from accounts.exporting import own_ledger, whole_ledger
from accounts.models import TradingAccount
from accounts.services.closing import close_months, months_to_close
from accounts.statement_selectors import Period
from tradeplatform.common.console import output
from tradeplatform.common.errors import Refusal


def day(text: str) -> date:
    """A day such as 2026-11-28."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no day: write it as 2026-11-28.") from error


class Command(BaseCommand):
    """A thin door to accounts.exporting and accounts.services.closing."""

    help = "Export the ledger as CSV, or close the months that have ended."

    def add_arguments(self, parser: CommandParser) -> None:
        """Two verbs."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        export = verbs.add_parser("export", help="Stream transfers as CSV, to standard output or a file.")
        export.add_argument("--from", type=day, required=True, metavar="2026-11-01", dest="first")
        export.add_argument("--to", type=day, required=True, metavar="2026-11-30", dest="last")
        export.add_argument("--account", metavar="ACC-000001", help="One account, as its owner sees it.")
        export.add_argument("--format", choices=["csv"], default="csv")
        export.add_argument("--output", type=Path, metavar="FILE")
        close = verbs.add_parser("close", help="Store the closing balances of all months that have ended.")
        close.add_argument("--dry-run", action="store_true", help="Say which months would be closed.")
        close.add_argument("--json", action="store_true")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Do what the verb says."""
        getattr(self, f"_{options['verb']}")(options)

    def _export(self, options: dict[str, Any]) -> None:
        try:
            period = Period(options["first"], options["last"])
        except Refusal as refusal:
            raise CommandError(refusal.message) from refusal
        number = options["account"]
        if number is None:
            pieces = whole_ledger(period)
        else:
            account = TradingAccount.objects.filter(account_number=number).first()
            if account is None:
                raise CommandError(f"No account has the number {number}.")
            pieces = own_ledger(account.pk, period)
        target = options["output"]
        started, rows = time.monotonic(), -1  # the first line is the heading
        out: BinaryIO = target.open("wb") if target else getattr(self.stdout, "buffer", sys.stdout.buffer)
        try:
            for piece in pieces:
                out.write(piece)
                rows += piece.count(b"\n")
        finally:
            if target:
                out.close()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        seconds = time.monotonic() - started
        self.stderr.write(f"{rows:,} lines in {seconds:.1f} s, at most {peak} MB of memory")

    def _close(self, options: dict[str, Any]) -> None:
        now = timezone.now()
        if options["dry_run"]:
            found: list[dict[str, Any]] = [
                {"month": f"{month:%Y-%m}", "balances": None} for month in months_to_close(now=now)
            ]
        else:
            found = [
                {"month": f"{done.month:%Y-%m}", "balances": done.balances} for done in close_months(now=now)
            ]
        if options["json"]:
            self.stdout.write(json.dumps(found))
            return
        table = Table("Month", "Balances stored", title="Would close" if options["dry_run"] else "Closed")
        for row in found:
            table.add_row(row["month"], "" if row["balances"] is None else f"{row['balances']:,}")
        output(options).print(table if found else "Every month that has ended is closed.")
