"""`manage.py trade`: a simulated stream of external trades, late and out of order."""

from __future__ import annotations

import json
import random
from argparse import ArgumentParser
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import uuid_utils
from django.core.management.base import BaseCommand
from django.utils import timezone
from rich.table import Table

from instruments.scaling import EXACT, short_text, steps_below
from instruments.selectors import Rules, require_each
from orders.history.management.commands._words import find_account, positive, refusals_named
from orders.history.reading import read_trade
from orders.history.services.ingesting import Taken, ingest
from orders.history.services.streaming import STREAM, publish
from tradeplatform.common.console import output
from tradeplatform.common.times import rfc3339

# With a seed the times must not depend on the moment of the run.
_SEEDED_END = datetime(2026, 1, 1, tzinfo=UTC)
_CHUNK = 1_000
_MOST_UNITS = 999
_SPREAD = 100  # prices within a hundredth of the reference price


class Command(BaseCommand):
    """Makes trades and hands them to the same ingestion as everybody's."""

    help = (
        "Put N random trades of the instruments into the stream that `manage.py ingest` reads (or, --direct, "
        "into the store): times of the last days in no order, sizes 1 to 999 lots or units, both sides."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Options of the command line."""
        parser.add_argument("count", metavar="N", type=positive)
        parser.add_argument("instruments", metavar="INSTRUMENT", nargs="+")
        parser.add_argument("--account", metavar="NUMBER", default="ACC-DEMO-001", help="whose they are")
        parser.add_argument(
            "--days", type=positive, default=30, help="how far back their times go (default: 30)"
        )
        parser.add_argument("--direct", action="store_true", help="into the store, without the stream")
        parser.add_argument("--stream", default=STREAM)
        parser.add_argument("--seed", type=int, help="repeats the trades of an earlier run")
        parser.add_argument("--json", action="store_true")
        parser.add_argument("--dry-run", action="store_true", help="print the trades and send nothing")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Make, send, count."""
        now = timezone.now()
        with refusals_named():
            rules = require_each(options["instruments"])
            account = find_account(options["account"]).account_number
        span, seed = timedelta(days=options["days"]), options["seed"]
        end = now if seed is None else _SEEDED_END
        trades = _trades(options["count"], rules, account, seed=seed, since=end - span, span=span)
        new = 0
        if options["dry_run"]:
            self.stdout.write("\n".join(json.dumps(trade) for trade in trades))
            return
        for start in range(0, len(trades), _CHUNK):
            part = trades[start : start + _CHUNK]
            if options["direct"]:
                outcomes = ingest([read_trade(trade, now=now) for trade in part], now=now)
                new += outcomes.count(Taken.NEW)
            else:
                publish(part, stream=options["stream"])
        counts = {"trades": len(trades)} | (
            {"new": new} if options["direct"] else {"stream": options["stream"]}
        )
        if options["json"]:
            self.stdout.write(json.dumps(counts))
            return
        table = Table(*counts, title="Simulated trades")
        table.add_row(*(str(value) for value in counts.values()))
        output(options).print(table)


def _trades(
    count: int, rules: list[Rules], account: str, *, seed: int | None, since: datetime, span: timedelta
) -> list[dict[str, str]]:
    """Trades in no order, as the stream's fields. With a seed the same ones again, ids included."""
    chance = random.Random(seed)  # noqa: S311 - a simulation, no secret
    run = uuid_utils.uuid7().hex if seed is None else f"seed-{seed}"
    microseconds = span // timedelta(microseconds=1)
    return [
        {
            "account": account,
            "instrument": market.symbol,
            "at": rfc3339(since + timedelta(microseconds=chance.randrange(microseconds))),
            "quantity": short_text(_quantity(chance, market)),
            "price": short_text(_price(chance, market)),
            "source": "simulation",
            "external_id": f"{run}-{number}",
        }
        for number in range(count)
        for market in (chance.choice(rules),)
    ]


def _quantity(chance: random.Random, market: Rules) -> Decimal:
    """1 to 999 of the smallest quantity an order may have, bought or sold."""
    return market.min_quantity * chance.randint(1, _MOST_UNITS) * chance.choice((1, -1))


def _price(chance: random.Random, market: Rules) -> Decimal:
    """Near the reference price, on the tick."""
    middle = max(steps_below(market.reference_price, market.tick_size), _SPREAD)
    away = middle // _SPREAD
    return EXACT.multiply(Decimal(middle + chance.randint(-away, away)), market.tick_size)
