"""`manage.py prepare`: everything a database needs before the processes start, in one Django start-up."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from orders.models import Shard


class Command(BaseCommand):
    """Migrate, make partitions ahead, seed. Safe to run again at any time."""

    help = "Migrate, make partitions ahead and seed; safe to run again at any time."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the file for the supervisor."""
        parser.add_argument("--json", type=Path, metavar="FILE", help="write which shards there are")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run the three steps in order."""
        if settings.STATIC_ROOT:
            call_command("collectstatic", interactive=False, verbosity=0)
        if _migrations_wait():
            call_command("migrate", interactive=False, verbosity=0)
        call_command("partition", "apply", stdout=StringIO())
        # Not to our output, which is logged: it shows generated passwords.
        call_command("seed", stdout=StringIO())
        if options["json"]:
            shards = list(Shard.objects.order_by("pk").values_list("pk", flat=True))
            options["json"].write_text(json.dumps({"shards": shards}))


def _migrations_wait() -> bool:
    """Whether any migration is not applied: the usual second start skips all that `migrate` does."""
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))
