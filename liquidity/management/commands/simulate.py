"""`manage.py simulate`: market makers and takers with different habits, through the public intake."""

from __future__ import annotations

import random
import signal
import threading
import time
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable
from typing import Any

import structlog
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError
from django.utils import timezone
from rich.table import Table

from audit.actor import Actor
from liquidity.participants.desk import open_desk
from liquidity.participants.quoting import Quoter, unquoted
from liquidity.participants.simulating import Simulation, Tally
from orders.models import Source
from orders.services.drain import ShardStopped
from orders.services.sending import Drain, NobodyDrainsError, Sender, require_workers
from tradeplatform.common.console import output, progress
from tradeplatform.common.errors import Refusal
from tradeplatform.common.metrics import PUBLISHER
from tradeplatform.config import load_config

logger = structlog.get_logger(__name__)

_ACTOR = Actor.system("simulate")
_SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "BTCUSD", "BTCUSDT-DEMO", "ETHUSDT-DEMO")
_DEMO_RATE = 8
_LOG_EVERY_SECONDS = 60


class Command(BaseCommand):
    """A thin door to liquidity.participants."""

    help = "Let simulated participants trade: makers, takers and careful ones, each on an own account."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Options of the command line."""
        how_long = parser.add_mutually_exclusive_group()
        how_long.add_argument(
            "--forever",
            action="store_true",
            help="trade until SIGTERM, at a modest rate, and quote what is not traded",
        )
        how_long.add_argument("--orders", type=_positive, default=1_000, help="stop after so many new orders")
        parser.add_argument("--seed", type=int, help="repeats the decisions of an earlier run")
        parser.add_argument("--symbols", nargs="+", default=list(_SYMBOLS), metavar="SYMBOL")
        parser.add_argument(
            "--rate", type=_positive, help=f"at most so many requests a second ({_DEMO_RATE} with --forever)"
        )
        parser.add_argument(
            "--drain",
            type=Drain,
            choices=list(Drain),
            default=Drain.WORKER,
            help="who matches: the shards' workers (default), or this process",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Open the desk, trade, print what happened."""
        stop = threading.Event()
        forever = options["forever"]
        if forever:
            PUBLISHER.keep_on()
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: stop.set())
        try:
            if options["drain"] == Drain.WORKER and not forever:
                require_workers()
            desk = open_desk(symbols=options["symbols"], actor=_ACTOR, now=timezone.now())
            simulation = Simulation(
                desk=desk,
                sender=Sender(
                    shard_ids=desk.shard_ids,
                    drain=options["drain"],
                    actor=_ACTOR,
                    source=Source.SIMULATION,
                    clock=timezone.now,
                    stop=stop,
                ),
                chance=random.Random(options["seed"]),  # noqa: S311 - a game, not a secret
                stop=stop,
            )
            if forever:
                simulation.run(orders=None, rate=options["rate"] or _DEMO_RATE, each=_between(simulation))
                return
            tally = _run_with_bar(simulation, options)
        except (Refusal, NobodyDrainsError, ShardStopped, OperationalError) as error:
            if stop.is_set():
                return
            raise CommandError(str(error)) from error
        _print(tally, options)


def _run_with_bar(simulation: Simulation, options: dict[str, Any]) -> Tally:
    with progress("{task.fields[done]}") as bar:
        task = bar.add_task("orders", total=options["orders"], done="")

        def show(tally: Tally) -> None:
            bar.update(task, completed=tally.orders, done=f"{tally.orders / tally.seconds:,.0f} a second")

        return simulation.run(orders=options["orders"], rate=options["rate"], each=show)


def _between(simulation: Simulation) -> Callable[[Tally], None]:
    """What is done between two looks: quote what nobody here trades, and log now and then."""
    traded = [rules.id for rules in simulation.desk.rules.values()]
    # Real prices are nobody's to make up.
    quoter = Quoter([] if load_config().is_production else unquoted(traded), simulation.chance)
    last = time.monotonic()

    def work(tally: Tally) -> None:
        nonlocal last
        simulation.sender.through_restarts(lambda: quoter.quote(now=timezone.now()))
        if time.monotonic() - last > _LOG_EVERY_SECONDS:
            last = time.monotonic()
            logger.info("participants", orders=tally.orders, cancels=tally.cancels, denied=dict(tally.denied))

    return work


def _print(tally: Tally, options: dict[str, Any]) -> None:
    table = Table("", "", title="Simulation", show_header=False)
    for name, count in (
        ("orders sent", tally.orders),
        ("accepted", tally.accepted),
        ("cancels", tally.cancels),
        ("amends", tally.amends),
        ("trades", tally.trades),
        *((f"denied: {code}", count) for code, count in sorted(tally.denied.items())),
        ("orders a second", round(tally.orders / max(tally.seconds, 0.001))),
    ):
        table.add_row(name, f"{count:,}")
    output(options).print(table)


def _positive(value: str) -> int:
    if not value.isdigit() or int(value) < 1:
        raise ArgumentTypeError("a whole number from 1")
    return int(value)
