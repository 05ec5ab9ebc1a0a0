"""`manage.py clock`: what beat asks each second, once: end the orders and the auctions that are due."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from orders.services.expiring import expire_due
from orders.services.phases import end_due_auctions


class Command(BaseCommand):
    """A thin door to orders.services.expiring and phases."""

    help = "Ask the books with orders whose time is over to end them, and open the auctions that are due."

    def handle(self, *_args: Any, **options: Any) -> None:
        """Ask, and say of how many."""
        now = timezone.now()
        books, auctions = len(expire_due(now=now)), end_due_auctions(now=now)
        self.stdout.write(f"books asked to end expired orders: {books}, auctions asked to end: {auctions}")
