"""`manage.py demo reset ACCOUNT`: bring a demo account back to where it began."""

from __future__ import annotations

import json
from argparse import ArgumentParser, ArgumentTypeError
from decimal import Decimal, InvalidOperation
from typing import Any

import uuid_utils
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.table import Table

from accounts.models import TradingAccount
from audit.actor import Actor
from liquidity.services.reset_terms import preview
from liquidity.services.resetting import reset_account
from tradeplatform.common.console import output
from tradeplatform.common.errors import Refusal

_ACTOR = Actor.system("demo")


class Command(BaseCommand):
    """A thin door to liquidity.services.resetting."""

    help = (
        "Reset a demo account: its orders are cancelled, its positions closed, its balances brought back by "
        "ledger entries. While a worker cancels its orders the state is `requested`; beat does the rest."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """What to do to which account."""
        parser.add_argument("act", choices=["reset"])
        parser.add_argument("account", help="its number, such as ACC-DEMO-001")
        parser.add_argument(
            "--balance", type=_amount, help="of its currency, and nothing else (default: as it was opened)"
        )
        parser.add_argument("--reason", default="reset by command")
        parser.add_argument("--request-id", help="of an earlier run, to ask what became of it")
        parser.add_argument("--dry-run", action="store_true", help="say what would change, change nothing")
        parser.add_argument("--json", action="store_true")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Look, reset, and say what was and what is."""
        account = (
            TradingAccount.objects.select_related("currency")
            .filter(account_number=options["account"])
            .first()
        )
        if account is None:
            raise CommandError(f"No such account: {options['account']}")
        request_id = options["request_id"] or uuid_utils.uuid7().hex
        try:
            rows = preview(account, options["balance"])
            state = "dry run" if options["dry_run"] else _reset(account, request_id, options)
        except Refusal as refusal:
            raise CommandError(f"{refusal.code}: {refusal.message}") from refusal
        if options["json"]:
            changes = [{"name": name, "before": before, "after": after} for name, before, after in rows]
            found = {"account": account.account_number, "state": state, "request_id": request_id}
            self.stdout.write(
                json.dumps(found | {"dry_run": options["dry_run"], "changes": changes}, indent=2)
            )
            return
        table = Table(account.account_number, "Before", "After", title=f"Demo reset: {state}")
        for row in rows:
            table.add_row(*map(str, row))
        output(options).print(table)


def _reset(account: TradingAccount, request_id: str, options: dict[str, Any]) -> str:
    reset = reset_account(
        account_id=account.pk,
        balance=options["balance"],
        reason=options["reason"],
        request_id=request_id,
        actor=_ACTOR,
        now=timezone.now(),
    )
    return str(reset.state)


def _amount(value: str) -> Decimal:
    try:
        return Decimal(value)
    except InvalidOperation as error:
        raise ArgumentTypeError(f"{value!r} is no amount") from error
