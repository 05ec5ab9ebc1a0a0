"""`manage.py candles`: candles of an instrument, or all of them made again from the trades."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.table import Table

from instruments.selectors import require_rules
from orders.history.management.commands._words import moment, positive, refusals_named
from orders.market.counting import WORDS
from orders.market.intervals import Interval
from orders.market.rendering import candle_json
from orders.market.selectors import candles
from orders.market.services.rebuilding import rebuild, wrong_candles
from tradeplatform.common.console import output

_MOST = 1_000
_NAMES = ("time", "open", "high", "low", "close", "volume", "trades")
_WIDTH = len("2026-01-31T12:00:00")


class Command(BaseCommand):
    """A thin door to market.selectors and market.services.rebuilding."""

    help = (
        "The last candles of an instrument. With --rebuild every candle is made again from the trades, and "
        "how many were wrong is said; with --dry-run that is only counted."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Options of the command line."""
        parser.add_argument("instrument", metavar="INSTRUMENT")
        parser.add_argument("--interval", choices=[str(word) for word in Interval], default="1h")
        parser.add_argument("--limit", type=positive, default=24)
        parser.add_argument("--before", metavar="TIMESTAMP", type=moment, help="the last candle holds it")
        parser.add_argument("--rebuild", action="store_true")
        parser.add_argument("--dry-run", action="store_true", help="with --rebuild: change nothing")
        parser.add_argument("--json", action="store_true")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Ask, and print."""
        if options["dry_run"] and not options["rebuild"]:
            raise CommandError("--dry-run goes with --rebuild.")
        if options["limit"] > _MOST:
            raise CommandError(f"At most {_MOST} candles at once.")
        with refusals_named():
            rules = require_rules(options["instrument"])
        names: Sequence[str] = _NAMES
        if options["rebuild"]:
            wrong = (wrong_candles if options["dry_run"] else rebuild)(rules.id)
            answer = {"instrument": rules.symbol, "dry_run": options["dry_run"], "wrong": wrong}
            names = WORDS
            rows, title = [wrong], f"Wrong candles of {rules.symbol}"
        else:
            now = timezone.now()
            found = candles(
                rules,
                interval=Interval(options["interval"]),
                before=options["before"] or now,
                limit=options["limit"],
                now=now,
            )
            rows = [candle_json(row, rules) for row in found]
            answer = {"instrument": rules.symbol, "interval": options["interval"], "candles": rows}
            title = f"{rules.symbol}, {options['interval']}"
        if options["json"]:
            self.stdout.write(json.dumps(answer))
            return
        table = Table(*names, title=title)
        for row in rows:
            # Candles begin at full seconds.
            table.add_row(*(str(row[name])[:_WIDTH] for name in names))
        output(options).print(table)
