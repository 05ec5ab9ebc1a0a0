"""Loads put together: a world, producers, a door."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from tests.load.actions import World
from tests.load.async_producing import produce_async
from tests.load.doors import service_door
from tests.load.http_door import HttpDoor
from tests.load.producing import Job, produce
from tests.load.run import Progress, Result, run
from tests.load.socket_door import SocketDoor
from tests.running import Platform


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a load is. `rate` 0 = as fast as `backlog` commands that wait allow.

    `batch` is how many actions a call of the service door carries at most, and how many callers there are of
    the others when the rate is 0; `stock` how many quiet orders and makers rest before the clock starts.
    """

    mix: str = "exchange"
    door: str = "service"
    rate: float = 0.0
    seconds: float = 10.0
    batch: int = 500
    connections: int = 32
    producers: int = 1
    backlog: int = 4_000
    poisson: bool = False
    accounts: int = 200
    own_quotes: bool = False
    stock: tuple[int, int] = (3_000, 900)
    seed: int = 1


def load(
    platform: Platform,
    options: Options,
    *,
    progress: Progress = lambda *_: None,
    during: Callable[[float], None] = lambda _start: None,
    world: World | None = None,
) -> Result:
    """One load by one door; a fresh world unless given one, whose accounts are dealt out to the producers."""
    by_key = options.door != "service"
    if world is None:
        from tests.load.world import make_world  # noqa: PLC0415 - needs a configured Django

        world = make_world(accounts=options.accounts, own_quotes=options.own_quotes, keys=by_key)
    doors = Doors(platform.base_url, platform.ws_url)
    produced = produce_async if by_key else produce
    return run(
        [(produced, job, _door(doors, options, job)) for job in jobs_of(world, options)],
        database_url=platform.environment["DATABASE_URL"],
        processes=platform.pids,
        progress=progress,
        during=during,
    )


def load_from_afar(doors: Doors, options: Options, world: World, *, progress: Progress) -> Result:
    """The same on a platform of which we know the doors and some clients' keys alone."""
    parts = [(produce_async, job, _door(doors, options, job)) for job in jobs_of(world, options)]
    return run(parts, progress=progress)


@dataclass(frozen=True, slots=True)
class Doors:
    """Where a platform listens."""

    http: str
    sockets: str


def _door(doors: Doors, options: Options, job: Job) -> Callable[[], Any]:
    match options.door:
        case "http":
            return partial(HttpDoor, doors.http, options.connections)
        case "socket":
            return partial(SocketDoor, doors.sockets, doors.http, job.holders)
    return service_door


def jobs_of(world: World, options: Options, *, first: int = 0) -> list[Job]:
    """One for each producer, numbered from `first`; each person's accounts stay together."""
    persons = sorted({holder.user_id for holder in world.holders})
    count, tag = options.producers, os.urandom(3).hex()
    return [
        Job(
            number=first + number,
            mix=options.mix,
            tickers=world.tickers,
            holders=[one for one in world.holders if persons.index(one.user_id) % count == number],
            tag=f"{tag}{first + number}.",
            seed=options.seed * 1_000 + number,
            rate=options.rate / count,
            seconds=options.seconds,
            most=options.batch,
            poisson=options.poisson,
            backlog=options.backlog,
            stock=(options.stock[0] // count, options.stock[1] // count),
        )
        for number in range(count)
    ]
