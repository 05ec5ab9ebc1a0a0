"""Links between the platform's parts go dead or are reset while clients send orders: a part of `make faults`.

    python -m tests.simulation.faults.dead_links [--times 3] [--only web-valkey ...] [--seed 1] [--control]

The parts are the processes as they run: gunicorn, Daphne and a shard's worker of Celery, each with a link of
its own to PostgreSQL and to Valkey, and the clients' link to gunicorn. A link that is a black hole takes
connections and bytes, one way or both, and forwards nothing, not even that an end has hung up; it is mended
after some seconds. One that is reset breaks all its connections at once. Clients keep journals: what was
acknowledged must be there, once. `--control` runs processes that wait for ever, then a door that says "taken"
where it cannot tell: both must be found out.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.platform import throwaway_platform
from tests.simulation.faults.link import Link, Way
from tests.simulation.faults.own import PATIENCE, say, wait_for
from tests.simulation.faults.unsafe import PROMISES, WAITS, unsafe

if TYPE_CHECKING:
    from tests.factories import Market
    from tests.simulation.doors import Change, Door, Sockets, Web, Worker
    from tests.simulation.faults.clients import Load, Verdict

BLACK_HOLE, RESET = "black hole", "reset"
KINDS = (BLACK_HOLE, RESET)
LINKS = (
    "web-postgresql",
    "web-valkey",
    "shard-postgresql",
    "shard-valkey",
    "sockets-postgresql",
    "sockets-valkey",
    "client-web",
)
#: Seconds: for a request, until a link is given up, from a link's mending to an outcome.
LONGEST_REQUEST, NOTICED_WITHIN, NEXT_OUTCOME = 10.0, 6.0, 10.0
# A client whose own link is dead can only give up.
_CLIENTS_PATIENCE = 5.0


@dataclass(slots=True)
class Found:
    """What came of the faults of one kind on one link."""

    link: str
    kind: str
    faults: int = 0
    verdict: Verdict | None = None
    unknown: int = 0
    pending: int = 0
    broken: list[str] = field(default_factory=list)
    #: Seconds from a fault, and from its end, to the next outcome.
    since_struck: list[float] = field(default_factory=list)
    since_mended: list[float] = field(default_factory=list)
    without: int = 0
    longest: float = 0.0
    #: Seconds for which connections waited in vain.
    noticed: list[float] = field(default_factory=list)
    heard: dict[str, int] = field(default_factory=dict)

    @property
    def faulty(self) -> list[str]:
        """What is not as it has to be."""
        assert self.verdict is not None
        patience = _CLIENTS_PATIENCE + 1 if self.link == "client-web" else LONGEST_REQUEST
        checks = {
            "what was told": self.verdict.holds and not self.unknown,
            "commands are pending": not self.pending,
            "invariants": not self.broken,
            "no outcome": not self.without and bool(self.since_mended),
            "outcomes came late": max(self.since_mended, default=0.0) <= NEXT_OUTCOME,
            "a request took too long": self.longest <= patience,
            "noticed too late": self.link == "client-web" or max(self.noticed, default=0.0) <= NOTICED_WITHIN,
        }
        return [name for name, holds in checks.items() if not holds]

    def __str__(self) -> str:
        assert self.verdict is not None
        told = self.verdict
        return (
            f"{self.link}, {self.kind}: faults {self.faults}; acknowledged {told.acknowledged}, lost"
            f" {len(told.lost)}, doubled {len(told.doubled)}, neither {len(told.strange)}, surprising"
            f" {len(told.surprises)}, unknown {self.unknown}, pending {self.pending}; invariants"
            f" {'all hold' if not self.broken else 'BROKEN ' + ' '.join(self.broken)}; next outcome after the"
            f" fault {percentiles(self.since_struck)}, after its end {percentiles(self.since_mended)},"
            f" without {self.without}; longest request {self.longest:.1f} s; links given up after"
            f" {percentiles(self.noticed)}; heard {self.heard}"
        )


def percentiles(values: Sequence[float]) -> str:
    """In seconds."""
    if not values:
        return "-"
    values = sorted(values)
    middle, high = values[len(values) // 2], values[min(len(values) - 1, len(values) * 95 // 100)]
    return f"p50 {middle:.1f} p95 {high:.1f} max {values[-1]:.1f} s"


@dataclass(slots=True)
class Parts:
    """The processes, and the links they have to use."""

    market: Market
    links: dict[str, Link]
    web: Web
    sockets: Sockets | None
    worker: Worker

    def doors(self) -> list[Door]:
        """All that run."""
        return [door for door in (self.web, self.sockets, self.worker) if door is not None]


@contextmanager
def parts_at_work(folder: Path, links: Sequence[str], *, change: Change | None = None) -> Iterator[Parts]:
    """A market and its processes, each way over a link; without a socket process where no link is of one."""
    from tests.factories import make_market  # noqa: PLC0415 - needs the settings
    from tests.simulation import doors  # noqa: PLC0415

    market = make_market(max_open_orders=1_000_000)
    how = {} if change is None else {"change": change}
    with ExitStack() as stack:
        made: dict[str, Link] = {}
        for name in LINKS[:-1]:
            to = doors.postgres_address() if name.endswith("postgresql") else doors.valkey_address()
            made[name] = Link(to)
            stack.callback(made[name].close)

        def ways(part: str) -> doors.Ways:
            database = made[f"{part}-postgresql"].port
            return doors.Ways(postgres=database, reading=database, valkey=made[f"{part}-valkey"].port)

        web = doors.Web(folder, ways("web"), **how)
        made["client-web"] = Link(("127.0.0.1", web.port))
        stack.callback(made["client-web"].close)
        worker = doors.Worker(folder, market.shard.pk, ways("shard"), **how)
        wanted = any(name.startswith("sockets") for name in links)
        sockets = doors.Sockets(folder, ways("sockets"), **how) if wanted else None
        parts = Parts(market, made, web, sockets, worker)
        stack.enter_context(doors.ending(*parts.doors()))
        yield parts


def strike_again_and_again(
    parts: Parts, link: str, kind: str, *, times: int, clients: int, hold: float, chance: random.Random
) -> Found:
    """So many faults of a kind on a link, each when the last is over; then look at what was told.

    A black hole that holds for 0 seconds is mended when a connection was given up.
    """
    found = Found(link, kind)
    load = _load(parts, link, clients, chance.randrange(1_000))
    load.start()
    try:
        for _ in range(times):
            time.sleep(chance.uniform(0.5, 2.0))
            struck, mended = _strike(parts.links[link], kind, found, hold=hold, chance=chance)
            found.faults += 1
            _await_outcome(parts, load, link, struck, mended, found)
    finally:
        load.rest()
    _conclude(parts, load, found)
    load.close()
    return found


def _load(parts: Parts, link: str, clients: int, seed: int) -> Load:
    from tests.simulation.faults.clients import Load, SocketClient  # noqa: PLC0415 - needs the settings

    if parts.sockets is not None and link.startswith("sockets"):
        url, web = parts.sockets.url, parts.web.url
        numbers = range(seed * 1000, seed * 1000 + clients)
        return Load([SocketClient(parts.market, web, number, url) for number in numbers])
    if link == "client-web":
        by_link = f"http://127.0.0.1:{parts.links[link].port}"
        return Load.of(parts.market, by_link, clients=clients, seed=seed, patience=_CLIENTS_PATIENCE)
    return Load.of(parts.market, parts.web.url, clients=clients, seed=seed)


def _strike(
    link: Link, kind: str, found: Found, *, hold: float, chance: random.Random
) -> tuple[float, float]:
    """When it began and when it was over."""
    struck = time.monotonic()
    if kind == RESET:
        link.tear()
        return struck, struck
    given_up = len(link.noticed)
    link.hold(chance.choice([*Way, Way.BOTH]))
    if hold:
        time.sleep(hold)
    else:
        wait_for(lambda: len(link.noticed) > given_up)
    # What has waited for less long than anybody must notice in is no finding.
    still = link.noticed_by("")[len(link.noticed) :]
    found.noticed += [seconds for _, seconds in link.noticed[given_up:]]
    found.noticed += [seconds for seconds in still if seconds > NOTICED_WITHIN]
    link.mend()
    return struck, time.monotonic()


def _await_outcome(parts: Parts, load: Load, link: str, struck: float, mended: float, found: Found) -> None:
    """Until every client has had an outcome of what it began after the end, and the shard applies again."""
    shards = link.startswith("shard")
    applied: list[float] = []
    position = _position(parts) if shards else 0

    def is_over() -> bool:
        if shards and not applied and _position(parts) > position:
            applied.append(time.monotonic())
        return load.all_told_since(mended) and bool(applied) == shards

    found.without += not wait_for(is_over)
    # Of a shard it is the book's word that counts; nobody has listened to it before the end.
    found.since_struck += [] if shards else load.waits_since(struck)
    found.since_mended += [at - mended for at in applied] if shards else load.waits_since(mended)


def _position(parts: Parts) -> int:
    from orders.models import Shard  # noqa: PLC0415 - needs the settings

    return Shard.objects.get(id=parts.market.shard.pk).position


def _conclude(parts: Parts, load: Load, found: Found) -> None:
    from orders.models import Command, CommandStatus  # noqa: PLC0415 - needs the settings
    from tests.simulation.faults.clients import compare  # noqa: PLC0415
    from tradeplatform.common.invariants import check_all  # noqa: PLC0415

    found.unknown = load.learn(seconds=PATIENCE)
    pending = Command.objects.filter(shard_id=parts.market.shard.pk, status=CommandStatus.PENDING)
    wait_for(lambda: not pending.exists())
    found.pending = pending.count()
    found.verdict = compare(load)
    found.broken = [one.code for one in check_all() if not one.holds]
    found.longest = load.longest_request()
    for client in load.clients:
        for what, times in client.journal.heard.items():
            found.heard[what] = found.heard.get(what, 0) + times
    for door in parts.doors():
        if door.process.poll() is not None:
            raise RuntimeError(f"a process has ended:\n{door.words}")


def main() -> int:
    """0 when nothing was lost or doubled, everything came back, and no request took too long."""
    parser = argparse.ArgumentParser(
        prog="dead_links", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=int, default=3, help="faults of each kind on each link")
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--hold", type=float, default=8.0, help="seconds of a black hole")
    parser.add_argument("--only", nargs="+", choices=LINKS, default=LINKS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--control", action="store_true", help="without a safety: must fail")
    options = parser.parse_args()
    started = time.monotonic()
    with throwaway_platform(), tempfile.TemporaryDirectory(prefix="tradeplatform-links-") as folder:
        run = _control if options.control else _all
        holds = run(Path(folder), options)
        took = time.monotonic() - started
        say(f"seed {options.seed}, {took:.0f} s: {'all holds' if holds else 'NOT all holds'}")
    return 0 if holds else 1


def _all(folder: Path, options: argparse.Namespace) -> bool:
    with parts_at_work(folder, options.only) as parts:
        chance = random.Random(options.seed)
        holds = [_one(parts, link, kind, options, chance) for link in options.only for kind in KINDS]
    return all(holds)


def _control(folder: Path, options: argparse.Namespace) -> bool:
    """Whether any of the unsafe ones was not found out."""
    holds = []
    for what in (WAITS, PROMISES):
        say(f"control: processes that {what.removesuffix('s')}")
        (own := folder / what).mkdir()
        with parts_at_work(own, LINKS[:1], change=unsafe(what)) as parts:
            holds.append(_one(parts, LINKS[0], BLACK_HOLE, options, random.Random(options.seed)))
    return any(holds)


def _one(parts: Parts, link: str, kind: str, options: argparse.Namespace, chance: random.Random) -> bool:
    found = strike_again_and_again(
        parts,
        link,
        kind,
        times=options.times,
        clients=options.clients,
        hold=options.hold,
        chance=chance,
    )
    say(str(found))
    if found.faulty:
        say(f"  NOT as it has to be: {', '.join(found.faulty)}")
        assert found.verdict is not None
        told = found.verdict
        for line in [*told.lost, *told.doubled, *told.strange, *told.surprises][:5]:
            say(f"  {line}")
    return not found.faulty


if __name__ == "__main__":
    sys.exit(main())
