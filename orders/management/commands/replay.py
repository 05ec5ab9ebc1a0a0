"""`manage.py replay FILE`: recorded order flow through the platform's own intake."""

from __future__ import annotations

import itertools
import json
import re
import uuid
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console
from rich.table import Table

from audit.actor import Actor
from orders.models import Source
from orders.replay.actions import MalformedLineError
from orders.replay.formats import FORMATS, Format
from orders.replay.interpreting import Interpreter
from orders.replay.journal import Journal
from orders.replay.replaying import Replay
from orders.replay.report import ReplayReport, Tally
from orders.replay.rows import Recording, numbered_rows, opened
from orders.replay.stage import create_instrument, set_stage
from orders.services.drain import ShardStopped
from orders.services.intake import MAX_BATCH
from orders.services.sending import Drain, NobodyDrainsError, Sender
from tradeplatform.common.console import output, progress
from tradeplatform.common.errors import Refusal

_ACTOR = Actor.system("replay")
_SYMBOL = re.compile(r"[A-Z0-9.-]{1,20}", re.ASCII)
_RUN = re.compile(r"[A-Za-z0-9]{1,12}", re.ASCII)


class Command(BaseCommand):
    """A thin door to orders.replay."""

    help = "Replay a recording of orders (.csv, .csv.gz, .csv.xz) on an instrument and compare the books."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Options of the command line."""
        parser.add_argument("file", type=Path)
        parser.add_argument("--format", choices=sorted(FORMATS), required=True)
        parser.add_argument("--instrument", type=_symbol, required=True, metavar="SYMBOL")
        parser.add_argument(
            "--create-instrument",
            action="store_true",
            help="create the instrument if it is missing, with the recording's steps and the widest limits",
        )
        parser.add_argument("--base", metavar="CODE", help="base asset of a created instrument")
        parser.add_argument(
            "--speed", type=_speed, default="max", help="times the recorded pace, or max (default)"
        )
        parser.add_argument("--limit", type=int, metavar="ROWS", help="stop after so many rows")
        parser.add_argument("--batch", type=_batch, default=500, help="requests in a transaction (500)")
        parser.add_argument(
            "--drain",
            type=Drain,
            choices=list(Drain),
            default=Drain.WORKER,
            help="who matches: the shard's worker (default), or this process",
        )
        parser.add_argument(
            "--run", type=_run, help="the run's id: given again after a crash, the run continues"
        )
        parser.add_argument(
            "--journal", type=Path, metavar="FILE", help="append to it what was answered to each order"
        )
        parser.add_argument("--json", action="store_true", help="print the report as JSON")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Set the stage, replay, print the report."""
        recording_format: Format = FORMATS[options["format"]]
        run_id = options["run"] or uuid.uuid4().hex[:8]
        if not Path(options["file"]).is_file():
            raise CommandError(f"{options['file']}: there is no such file.")
        try:
            if options["create_instrument"]:
                create_instrument(
                    symbol=options["instrument"], recording=recording_format, base=options["base"]
                )
            stage = set_stage(symbol=options["instrument"], actor=_ACTOR, now=timezone.now())
            replay = Replay(
                stage=stage,
                sender=Sender(
                    shard_ids=[stage.shard_id],
                    drain=options["drain"],
                    actor=_ACTOR,
                    source=Source.REPLAY,
                    clock=timezone.now,
                ),
                interpreter=Interpreter(stage, prefix=f"{recording_format.name}-{run_id}-"),
                run_id=run_id,
                batch=options["batch"],
            )
            with opened(options["file"]) as recording, _journal(options["journal"]) as replay.journal:
                report = _replay(replay, recording, recording_format, options)
        except (OSError, MalformedLineError) as error:
            raise CommandError(f"{options['file']}: {error}") from error
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from error
        except (Refusal, NobodyDrainsError, ShardStopped) as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps(report.as_json(), indent=2))
        else:
            _print(report.as_json(), output(options))


@contextmanager
def _journal(path: Path | None) -> Iterator[Journal | None]:
    if path is None:
        yield None
        return
    with path.open("a", encoding="utf-8") as file:
        yield Journal(file)


def _replay(
    replay: Replay, recording: Recording, recording_format: Format, options: dict[str, Any]
) -> ReplayReport:
    actions = recording_format.read(numbered_rows(recording.text))
    with progress("{task.fields[done]}") as bar:
        task = bar.add_task(f"run {replay.run_id}", total=recording.size, done="")

        def show(tally: Tally) -> None:
            done = (
                f"{tally.accepted:,} orders, {tally.cancels:,} cancels, {sum(tally.denied.values()):,} denied"
            )
            bar.update(task, completed=recording.position(), done=done)

        return replay.run(itertools.islice(actions, options["limit"]), speed=options["speed"], progress=show)


def _print(report: dict[str, Any], console: Console) -> None:
    recorded, platform = report.pop("recorded_book"), report.pop("platform_book")
    table = Table("", "", title=f"Replay {report.pop('run')} on {report.pop('symbol')}", show_header=False)
    for name, value in report.items():
        shown = ", ".join(f"{n} {c}" for n, c in value.items()) if isinstance(value, dict) else str(value)
        table.add_row(name.replace("_", " "), shown)
    console.print(table)
    books = Table("", "", title="The books", show_header=False)
    books.add_row(
        "stored book equals that of the same commands in a fresh engine",
        f"{platform['equal']} of {platform['checks']} checks. {platform['first_difference']}",
    )
    first, partings = recorded.pop("first"), recorded.pop("partings")
    for name, value in recorded.items():
        books.add_row(name.replace("_", " "), value)
    if first:
        books.add_row(
            "recorded and replayed part first",
            f"line {first['line']}: {first['recorded']} recorded, {first['replayed']} replayed",
        )
    for reason, count in partings.items():
        books.add_row(f"parted {count} times", reason)
    console.print(books)


def _symbol(value: str) -> str:
    if not _SYMBOL.fullmatch(value):
        raise ArgumentTypeError("1 to 20 characters of A-Z 0-9 . -")
    return value


def _run(value: str) -> str:
    if not _RUN.fullmatch(value):
        raise ArgumentTypeError("1 to 12 letters and digits")
    return value


def _batch(value: str) -> int:
    if not value.isdigit() or not 1 <= int(value) <= MAX_BATCH:
        raise ArgumentTypeError(f"1 to {MAX_BATCH}")
    return int(value)


def _speed(value: str) -> Decimal | None:
    if value == "max":
        return None
    try:
        speed = Decimal(value)
    except InvalidOperation:
        speed = Decimal(0)
    if not speed.is_finite() or speed <= 0:
        raise ArgumentTypeError("a number above zero, or max")
    return speed
