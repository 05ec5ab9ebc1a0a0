"""`manage.py quote SYMBOL BID ASK`: say what an instrument is worth, where nobody else does."""

from __future__ import annotations

import json
from argparse import ArgumentParser, ArgumentTypeError
from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone
from rich.table import Table

from audit.actor import Actor
from instruments.scaling import short_text
from instruments.services.pricing import set_quote
from tradeplatform.common.console import output
from tradeplatform.common.errors import Refusal
from tradeplatform.common.times import rfc3339

_ACTOR = Actor.system("quote")


class Command(BaseCommand):
    """A thin door to instruments.services.pricing."""

    help = "Quote an instrument by hand, until somebody quotes it again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Options of the command line."""
        parser.add_argument("symbol")
        parser.add_argument("bid", type=_price, help="what it can be sold at")
        parser.add_argument("ask", type=_price, help="what it can be bought at")
        parser.add_argument("--reason", default="quoted at the command line")
        parser.add_argument("--json", action="store_true", help="print the quote as JSON")
        parser.add_argument("--dry-run", action="store_true", help="check it and change nothing")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Record it, or say why not."""
        try:
            with transaction.atomic():
                quote = set_quote(
                    symbol=options["symbol"],
                    bid=options["bid"],
                    ask=options["ask"],
                    actor=_ACTOR,
                    now=timezone.now(),
                    reason=options["reason"],
                )
                transaction.set_rollback(options["dry_run"])
        except Refusal as refusal:
            raise CommandError(refusal.message) from refusal
        row = {
            "symbol": options["symbol"],
            "bid": short_text(quote.bid),
            "ask": short_text(quote.ask),
            "at": rfc3339(quote.at),
            "recorded": not options["dry_run"],
        }
        if options["json"]:
            self.stdout.write(json.dumps(row, indent=2))
            return
        table = Table(*row)
        table.add_row(*(str(value) for value in row.values()))
        output(options).print(table)


def _price(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ArgumentTypeError("a decimal number") from None
