"""`manage.py ingest`: take trades that were made elsewhere, from the stream or from a file."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
import uuid
from argparse import ArgumentParser
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog
from django.core.management.base import BaseCommand, CommandError
from django.db import InterfaceError, OperationalError, close_old_connections
from django.utils import timezone
from redis.exceptions import RedisError
from rich.table import Table

from orders.history.management.commands._words import positive, refusals_named
from orders.history.services.files import ingest_file
from orders.history.services.streaming import BATCH, CLAIM_AFTER, STREAM, Consumer, Tally
from tradeplatform.common.console import output

logger = structlog.get_logger(__name__)

_BLOCK = timedelta(seconds=1)
_ASK_AGAIN_SECONDS = 1.0
_SAY_AGAIN_SECONDS = 60.0
_clock = time.monotonic
_AWAY = (OperationalError, InterfaceError, RedisError, OSError)


class Command(BaseCommand):
    """A thin door to history.services.streaming and files."""

    help = (
        "Take external trades: from the Valkey stream until SIGTERM (or --once), or a file, all or nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Options of the command line."""
        parser.add_argument("--file", type=Path, help="a .csv or .jsonl file instead of the stream")
        parser.add_argument("--source", help="of the file's rows, where they do not name theirs")
        parser.add_argument("--dry-run", action="store_true", help="of a file: check it and take nothing")
        parser.add_argument("--stream", default=STREAM)
        parser.add_argument("--once", action="store_true", help="end when nothing waits")
        parser.add_argument("--batch", type=positive, default=BATCH, help="entries in a transaction")
        parser.add_argument(
            "--claim-after",
            type=positive,
            default=int(CLAIM_AFTER.total_seconds() * 1000),
            metavar="MILLISECONDS",
            help="take over what another consumer has had for so long",
        )
        parser.add_argument("--json", action="store_true")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Take, and say what became of it."""
        if options["file"]:
            with refusals_named():
                done = ingest_file(
                    options["file"],
                    source=options["source"],
                    now=timezone.now(),
                    dry_run=options["dry_run"],
                )
            self._print(asdict(done) | {"dry_run": options["dry_run"]}, options)
            return
        if options["dry_run"]:
            raise CommandError("--dry-run goes with --file: what is read from the stream is taken.")
        consumer = Consumer(
            name=f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}",
            stream=options["stream"],
            claim_after=timedelta(milliseconds=options["claim_after"]),
            batch=options["batch"],
        )
        self._print(asdict(_consume(consumer, once=options["once"])), options)

    def _print(self, counts: dict[str, Any], options: dict[str, Any]) -> None:
        if options["json"]:
            self.stdout.write(json.dumps(counts))
            return
        table = Table("", "", title="External trades", show_header=False)
        for name, value in counts.items():
            table.add_row(name, str(value))
        output(options).print(table)


def _consume(consumer: Consumer, *, once: bool) -> Tally:
    """Until SIGTERM, or until nothing waits. Servers that are away are waited for, unless `once`."""
    stop = threading.Event()
    if not once:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
    total, outage = Tally(), _Outage()
    while not stop.is_set():
        try:
            done = consumer.step(now=timezone.now(), block=None if once else _BLOCK)
        except _AWAY as error:
            if once:
                raise CommandError(str(error)) from error
            # Nothing was acknowledged: it is delivered again.
            outage.goes_on(error)
            close_old_connections()
            stop.wait(_ASK_AGAIN_SECONDS)
            continue
        outage.is_over()
        total += done
        if done.entries:
            logger.info("ingested", **asdict(done))
        elif once:
            break
    return total


class _Outage:
    """What is said of servers that are away: that they are, each minute the same, and that they are back."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._said = 0.0

    def goes_on(self, error: Exception) -> None:
        now = _clock()
        if self._since is not None and now - self._said < _SAY_AGAIN_SECONDS:
            return
        self._since, self._said = now if self._since is None else self._since, now
        logger.warning("ingest_waits", seconds=round(now - self._since), error=str(error))

    def is_over(self) -> None:
        if self._since is not None:
            logger.info("ingest_goes_on", seconds=round(_clock() - self._since))
            self._since = None
