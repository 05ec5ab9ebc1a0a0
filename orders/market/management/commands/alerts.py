"""`manage.py alerts`: who waits for which price, and what fired."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from rich.table import Table

from instruments.selectors import require_rules, rules_by_id
from orders.history.management.commands._words import find_account, positive, refusals_named
from orders.market.models import AlertState, PriceAlert
from orders.market.rendering import alert_json
from tradeplatform.common.console import output

_NAMES = (
    "id", "account", "symbol", "watches", "direction", "price", "state", "created_at", "fired_at",
    "fired_price",
)  # fmt: skip


class Command(BaseCommand):
    """A thin door to the price alerts."""

    help = "Price alerts, the newest first."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Options of the command line."""
        parser.add_argument("--instrument", metavar="INSTRUMENT")
        parser.add_argument("--account", metavar="NUMBER")
        parser.add_argument("--state", choices=AlertState.values)
        parser.add_argument("--limit", type=positive, default=50)
        parser.add_argument("--json", action="store_true")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Ask, and print."""
        wanted = PriceAlert.objects.order_by("-pk")
        with refusals_named():
            if options["instrument"]:
                wanted = wanted.filter(instrument_id=require_rules(options["instrument"]).id)
            if options["account"]:
                wanted = wanted.filter(account=find_account(options["account"]))
        if options["state"]:
            wanted = wanted.filter(state=options["state"])
        found = list(wanted[: options["limit"]])
        rules = rules_by_id(alert.instrument_id for alert in found)
        rows = [alert_json(alert, rules[alert.instrument_id]) for alert in found]
        if options["json"]:
            self.stdout.write(json.dumps({"alerts": rows}))
            return
        table = Table(*_NAMES, title="Price alerts")
        for row in rows:
            table.add_row(*("" if row[name] is None else str(row[name]) for name in _NAMES))
        output(options).print(table)
