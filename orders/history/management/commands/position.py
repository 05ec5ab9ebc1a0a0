"""`manage.py position`: regenerate the positions of an instrument from the trade store."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone
from rich.table import Table

from instruments.selectors import require_rules
from orders.history.management.commands._words import find_account, refusals_named
from orders.history.services.regenerating import regenerate
from tradeplatform.common.console import output


class Command(BaseCommand):
    """A thin door to history.services.regenerating."""

    help = "Replay the trade store into the positions of an instrument; again, it changes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Options of the command line."""
        parser.add_argument("instrument", metavar="INSTRUMENT")
        parser.add_argument("--account", metavar="NUMBER", help="of this account alone")
        parser.add_argument("--json", action="store_true")
        parser.add_argument("--dry-run", action="store_true", help="say what is wrong and put nothing right")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Regenerate, and say how many points there are and how many were not so."""
        with refusals_named():
            done = regenerate(
                instrument_id=require_rules(options["instrument"]).id,
                account_id=find_account(options["account"]).pk if options["account"] else None,
                now=timezone.now(),
                dry_run=options["dry_run"],
            )
        if options["json"]:
            self.stdout.write(json.dumps(asdict(done) | {"dry_run": options["dry_run"]}))
            return
        table = Table("points", "removed", "added", title=f"Positions in {options['instrument']}")
        table.add_row(*(f"{value:,}" for value in (done.points, done.removed, done.added)))
        output(options).print(table)
