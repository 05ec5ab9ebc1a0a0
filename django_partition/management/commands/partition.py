"""manage.py partition status|plan|apply|detach|archive: what the beat task and the admin page do, by hand."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS

from django_partition import archiving, catalog, reports, services
from django_partition.errors import PartitionError
from django_partition.models import PartitionedModel
from django_partition.planning import as_row

Answer = dict[str, list[reports.Row]]


class Command(BaseCommand):
    """Every subcommand answers with rows by table, printed as grids or as JSON."""

    help = "Shows and changes the partitions of partitioned tables."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One subcommand for each thing that can be done."""
        commands = parser.add_subparsers(dest="do", required=True)
        helps = {
            "status": "partitions with bounds, sizes and row estimates; detached tables; rows in DEFAULT",
            "plan": "what apply would do",
            "apply": "create what is missing, move rows out of DEFAULT, detach what is not retained",
            "detach": "take one partition out of its table",
            "archive": "write detached tables to files and verify them",
        }
        for name, text in helps.items():
            command = commands.add_parser(name, help=text)
            command.add_argument("--json", action="store_true", help="answer with JSON")
            command.add_argument("--database", dest="using", default=DEFAULT_DB_ALIAS)
            if name in ("apply", "detach", "archive"):
                command.add_argument("--dry-run", action="store_true", help="only say what would be done")
            if name == "detach":
                command.add_argument("table", help="table, or app_label.Model")
                command.add_argument("partition")
            elif name == "archive":
                command.add_argument("tables", nargs="*", help="detached tables; all when none is named")
                command.add_argument("--directory", type=Path, required=True)
                command.add_argument(
                    "--drop", action="store_true", help="drop each table once its file is verified"
                )
            else:
                command.add_argument(
                    "tables", nargs="*", help="tables, or app_label.Model; all when none is named"
                )

    def handle(self, **options: Any) -> None:
        """Run the subcommand and print its answer; a named error is a line and exit code 1."""
        try:
            answer: Answer = getattr(self, options["do"])(**options)
        except PartitionError as error:
            raise CommandError(str(error)) from error
        except ExceptionGroup as group:
            raise CommandError("\n".join(map(str, group.exceptions))) from group
        if options["verbosity"] == 0:
            return
        if options["json"]:
            self.stdout.write(json.dumps(answer, indent=2, default=str))
            return
        for table, rows in answer.items():
            self.stdout.write(self.style.MIGRATE_HEADING(table))
            self.stdout.writelines(f"  {line}\n" for line in grid(rows))

    def status(self, *, tables: list[str], using: str, **_: Any) -> Answer:
        """Look at the pieces of tables."""
        return {model._meta.db_table: reports.status(model, using) for model in models(tables)}

    def plan(self, *, tables: list[str], using: str, **_: Any) -> Answer:
        """Look at what apply would do."""
        return {
            model._meta.db_table: list(map(as_row, services.make_plan(model, using=using)))
            for model in models(tables)
        }

    def apply(self, *, tables: list[str], using: str, dry_run: bool, **_: Any) -> Answer:
        """Bring tables to their policy."""
        if dry_run:
            return self.plan(tables=tables, using=using)
        done = services.apply_all(models(tables), using=using)
        return {table: list(map(as_row, actions)) for table, actions in done.items()}

    def detach(self, *, table: str, partition: str, using: str, dry_run: bool, **_: Any) -> Answer:
        """Take one partition out."""
        work = services.find_finished if dry_run else services.detach
        return {table: [asdict(work(catalog.get_model(table), name=partition, using=using))]}

    def archive(
        self, *, tables: list[str], directory: Path, drop: bool, using: str, dry_run: bool, **_: Any
    ) -> Answer:
        """Write detached tables to files."""
        there = [each.name for _, each in catalog.detached(using)]
        names = tables or there
        if dry_run:
            return {name: [{"file": archiving.paths(directory, name)[0], "drop": drop}] for name in names}
        return {
            name: [asdict(archiving.archive(name, directory=directory, drop=drop, using=using))]
            for name in names
        }


def models(names: list[str]) -> list[type[PartitionedModel]]:
    """The models of these tables; all of them when none is named."""
    return [catalog.get_model(name) for name in names] if names else catalog.partitioned_models()


def grid(rows: list[reports.Row]) -> list[str]:
    """The rows in aligned columns under their keys."""
    if not rows:
        return ["nothing"]
    table = [list(rows[0])] + [[cell(each) for each in row.values()] for row in rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return ["  ".join(map(str.ljust, line, widths)).rstrip() for line in table]


def cell(value: Any) -> str:
    """One value, short enough for a terminal."""
    if value is None:
        return "-"
    return f"{value:%Y-%m-%d %H:%M}Z" if hasattr(value, "hour") else str(value)
