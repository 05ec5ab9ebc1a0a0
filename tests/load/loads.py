"""Loads put together: a world, producers, a door."""

from __future__ import annotations

import argparse
import os

from tests.load.doors import service_door
from tests.load.producing import Job
from tests.load.run import Progress, Result, run
from tests.load.world import World, make_world
from tests.running import Platform


def service_load(
    platform: Platform, options: argparse.Namespace, *, progress: Progress, world: World | None = None
) -> Result:
    """Lists straight into intake from `options.producers` processes; the accounts are dealt out to them."""
    world = world or make_world(accounts=options.accounts, own_quotes=options.own_quotes)
    return run(
        jobs_of(world, options),
        service_door,
        database_url=platform.environment["DATABASE_URL"],
        processes=platform.pids,
        progress=progress,
    )


def jobs_of(world: World, options: argparse.Namespace) -> list[Job]:
    """One for each producer; each person's accounts stay together."""
    persons = sorted({holder.user_id for holder in world.holders})
    count, tag = options.producers, os.urandom(3).hex()
    rate = 0.0 if options.rate == "max" else float(options.rate) / count
    return [
        Job(
            number=number,
            mix=options.mix,
            tickers=world.tickers,
            holders=[one for one in world.holders if persons.index(one.user_id) % count == number],
            tag=f"{tag}{number}.",
            seed=options.seed * 1_000 + number,
            rate=rate,
            seconds=options.seconds,
            most=options.batch,
            poisson=options.poisson,
            backlog=options.backlog,
            stock=(options.stock[0] // count, options.stock[1] // count),
        )
        for number in range(count)
    ]
