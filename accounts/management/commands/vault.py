"""`manage.py vault`: which keys the secrets need, and putting all of them under a new one."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from rich.table import Table

from accounts.services import vault
from accounts.services.envelope import VaultError
from audit.actor import Actor
from tradeplatform.common.console import output, verdict


class Command(BaseCommand):
    """A thin door to accounts.services.vault."""

    help = "Show which key-encryption keys the vault's secrets need, or wrap all data keys under the newest."

    def add_arguments(self, parser: CommandParser) -> None:
        """What to do, and how to say it."""
        parser.add_argument("act", choices=["status", "rotate"])
        parser.add_argument("--new-key", action="store_true", help="rotate: first add a fresh key")
        parser.add_argument("--dry-run", action="store_true", help="rotate: say how many, change nothing")
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Show, or rotate and show."""
        rotated: int | None = None
        try:
            if options["act"] == "rotate":
                rotated = _rotate(new_key=options["new_key"], dry_run=options["dry_run"])
            uses = vault.status()
        except VaultError as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            body = {"keys": [asdict(use) for use in uses], "rotated": rotated, "dry_run": options["dry_run"]}
            self.stdout.write(json.dumps(body, indent=2))
            return
        output(options).print(_table(uses))
        if rotated is not None:
            verb = "would be wrapped" if options["dry_run"] else "were wrapped"
            output(options).print(f"{rotated} data keys {verb} anew.")


def _rotate(*, new_key: bool, dry_run: bool) -> int:
    if dry_run:
        return sum(use.secrets for use in vault.status() if new_key or not use.current)
    if new_key:
        vault.add_key()
    return sum(vault.wrap_anew(actor=Actor.system("command"), now=timezone.now()))


def _table(uses: list[vault.KeyUse]) -> Table:
    table = Table("Key", "", title="Vault", title_justify="left")
    table.add_column("Secrets", justify="right")
    for use in uses:
        word = verdict(good=False, words="MISSING") if not use.known else "current" if use.current else "old"
        table.add_row(use.kek, word if use.secrets or use.current else "old, not needed", f"{use.secrets:,}")
    return table
