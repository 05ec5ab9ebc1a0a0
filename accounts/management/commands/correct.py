"""`manage.py correct TRANSFER`: ask for a transfer to be taken back, in whole or in part."""

from __future__ import annotations

import json
from argparse import ArgumentParser, ArgumentTypeError
from decimal import Decimal, InvalidOperation
from typing import Any

import uuid_utils
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.table import Table

from accounts.models import User
from accounts.services.correcting import effects_of, find_transfer, left_to_correct
from accounts.services.correction_requests import RIGHT, ask_correction
from audit.actor import Actor
from audit.approvable import EffectRow
from audit.models import ApprovalRequest
from instruments.scaling import short_text
from tradeplatform.common.console import output
from tradeplatform.common.errors import Refusal


def amount_of(text: str) -> Decimal:
    """An argument that is a number."""
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ArgumentTypeError(f"{text!r} is no amount") from None


class Command(BaseCommand):
    """A thin door to accounts.services.correction_requests."""

    help = (
        "Ask, in a person's name, for a transfer to be taken back by one the other way round. Nothing moves "
        "before another person has agreed in the admin, Approvals."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Options of the command line."""
        parser.add_argument("transfer", metavar="TRANSFER", type=int, help="its id")
        parser.add_argument("--amount", type=amount_of, help="how much of it; all that is left unless told")
        parser.add_argument("--reason", required=True)
        parser.add_argument("--by", metavar="USERNAME", required=True, help="whoever asks, an admin")
        parser.add_argument("--request-id", help="the same id again is the same request; new unless told")
        parser.add_argument("--dry-run", action="store_true", help="say what it would change, ask nothing")
        parser.add_argument("--json", action="store_true")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Show the effect as things stand, and ask."""
        try:
            original = find_transfer(options["transfer"])
            amount = left_to_correct(original) if options["amount"] is None else options["amount"]
            maker = _maker(options["by"])
            if options["dry_run"]:
                effects, asked = effects_of(original, amount), None
            else:
                asked = ask_correction(
                    transfer_id=original.pk,
                    amount=amount,
                    reason=options["reason"],
                    request_id=options["request_id"] or uuid_utils.uuid7().hex,
                    actor=maker,
                    now=timezone.now(),
                )
                effects = [(name, before, after) for name, before, after in asked.effects]
        except Refusal as refusal:
            raise CommandError(f"{refusal.message} ({refusal.code})") from refusal
        self._say(options, amount, effects, asked)

    def _say(
        self,
        options: dict[str, Any],
        amount: Decimal,
        effects: list[EffectRow],
        asked: ApprovalRequest | None,
    ) -> None:
        if options["json"]:
            answer = {
                "transfer": options["transfer"],
                "amount": short_text(amount),
                "dry_run": asked is None,
                "approval": None if asked is None else asked.pk,
                "state": None if asked is None else asked.state,
                "effects": effects,
            }
            self.stdout.write(json.dumps(answer, indent=2))
            return
        table = Table(
            "What", "Before", "After", title=f"Transfer {options['transfer']}", title_justify="left"
        )
        for row in effects:
            table.add_row(*row)
        console = output(options)
        console.print(table)
        if asked is None:
            console.print("Nothing was asked for.")
        else:
            console.print(f"Approval {asked.pk} is {asked.state}: it needs {asked.needed} of {asked.role}.")


def _maker(username: str) -> Actor:
    """Who asks. Raises CommandError for somebody who may not."""
    user = User.objects.filter(username=username).first()
    if user is None or not user.has_perm(RIGHT):
        raise CommandError(f"{username} may not correct transfers: name somebody with the right {RIGHT}.")
    return Actor.user(user_id=user.pk, label=user.username)
