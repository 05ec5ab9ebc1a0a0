"""`manage.py report`: fees, volume and profit of some days: of clients, cut as asked, or of the house."""

from __future__ import annotations

import json
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone
from rich.table import Table

from accounts.documents.report import report_csv, report_json
from accounts.house_selectors import COLUMNS as HOUSE_COLUMNS
from accounts.house_selectors import house_results
from accounts.statement_selectors import Period
from instruments.models import Realm
from instruments.scaling import short_text
from orders.history.management.commands._words import refusals_named
from orders.history.results import COLUMNS, By, results
from tradeplatform.common.console import output


def day(text: str) -> date:
    """A day such as 2026-11-28."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no day: write it as 2026-11-28.") from error


class Command(BaseCommand):
    """A thin door to orders.history.results."""

    help = "Fees, volume and profit of some days (UTC, both ends included; this month unless told)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Of when, by what, as what."""
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--by", choices=[by.value for by in By], default=By.INSTRUMENT.value)
        which.add_argument(
            "--house", action="store_true", help="what the house earned, by book: exchange, dealing, other"
        )
        parser.add_argument("--from", type=day, dest="first", metavar="2026-11-01")
        parser.add_argument("--to", type=day, dest="last", metavar="2026-11-30")
        parser.add_argument("--realm", choices=Realm.values, default=Realm.LIVE.value, help="whose money")
        form = parser.add_mutually_exclusive_group()
        form.add_argument("--format", choices=["table", "json", "csv"], default="table")
        form.add_argument(
            "--json", action="store_const", const="json", dest="format", help="as --format json"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Ask, and print."""
        today = timezone.now().date()
        this = Period.of_month(today.year, today.month)
        with refusals_named():
            period = Period(options["first"] or this.first, options["last"] or this.last)
        realm = Realm(options["realm"])
        if options["house"]:
            columns, rows = HOUSE_COLUMNS, [row.cells() for row in house_results(period, realm)]
        else:
            columns, rows = COLUMNS, [row.cells() for row in results(period, By(options["by"]), realm)]
        if options["format"] == "json":
            self.stdout.write(json.dumps(report_json(columns, rows)))
        elif options["format"] == "csv":
            self.stdout.write(report_csv(columns, rows), ending="")
        else:
            headings = [options["by"] if column == "name" else column for column in columns]
            output(options).print(_table(headings, rows, period))


def _table(columns: Sequence[str], rows: Sequence[Sequence[Any]], period: Period) -> Table:
    table = Table(title=f"{period} (UTC)", title_justify="left")
    for place, name in enumerate(columns):
        heading = "P&L" if name == "pnl" else name.capitalize()
        table.add_column(heading, justify="right" if place > 1 else "left", no_wrap=not place)
    for row in rows:
        table.add_row(*map(_plain, row))
    return table


def _plain(cell: Any) -> str:
    if isinstance(cell, Decimal):
        return short_text(cell)
    return f"{cell:,}" if isinstance(cell, int) else str(cell)
