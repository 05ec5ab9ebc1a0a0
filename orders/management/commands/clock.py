"""`manage.py clock`: what beat asks each second, once: see to orders, auctions and timers that are due."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction
from django.utils import timezone

from orders.services.cancel_timers import fire_due
from orders.services.expiring import expire_due
from orders.services.phases import end_due_auctions


class Command(BaseCommand):
    """A thin door to orders.services.expiring, phases and cancel_timers."""

    help = "Ask the books with orders whose time is over to end them; open auctions, fire cancel timers."

    def add_arguments(self, parser: CommandParser) -> None:
        """Options of the command line."""
        parser.add_argument("--json", action="store_true")
        parser.add_argument("--dry-run", action="store_true", help="say what is due, ask for nothing")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Ask, and say of how many."""
        now, dry = timezone.now(), options["dry_run"]
        with transaction.atomic():
            books, auctions = len(expire_due(now=now)), end_due_auctions(now=now)
            timers = fire_due(now=now)
            # Asked and taken back: what was found is what would have been asked for.
            transaction.set_rollback(dry)
        if options["json"]:
            counts = {"books": books, "auctions": auctions, "timers": timers}
            self.stdout.write(json.dumps(counts | {"dry_run": dry}))
            return
        asked, fired = ("to ask", "to fire") if dry else ("asked", "fired")
        self.stdout.write(
            f"books {asked} to end expired orders: {books}, auctions {asked} to end: {auctions},"
            f" cancel timers {fired}: {timers}"
        )
