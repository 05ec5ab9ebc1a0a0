"""Fan-out of one book to many sockets: our hub against the feed as it is usually written first, in one run.

Frames in words: one instrument, each frame changes five of a hundred bids (about 330 bytes as a message).
Published in rounds of 32, the next round when every socket has all of the last, so nothing is thrown away.
All ways run under the same Daphne command line, with the same sockets and the same frames from Valkey:

- hub:       `/ws/v1`: one subscription, a checked mirror, each message encoded once, bounded queues;
- group:     Channels' own way: one subscription, `group_send`, each consumer encodes; in-memory layer;
- pubsub:    the same through Valkey, as several processes need: channels_redis' RedisPubSubChannelLayer;
- encode:    one subscription, each socket encodes for itself; no mirror, no queue, no check;
- subscribe: each socket subscribes, decodes and encodes for itself.

"a CPU second" counts the server process alone, so what else runs on the machine matters little. Then frames
at a steady pace: how long after it was published each socket has each frame.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, astuple, dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from tests.bench import crowd
from tests.bench.platform import throwaway_platform

ROUND = 32
_STEADY_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Measured:
    """Messages delivered to sockets, a second of the server's CPU and a second of the clock; and how late.

    The half and the 99 of 100 that came sooner, in milliseconds after the frame was published.
    """

    cpu: float
    wall: float
    p50: float
    p99: float


def main() -> None:
    """Measure all ways interleaved, several times, and print medians and ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sockets", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=20, help=f"of {ROUND} frames each")
    parser.add_argument("--pace", type=int, default=10, help="frames a second of the steady part")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with throwaway_platform():
        from tests.factories import make_market  # noqa: PLC0415 - models need a configured Django

        ways = {
            "hub": ("tradeplatform.asgi:application", "/ws/v1"),
            "group": ("tests.bench.naive_feed:application", "/naive/group?{symbol}"),
            "pubsub": ("tests.bench.naive_feed:application", "/naive/pubsub?{symbol}"),
            "encode": ("tests.bench.naive_feed:application", "/naive/encode?{symbol}"),
            "subscribe": ("tests.bench.naive_feed:application", "/naive/subscribe?{symbol}"),
        }
        found: dict[str, list[Measured]] = {name: [] for name in ways}
        for _ in range(options.repeat):
            for name, (application, path) in ways.items():
                market = make_market()
                with _served(application) as (address, process):
                    url = address + path.format(symbol=market.symbol)
                    found[name].append(_measure(url, market, process, options))
    medians = {
        name: Measured(*(statistics.median(column) for column in zip(*map(astuple, runs), strict=True)))
        for name, runs in found.items()
    }
    _print(medians, as_json=options.json)


def _measure(url: str, market: Any, server: psutil.Process, options: argparse.Namespace) -> Measured:
    from tests.feed.stream import Stream  # noqa: PLC0415

    stream, sockets, rounds = Stream(market), options.sockets, options.rounds
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=crowd.run, args=(url, market.symbol, sockets, theirs), daemon=True)
    child.start()
    _expect(ours, "ready")
    batches = [stream.deltas(ROUND, levels=5) for _ in range(rounds)]
    cpu, started = _cpu(server), time.perf_counter()
    for batch in batches:
        stream.publish(batch)
        ours.send(ROUND)
        _expect(ours, "got")
    wall, cpu = time.perf_counter() - started, _cpu(server) - cpu
    ours.send(_STEADY_SECONDS * options.pace)
    published = _publish_steadily(stream, options.pace)
    _expect(ours, "got")
    ours.send(None)
    late = sorted(
        (arrival - at) * 1_000
        for arrivals in ours.recv()
        for at, arrival in zip(published, arrivals[-len(published) :], strict=True)
    )
    child.join(10)
    delivered = sockets * rounds * ROUND
    return Measured(delivered / cpu, delivered / wall, statistics.median(late), late[int(len(late) * 0.99)])


def _publish_steadily(stream: Any, pace: int) -> list[float]:
    """When each frame was published."""
    published = []
    started = time.perf_counter()
    for number, frame in enumerate(stream.deltas(_STEADY_SECONDS * pace, levels=5)):
        time.sleep(max(0.0, started + number / pace - time.perf_counter()))
        published.append(time.perf_counter())
        stream.publish([frame])
    return published


def _expect(pipe: Any, word: str) -> None:
    if not pipe.poll(60) or pipe.recv() != word:
        raise TimeoutError(f"the sockets did not say {word!r}")


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


@contextmanager
def _served(application: str) -> Iterator[tuple[str, psutil.Process]]:
    """Daphne as the platform runs it, with this application."""
    from tradeplatform.config import load_config  # noqa: PLC0415
    from tradeplatform.supervisor.roles import Roles  # noqa: PLC0415
    from tradeplatform.supervisor.valkey import free_port  # noqa: PLC0415

    config = load_config().model_copy(update={"ws_port": free_port()})
    program = Roles(config, {}).sockets()
    program = replace(program, argv=[*program.argv[:-1], application])
    with tempfile.NamedTemporaryFile() as log:
        child = subprocess.Popen(
            program.argv, env=dict(program.env), cwd=program.cwd, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            process = psutil.Process(child.pid)
            deadline = time.monotonic() + 60
            while not any(c.status == psutil.CONN_LISTEN for c in process.net_connections()):
                if child.poll() is not None or time.monotonic() > deadline:
                    sys.exit(Path(log.name).read_text())
                time.sleep(0.05)
            yield f"ws://127.0.0.1:{config.ws_port}", process
        finally:
            child.terminate()
            child.wait(20)


def _print(medians: dict[str, Measured], *, as_json: bool) -> None:
    hub = medians["hub"]
    ratios = {name: hub.cpu / measured.cpu for name, measured in medians.items()}
    if as_json:
        rates = {name: asdict(measured) for name, measured in medians.items()}
        print(json.dumps({"deliveries": rates, "hub_is_times": ratios}))
        return
    print(f"{'way':10} {'a CPU second':>14} {'a second':>10} {'hub is x':>9} {'p50 ms':>8} {'p99 ms':>8}")
    for name, measured in medians.items():
        numbers = f"{measured.cpu:14,.0f} {measured.wall:10,.0f} {ratios[name]:9.1f}"
        print(f"{name:10} {numbers} {measured.p50:8.1f} {measured.p99:8.1f}")


if __name__ == "__main__":
    main()
