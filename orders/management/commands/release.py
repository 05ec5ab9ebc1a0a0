"""`manage.py release`: ask for the next step of a kill switch's release; another person has to agree."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from contextlib import nullcontext
from typing import Any

import uuid_utils
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.models import User
from audit.actor import Actor
from orders.approvals import RIGHT
from orders.services.kill_switch import ask_release
from tradeplatform.common.db import rehearsal
from tradeplatform.common.errors import Refusal


class Command(BaseCommand):
    """A thin door to orders.services.kill_switch.ask_release."""

    help = (
        "Ask for the next step of a release (limit orders only, then open) in the name of a member of staff. "
        "It is done when somebody else has agreed, in the admin under Approvals."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Options of the command line."""
        parser.add_argument(
            "switch", type=int, metavar="SWITCH", help="its number in `manage.py kill --list`"
        )
        parser.add_argument("--by", required=True, metavar="USERNAME", help="who asks; may not agree as well")
        parser.add_argument("--reason", required=True, help="recorded")
        parser.add_argument("--dry-run", action="store_true", help="say what would be asked for, ask nothing")
        parser.add_argument("--json", action="store_true")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Ask, and say for what."""
        user = User.objects.filter(username=options["by"], is_active=True).first()
        if user is None or not user.has_perm(RIGHT):
            raise CommandError(f"{options['by']} is nobody who may ask for a release.")
        try:
            with rehearsal() if options["dry_run"] else nullcontext():
                asked = ask_release(
                    switch_id=options["switch"],
                    request_id=uuid_utils.uuid7().hex,
                    actor=Actor.user(user_id=user.pk, label=user.username),
                    now=timezone.now(),
                    reason=options["reason"],
                )
        except Refusal as refusal:
            raise CommandError(f"{refusal.message} ({refusal.code})") from refusal
        (what, before, after), *_ = asked.effects
        if options["json"]:
            number = {"dry_run": True} if options["dry_run"] else {"approval": asked.pk}
            answer = number | {"switch": options["switch"], "from": before, "to": after}
            self.stdout.write(json.dumps(answer))
            return
        if options["dry_run"]:
            self.stdout.write(f"{what}: {before} -> {after}, if a {asked.role} agrees. Nothing was asked.")
            return
        self.stdout.write(f"{what}: {before} -> {after}. Approval {asked.pk} waits for a {asked.role}.")
