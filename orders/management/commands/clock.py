"""`manage.py clock`: what beat asks each second, once: end the orders and the auctions that are due."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction
from django.utils import timezone

from orders.services.expiring import expire_due
from orders.services.phases import end_due_auctions


class Command(BaseCommand):
    """A thin door to orders.services.expiring and phases."""

    help = "Ask the books with orders whose time is over to end them, and open the auctions that are due."

    def add_arguments(self, parser: CommandParser) -> None:
        """Options of the command line."""
        parser.add_argument("--json", action="store_true")
        parser.add_argument("--dry-run", action="store_true", help="say what is due, ask for nothing")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Ask, and say of how many."""
        now, dry = timezone.now(), options["dry_run"]
        with transaction.atomic():
            books, auctions = len(expire_due(now=now)), end_due_auctions(now=now)
            # Asked and taken back: what was found is what would have been asked for.
            transaction.set_rollback(dry)
        if options["json"]:
            self.stdout.write(json.dumps({"books": books, "auctions": auctions, "dry_run": dry}))
            return
        asked = "to ask" if dry else "asked"
        self.stdout.write(
            f"books {asked} to end expired orders: {books}, auctions {asked} to end: {auctions}"
        )
