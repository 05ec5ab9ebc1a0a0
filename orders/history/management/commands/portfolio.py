"""`manage.py portfolio`: what is in a portfolio, now or at a moment, added up."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.table import Table

from orders.history.management.commands._words import moment, refusals_named
from orders.history.models import Portfolio
from orders.history.rendering import content_json
from orders.history.services.portfolios import content_of
from tradeplatform.common.console import output


class Command(BaseCommand):
    """A thin door to history.services.portfolios."""

    help = "The positions of a portfolio after everything with time at or before TIMESTAMP (without it: now)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Options of the command line."""
        parser.add_argument("name", metavar="NAME")
        parser.add_argument("at", metavar="TIMESTAMP", nargs="?", type=moment)
        parser.add_argument("--json", action="store_true")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Ask, and print."""
        found = Portfolio.objects.filter(name=options["name"]).first()
        if found is None:
            raise CommandError(f"No portfolio has the name {options['name']}.")
        with refusals_named():
            content = content_json(content_of(found, at=options["at"]))
        if options["json"]:
            self.stdout.write(json.dumps({"portfolio": found.name} | content))
            return
        for title, rows in (("Positions", content["positions"]), ("Totals", content["totals"])):
            names = list(rows[0]) if rows else [""]
            table = Table(*names, title=f"{title} of {found.name}")
            for row in rows:
                table.add_row(*("" if row[name] is None else str(row[name]) for name in names))
            output(options).print(table)
