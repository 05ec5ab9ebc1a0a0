"""`manage.py stopout`: close positions of accounts whose margin level is below their group's stop-out."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone
from rich.table import Table

from accounts.models import Deal, TradingAccount
from audit.actor import Actor
from instruments.scaling import short_text
from liquidity.selectors import accounts_with_positions
from liquidity.services.stopping_out import liquidate
from tradeplatform.common.console import output
from tradeplatform.common.errors import Refusal

_ACTOR = Actor.system("stopout")


class Command(BaseCommand):
    """A thin door to liquidity.services.stopping_out."""

    help = "Close positions, the largest loss first, until the margin level is back at the stop-out."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Options of the command line."""
        parser.add_argument("account", nargs="*", help="account numbers; none: every account with a position")
        parser.add_argument("--json", action="store_true", help="print the deals as JSON")
        parser.add_argument("--dry-run", action="store_true", help="say what would be closed, change nothing")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Look at each account, and say what was closed."""
        closed: list[Deal] = []
        for account_id in _chosen(options["account"]):
            try:
                with transaction.atomic():
                    closed += liquidate(account_id, actor=_ACTOR, now=timezone.now(), reason="stop-out")
                    transaction.set_rollback(options["dry_run"])
            except Refusal as refusal:
                self.stderr.write(f"account {account_id}: {refusal.message}")
        rows = [
            {
                "account": str(deal.account),
                "position": deal.position_id,
                "symbol": deal.instrument.symbol,
                "volume": short_text(deal.volume),
                "price": short_text(deal.price) if deal.price is not None else "",
                "pnl": short_text(deal.pnl),
            }
            for deal in closed
        ]
        if options["json"]:
            self.stdout.write(json.dumps({"dry_run": options["dry_run"], "closed": rows}, indent=2))
            return
        if not rows:
            self.stdout.write("Nothing was closed: no account is below its stop-out level.")
            return
        table = Table("Account", "Position", "Symbol", "Volume", "Price", "P&L", title="Stop-out")
        for row in rows:
            table.add_row(*(str(value) for value in row.values()))
        output(options).print(table)


def _chosen(numbers: list[str]) -> list[int]:
    if not numbers:
        return accounts_with_positions()
    found = dict(
        TradingAccount.objects.filter(account_number__in=numbers).values_list("account_number", "id")
    )
    if missing := sorted(set(numbers) - set(found)):
        raise CommandError(f"No such account: {', '.join(missing)}")
    return [found[number] for number in numbers]
