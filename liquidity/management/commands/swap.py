"""`manage.py swap`: charge a night to every open position, once; safe to run again at any time."""

from __future__ import annotations

import json
from argparse import ArgumentParser, ArgumentTypeError
from datetime import date, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.table import Table

from instruments.scaling import short_text
from liquidity.services.swapping import swap_night
from tradeplatform.common.console import output


class Command(BaseCommand):
    """A thin door to liquidity.services.swapping."""

    help = "Charge and credit the night after a day to every position that was open at its end and still is."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Options of the command line."""
        parser.add_argument(
            "--date", type=_day, help="the day before the night, YYYY-MM-DD; default: yesterday"
        )
        parser.add_argument("--json", action="store_true", help="print the result as JSON")
        parser.add_argument(
            "--dry-run", action="store_true", help="say what would be charged, change nothing"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Charge, and say what was."""
        now = timezone.now()
        night: date = options["date"] or (now - timedelta(days=1)).date()
        if night >= now.date():
            raise CommandError(f"{night} has not ended yet, in UTC.")
        done = swap_night(night, now=now, dry_run=options["dry_run"])
        report = {
            "date": str(night),
            "dry_run": options["dry_run"],
            "positions": done.positions,
            "totals": {code: short_text(total) for code, total in sorted(done.totals.items())},
            "refused": {str(account): why for account, why in done.refused.items()},
        }
        if options["json"]:
            self.stdout.write(json.dumps(report, indent=2))
            return
        table = Table(
            "", "", title=f"Swap of {night}{' (dry run)' if options['dry_run'] else ''}", show_header=False
        )
        table.add_row("positions charged", str(done.positions))
        for code, total in sorted(done.totals.items()):
            table.add_row(f"sum in {code}", short_text(total))
        for account, why in done.refused.items():
            table.add_row(f"account {account} left out", why)
        output(options).print(table)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError("a day, such as 2026-03-02") from None
