"""`manage.py up` for Django's list of commands; manage.py itself goes straight to the supervisor."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from tradeplatform.supervisor.up import add_options, run


class Command(BaseCommand):
    """Start the whole platform on this machine and watch it until Ctrl-C."""

    help = "Start the whole platform on this machine and watch it until Ctrl-C."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the supervisor's options."""
        add_options(parser)

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run the supervisor in this process."""
        sys.exit(run(options))
