"""`manage.py freeze`: make the past of an instrument, or of all, final."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone
from rich.table import Table

from audit.actor import Actor
from instruments.selectors import require_rules
from orders.history.management.commands._words import moment, refusals_named
from orders.history.services.freezing import freeze
from tradeplatform.common.console import output
from tradeplatform.common.times import rfc3339


class Command(BaseCommand):
    """A thin door to history.services.freezing."""

    help = (
        "Positions before the moment change no more: a trade that comes later for that time is booked at the "
        "moment, as a correction. This cannot be undone."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Options of the command line."""
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("instrument", metavar="INSTRUMENT", nargs="?")
        which.add_argument("--all", action="store_true", help="all instruments, those to come included")
        parser.add_argument("--until", metavar="TIMESTAMP", type=moment, required=True)
        parser.add_argument("--reason", required=True)
        parser.add_argument("--json", action="store_true")
        parser.add_argument("--dry-run", action="store_true", help="say what would be frozen, freeze nothing")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Freeze, and say how many points that made final."""
        with refusals_named():
            period = freeze(
                instrument_id=None if options["all"] else require_rules(options["instrument"]).id,
                until=options["until"],
                reason=options["reason"],
                actor=Actor.system("freeze"),
                now=timezone.now(),
                dry_run=options["dry_run"],
            )
        answer = {
            "instrument": None if options["all"] else options["instrument"],
            "until": rfc3339(period.until),
            "points": period.points,
            "dry_run": options["dry_run"],
        }
        if options["json"]:
            self.stdout.write(json.dumps(answer))
            return
        table = Table(
            "instrument", "until", "points", title="Would be frozen" if options["dry_run"] else "Frozen"
        )
        table.add_row(answer["instrument"] or "all", answer["until"], f"{period.points:,}")
        output(options).print(table)
