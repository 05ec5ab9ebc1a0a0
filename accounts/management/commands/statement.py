"""`manage.py statement ACCOUNT`: what an account owned, all that moved it, and what it owns after."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentTypeError
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from rich.table import Table

from accounts.documents import words
from accounts.documents.statement_csv import statement_csv
from accounts.documents.statement_html import statement_html
from accounts.documents.statement_json import statement_json
from accounts.documents.statement_pdf import statement_pdf
from accounts.models import TradingAccount
from accounts.statement_selectors import Period, Statement, statement_of
from tradeplatform.common.console import output
from tradeplatform.common.errors import Refusal

_TEXTS: dict[str, Callable[[Statement], str]] = {
    "json": lambda statement: json.dumps(statement_json(statement), indent=2),
    "csv": statement_csv,
    "html": statement_html,
}


def month(text: str) -> Period:
    """A month such as 2026-11."""
    try:
        first = date.fromisoformat(f"{text}-01")
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no month: write it as 2026-11.") from error
    return Period.of_month(first.year, first.month)


def day(text: str) -> Period:
    """A day such as 2026-11-28."""
    try:
        found = date.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no day: write it as 2026-11-28.") from error
    return Period(found, found)


class Command(BaseCommand):
    """A thin door to accounts.statement_selectors and accounts.documents."""

    help = "Print the statement of a trading account for a month or a day (UTC), this month unless told."

    def add_arguments(self, parser: CommandParser) -> None:
        """Whose, of when, as what, and where to."""
        parser.add_argument("account", help="Account number, such as ACC-000001.")
        period = parser.add_mutually_exclusive_group()
        period.add_argument("--month", type=month, dest="period", metavar="2026-11")
        period.add_argument("--day", type=day, dest="period", metavar="2026-11-28")
        parser.add_argument("--format", choices=["table", *_TEXTS, "pdf"], default="table")
        parser.add_argument("--output", type=Path, metavar="FILE", help="Write there, not to the terminal.")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Read, render, write."""
        account = (
            TradingAccount.objects.select_related("user").filter(account_number=options["account"]).first()
        )
        if account is None:
            raise CommandError(f"No account has the number {options['account']}.")
        today = timezone.now().date()
        period = options["period"] or Period.of_month(today.year, today.month)
        form, target = options["format"], options["output"]
        try:
            # A file may be long; only what people read at once has an end.
            statement = statement_of(account, period, most_lines=None)
        except Refusal as refusal:
            raise CommandError(refusal.message) from refusal
        if form == "pdf":
            self._write_bytes(statement_pdf(statement), target)
        elif form in _TEXTS:
            self._write_bytes(_TEXTS[form](statement).encode(), target)
        else:
            _print(statement, options)

    def _write_bytes(self, data: bytes, target: Path | None) -> None:
        if target is not None:
            target.write_bytes(data)
        elif data.startswith(b"%PDF"):
            if sys.stdout.isatty():
                raise CommandError("A PDF is not for a terminal: say --output FILE.")
            sys.stdout.buffer.write(data)
        else:
            self.stdout.write(data.decode(), ending="")


def _print(statement: Statement, options: dict[str, Any]) -> None:
    console = output(options)
    console.print(f"Statement of {statement.account}, {statement.period} (UTC)")
    for section in statement.sections:
        table = Table(
            *(column for column in words.COLUMNS), title=words.heading(section), title_justify="left"
        )
        for place in (3, 4):
            table.columns[place].justify = "right"
        sums = words.sums(section)
        table.add_row("", "", sums[0][0], "", sums[0][1], "", "")
        for row in words.rows(section):
            table.add_row(*row)
        for name, value in sums[1:3]:
            table.add_row("", "", name, value, "", "", "")
        table.add_row("", "", sums[3][0], "", sums[3][1], "", "")
        console.print(table)
    if not statement.sections:
        console.print("No money before this period, and none in it.")
