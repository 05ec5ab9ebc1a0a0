"""`manage.py seed`: fill a fresh platform; safe to run again at any time."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.utils import timezone
from rich.table import Table

from orders.services.seeding import Seeded, seed
from tradeplatform.common.console import output
from tradeplatform.config import load_config


class Command(BaseCommand):
    """A thin door to orders.services.seeding."""

    help = (
        "Add what is missing of shards, assets, instruments, policies, limits, users and accounts. "
        "Generated passwords are written once to operator.json in the var folder. "
        "In production no people and no money are added."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Options of the command line."""
        parser.add_argument("--json", action="store_true", help="print counts as JSON, without passwords")
        parser.add_argument(
            "--dry-run", action="store_true", help="say what would be added and change nothing"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Seed, then print counts and the new logins."""
        logins_file = Path(settings.VAR_DIR) / "operator.json"
        seeded = seed(
            now=timezone.now(),
            logins_file=logins_file,
            with_people=not load_config().is_production,
            dry_run=options["dry_run"],
        )
        if options["json"]:
            report = {
                "dry_run": options["dry_run"],
                "added": asdict(seeded.added),
                "total": _without_deposits(asdict(seeded.total)),
                "new_logins": [login.username for login in seeded.logins],
            }
            self.stdout.write(json.dumps(report, indent=2))
        else:
            self._print(seeded, logins_file, options)

    def _print(self, seeded: Seeded, logins_file: Path, options: dict[str, Any]) -> None:
        console = output(options)
        title = "Would be added" if options["dry_run"] else "Added"
        table = Table("", title, "In all")
        total = _without_deposits(asdict(seeded.total))
        for name, added in asdict(seeded.added).items():
            table.add_row(name, str(added), str(total.get(name, "")))
        console.print(table)
        if not seeded.logins or options["dry_run"]:
            return
        logins = Table("User", "Password", "Roles", title="Generated logins, shown this once")
        for login in seeded.logins:
            logins.add_row(login.username, login.password, ", ".join(login.roles))
        console.print(logins)
        console.print(f"Kept, for your eyes only, in {logins_file}", soft_wrap=True)


def _without_deposits(total: dict[str, int]) -> dict[str, int]:
    return {name: count for name, count in total.items() if name != "deposits"}
