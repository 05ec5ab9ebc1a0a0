"""`manage.py replay-journal`: put the journal through a fresh engine, compare the result with the rows."""

from __future__ import annotations

import json
import sys
import time
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.table import Table

from instruments.selectors import rules_by_id
from orders.models import Shard
from orders.services.replaying import Replayed, replay_shards
from tradeplatform.common.console import output, progress, verdict
from tradeplatform.common.invariants import READ_ONLY, one_snapshot

_DIGITS = 19


class Command(BaseCommand):
    """A thin door over orders.services.replaying."""

    help = (
        "Replay the journal of commands from zero and print the books it gives; with --verify compare every "
        "event, every book and every open order with what is stored. Reads one snapshot: the platform may "
        "go on meanwhile."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Options."""
        parser.add_argument(
            "--from",
            type=_position,
            default=0,
            dest="after",
            metavar="zero|POSITION",
            help="compare the events of commands behind this position of their shard (default: zero, all)",
        )
        parser.add_argument("--verify", action="store_true", help="compare; exit code 1 on a difference")
        parser.add_argument("--shard", type=int, metavar="ID", help="this shard alone")
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Replay, print, and exit 1 on a difference."""
        verify, only = options["verify"], options["shard"]
        if options["after"] and not verify:
            raise CommandError("--from says where to begin comparing: give --verify too.")
        began = time.monotonic()
        with one_snapshot(), progress("{task.completed:,} commands") as bar:
            shards = Shard.objects.using(READ_ONLY)
            if only is not None and not shards.filter(id=only).exists():
                raise CommandError(f"There is no shard {only}.")
            positions = shards.filter(id=only) if only is not None else shards
            task = bar.add_task("replay", total=sum(positions.values_list("position", flat=True)))
            found = list(
                replay_shards(
                    using=READ_ONLY,
                    compare=verify,
                    compare_after=options["after"],
                    only=only,
                    orders=True,
                    tell=lambda commands: bar.advance(task, commands),
                )
            )
            symbols = {number: rules.symbol for number, rules in _rules(found).items()}
        seconds = time.monotonic() - began
        if options["json"]:
            self.stdout.write(json.dumps(_as_json(found, symbols, seconds), indent=2))
        else:
            _print(output(options), found, symbols, verify=verify, seconds=seconds)
        if any(shard.differences for shard in found):
            sys.exit(1)


def _position(text: str) -> int:
    if text == "zero":
        return 0
    if not (text.isascii() and text.isdecimal() and len(text) <= _DIGITS):
        raise ArgumentTypeError("write zero, or a position: a whole number")
    return int(text)


def _rules(found: Sequence[Replayed]) -> dict[int, Any]:
    return rules_by_id((number for shard in found for number in shard.books), using=READ_ONLY)


def _as_json(found: Sequence[Replayed], symbols: dict[int, str], seconds: float) -> dict[str, Any]:
    shards = []
    for shard in found:
        books = {
            symbols[number]: {"seq": seq, "state_hash": hash_} for number, (seq, hash_) in shard.books.items()
        }
        shards.append({**asdict(shard), "books": books})
    return {"shards": shards, "seconds": round(seconds, 3), "agrees": not any(s.differences for s in found)}


def _print(
    console: Console, found: Sequence[Replayed], symbols: dict[int, str], *, verify: bool, seconds: float
) -> None:
    table = Table("Shard", "Instrument")
    table.add_column("Seq", justify="right")
    table.add_column("State hash", no_wrap=True)
    for shard in found:
        table.add_section()
        for number, (seq, state) in shard.books.items() or [(0, (0, ""))]:
            table.add_row(str(shard.shard_id), symbols.get(number, "no book"), f"{seq:,}", state)
    console.print(table)
    for shard in found:
        compared = f", {shard.events:,} events compared" if verify else ""
        console.print(f"Shard {shard.shard_id}: {shard.commands:,} commands{compared}.")
    for shard in found:
        for difference in shard.differences:
            console.print(verdict(good=False, words="differs"), f"{difference}")
    commands = sum(shard.commands for shard in found)
    rate = f"{commands:,} commands in {seconds:.1f} s"
    if not verify:
        console.print(f"Replayed {rate}. Add --verify to compare with what is stored.")
    elif any(shard.differences for shard in found):
        words = verdict(good=False, words="The journal and the books differ")
        console.print(words, f"({rate}): see docs/runbook.md, A shard stopped.")
    elif not any(shard.events for shard in found):
        console.print(f"The journal gives every book; there was no event to compare ({rate}).")
    else:
        console.print(f"The journal gives every stored event and every book ({rate}).")
