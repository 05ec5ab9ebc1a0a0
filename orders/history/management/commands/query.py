"""`manage.py query`: the position in an instrument at a moment, or over windows of time."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.table import Table

from instruments.selectors import require_rules
from orders.history.management.commands._words import (
    find_account,
    moment,
    refusals_named,
)
from orders.history.rendering import bin_json, position_json
from orders.history.selectors import bins, position_at, width_of
from tradeplatform.common.console import output
from tradeplatform.common.times import rfc3339

_BINS = 24


class Command(BaseCommand):
    """A thin door to history.selectors."""

    help = (
        "The position after everything with time at or before TIMESTAMP (RFC 3339, to the microsecond; "
        "without it: now). Without --account: of all accounts together. "
        "Before the first execution: no position."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Options of the command line."""
        parser.add_argument("instrument", metavar="INSTRUMENT")
        parser.add_argument("at", metavar="TIMESTAMP", nargs="?", type=moment)
        parser.add_argument("--account", metavar="NUMBER", help="of this account alone")
        parser.add_argument("--bins", metavar="WIDTH", help="windows such as 30s, 15m, 1h, 1d")
        parser.add_argument("--from", dest="start", metavar="TIMESTAMP", type=moment)
        parser.add_argument("--to", dest="end", metavar="TIMESTAMP", type=moment)
        parser.add_argument("--json", action="store_true")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Ask, and print."""
        with refusals_named():
            scope = {
                "instrument_id": require_rules(options["instrument"]).id,
                "account_ids": [find_account(options["account"]).pk] if options["account"] else None,
            }
            if options["bins"]:
                self._bins(scope, options)
            else:
                if options["start"] or options["end"]:
                    raise CommandError("--from and --to go with --bins.")
                self._position(scope, options)

    def _position(self, scope: dict[str, Any], options: dict[str, Any]) -> None:
        found = position_at(**scope, at=options["at"])
        if options["json"]:
            asked = options["at"] and rfc3339(options["at"])
            answer = {"instrument": options["instrument"], "at": asked, "position": position_json(found)}
            self.stdout.write(json.dumps(answer))
        elif found is None:
            self.stdout.write("no position")
        else:
            # One below the other: side by side they are wider than most terminals.
            table = Table("", "", title=f"Position in {options['instrument']}", show_header=False)
            for name, value in (position_json(found) or {}).items():
                table.add_row(name, str(value or ""))
            output(options).print(table)

    def _bins(self, scope: dict[str, Any], options: dict[str, Any]) -> None:
        if options["at"]:
            raise CommandError("Windows are asked for by --from and --to, not by a TIMESTAMP.")
        width = width_of(options["bins"])
        start, end = _window(options["start"], options["end"], width)
        found = bins(**scope, start=start, end=end, width=width)
        if options["json"]:
            self.stdout.write(
                json.dumps({"instrument": options["instrument"], "bins": list(map(bin_json, found))})
            )
            return
        table = Table(title=f"Position in {options['instrument']}, windows of {options['bins']}")
        for name in _NAMES:
            table.add_column(name, overflow="fold")
        for row in map(bin_json, found):
            cells = (str(row[name]) if row[name] is not None else "" for name in _NAMES)
            table.add_row(*(cell.replace(".000000Z", "Z") for cell in cells))
        output(options).print(table)


# The end is the next window's start; what is too long is folded, for a number that is cut is another number.
_NAMES = ("start", "open", "high", "low", "close", "volume", "executions")


def _window(start: datetime | None, end: datetime | None, width: timedelta) -> tuple[datetime, datetime]:
    """What was asked for; otherwise the last 24 windows."""
    end = end or timezone.now()
    return start or end - _BINS * width, end
