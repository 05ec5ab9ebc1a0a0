"""`manage.py report`: fees, volume and profit of some days, by account, instrument, book or day."""

from __future__ import annotations

import json
from argparse import ArgumentParser, ArgumentTypeError
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone
from rich.table import Table

from accounts.statement_selectors import Period
from instruments.models import Realm
from instruments.scaling import short_text
from orders.history.management.commands._words import refusals_named
from orders.history.results import By, Result, as_csv, as_json, results
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
        parser.add_argument("--by", choices=[by.value for by in By], default=By.INSTRUMENT.value)
        parser.add_argument("--from", type=day, dest="first", metavar="2026-11-01")
        parser.add_argument("--to", type=day, dest="last", metavar="2026-11-30")
        parser.add_argument("--realm", choices=Realm.values, default=Realm.LIVE.value, help="whose money")
        parser.add_argument("--format", choices=["table", "json", "csv"], default="table")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Ask, and print."""
        today = timezone.now().date()
        this = Period.of_month(today.year, today.month)
        with refusals_named():
            period = Period(options["first"] or this.first, options["last"] or this.last)
        found = results(period, By(options["by"]), Realm(options["realm"]))
        if options["format"] == "json":
            self.stdout.write(json.dumps(as_json(found)))
        elif options["format"] == "csv":
            self.stdout.write(as_csv(found), ending="")
        else:
            output(options).print(_table(found, options["by"], period))


def _table(found: list[Result], by: str, period: Period) -> Table:
    table = Table(title=f"{period} (UTC)", title_justify="left")
    table.add_column(by.capitalize(), no_wrap=True)
    table.add_column("Asset")
    for name in ("Executions", "Volume", "Realised", "Swap", "Fees", "Net"):
        table.add_column(name, justify="right")
    for row in found:
        amounts = (row.volume, row.realised, row.swap, row.fees, row.net)
        table.add_row(row.name, row.asset, f"{row.executions:,}", *map(short_text, amounts))
    return table
