"""The figures of bench_load, taken one after another on one platform."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db import connections
from django.utils import timezone

from audit.actor import Actor
from orders.services.kill_switch import bring_into_effect, press
from risk.services.kill_switch import EVERYTHING
from tests.bench.load_ways import copy_floor, naive, single
from tests.load.actions import World
from tests.load.async_producing import produce_async
from tests.load.doors import AsyncDoor, service_door
from tests.load.http_door import HttpDoor
from tests.load.loads import Options, jobs_of, load
from tests.load.producing import produce
from tests.load.report import as_json, percentiles
from tests.load.run import Part, Result, run
from tests.load.socket_door import SocketDoor
from tests.load.world import make_world
from tests.running import Platform

#: Of the rate that a bounded backlog allows: what is left is for the checkpoints of a minute.
_SHARE = 0.95
_SINGLES_A_SECOND = 20.0
#: Actions in a list beside them: a large one has nearly every account, and whoever has another order waits.
_SMALL_LIST = 100
#: Who sends such lists takes more of his time for an action: one alone would fall behind half of the rate.
_SENDERS = 2
_ONE_BY_ONE = 200


@dataclass(frozen=True, slots=True)
class Measured:
    """Everything that bench_load prints."""

    most: float
    sustained: Result
    naive: float
    single: float
    floor: float
    floors: dict[str, float]
    acknowledged: dict[str, dict[str, float]]
    kill_seconds: float

    @property
    def rows(self) -> tuple[float, float]:
        """(inserted, inserted and updated) a second in the tables of the floor."""
        counts = [of for name, of in self.sustained.rows.items() if name in self.floors]
        took = max(self.sustained.seconds, self.sustained.took)
        return sum(ins for ins, _, _ in counts) / took, sum(ins + up for ins, up, _ in counts) / took

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        inserted, written = self.rows
        rate = self.sustained.committed_rate
        return {
            "most": self.most,
            "sustained": as_json(self.sustained),
            "naive": self.naive,
            "times_naive": rate / self.naive,
            "single": self.single,
            "times_single": rate / self.single,
            "floor": self.floor,
            "floors": self.floors,
            "inserted_of_floor": inserted / self.floor,
            "written_of_floor": written / self.floor,
            "acknowledged_ms": self.acknowledged,
            "kill_seconds": self.kill_seconds,
        }

    def as_table(self) -> str:
        """For people."""
        inserted, written = self.rows
        rate, result = self.sustained.committed_rate, self.sustained
        lists = as_json(result)["acknowledged_ms"]
        held = (
            f"for {result.seconds:.0f} s, lag {result.lag_seconds:.2f} s; lists acknowledged"
            f" p50 {lists['p50']:.0f}, p99 {lists['p99']:.0f} ms"
        )
        lines = [
            f"{'what':34} {'figure':>10}   ratio",
            _line("most, /s", self.most, ""),
            _line("sustained, /s", rate, held),
            _line("naive, orders/s", self.naive, f"sustained is x {rate / self.naive:.1f}"),
            _line("single, /s", self.single, f"sustained is x {rate / self.single:.1f}"),
            _line("COPY floor, rows/s", self.floor, ""),
            _line("rows inserted, /s", inserted, f"of the floor {inserted / self.floor:.2f}"),
            _line("rows inserted and updated, /s", written, f"of the floor {written / self.floor:.2f}"),
        ]
        for name, of in self.acknowledged.items():
            others = f"p50; p99 {of['p99']:,.1f}, max {of['max']:,.1f}"
            lines.append(_line(f"single by {name} at half, ms", of["p50"], others))
        lines += [_line("kill switch, ms", 1_000 * self.kill_seconds, "press to last effect")]
        lines += ["", "cores used"]
        lines += [f"  {name:40} {cores:6.2f}" for name, cores in result.cpu.items()]
        lines += ["", "COPY alone, rows/s"]
        lines += [f"  {name:32} {floor:10,.0f}" for name, floor in self.floors.items()]
        return "\n".join(lines)


def _line(what: str, figure: float, ratio: str) -> str:
    return f"{what:34} {figure:10,.0f}   {ratio}".rstrip()


def measure(platform: Platform, *, seconds: float, producers: int, batch: int) -> Measured:
    """All of it, in an order in which none disturbs the next; the kill switch comes last, for it stays."""
    world = make_world(keys=True)
    third = max(5.0, seconds / 3)
    loaded = partial(load, platform, progress=_tell, world=world)
    _say("most")
    most = loaded(Options(seconds=third, producers=producers, batch=batch)).throughput
    _say("sustained")
    sustained = loaded(Options(seconds=seconds, rate=most * _SHARE, producers=producers, batch=batch))
    half = sustained.committed_rate / 2
    _say("single orders at half of that")
    singles = _beside(platform, world, rate=half, seconds=third)
    acknowledged = {
        name: percentiles(part.acknowledged)
        for name, part in zip(("HTTP", "sockets"), singles.parts[_SENDERS:], strict=True)
    }
    _say("one by one")
    plain, one_by_one = naive(_ONE_BY_ONE), single(_ONE_BY_ONE)
    _say("kill switch")
    kill_seconds = _killed(platform, world, rate=half, seconds=third)
    _say("COPY")
    floor, floors = copy_floor(sustained.rows)
    return Measured(most, sustained, plain, one_by_one, floor, floors, acknowledged, kill_seconds)


def _beside(platform: Platform, world: World, *, rate: float, seconds: float) -> Result:
    """The load, and single orders at both doors beside it."""
    small = Options(rate=rate, seconds=seconds, batch=_SMALL_LIST, producers=_SENDERS)
    few = Options(rate=_SINGLES_A_SECOND, seconds=seconds, poisson=True, stock=(40, 40), seed=2)
    parts: list[Part] = [(produce, job, service_door) for job in jobs_of(world, small)]
    for number, door in enumerate(("http", "socket"), start=_SENDERS):
        (job,) = jobs_of(world, few, first=number)
        opened: Callable[[], AsyncDoor] = (
            partial(HttpDoor, platform.base_url, 16)
            if door == "http"
            else partial(SocketDoor, platform.ws_url, platform.base_url, job.holders)
        )
        parts.append((produce_async, job, opened))
    return run(
        parts, database_url=platform.environment["DATABASE_URL"], processes=platform.pids, progress=_tell
    )


def _killed(platform: Platform, world: World, *, rate: float, seconds: float) -> float:
    """Seconds from the press, in the middle of the load, until both shards have done its work."""
    took: list[float] = []

    def pressed(start: float) -> None:
        time.sleep(max(0.0, start + seconds / 2 - time.monotonic()))
        begun = time.monotonic()
        actor = Actor.system("bench")
        done = press(target=EVERYTHING, actor=actor, now=timezone.now(), reason="bench")
        bring_into_effect(done.act, clock=timezone.now)
        took.append(time.monotonic() - begun)
        connections.close_all()

    def during(start: float) -> None:
        thread = threading.Thread(target=pressed, args=(start,))
        thread.start()
        threads.append(thread)

    threads: list[threading.Thread] = []
    load(
        platform,
        Options(rate=rate, seconds=seconds, batch=_SMALL_LIST, producers=_SENDERS, stock=(300, 90)),
        progress=_tell,
        during=during,
        world=world,
    )
    for thread in threads:
        thread.join()
    return took[0]


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _tell(second: float, due: int, accepted: int, applied: int, backlog: int) -> None:
    _say(
        f"  {second:3.0f} s  due {due:9,}  accepted {accepted:9,}  applied {applied:9,}  waiting {backlog:6,}"
    )
