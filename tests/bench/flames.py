"""Flame graphs of intake and of drain: lists of 500 in, then what they brought out, again and again.

`make flames` writes var/flames/intake.svg and drain.svg, to be opened in a browser. How wide a function is
says how long it ran or waited, in our own process. What PostgreSQL does meanwhile is the width of psycopg's
`wait`; of that, `--statements` prints the processor time of each statement.
"""

from __future__ import annotations

import argparse
import collections
import ctypes
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bench.platform import throwaway_platform

ORDERS, BATCH, ACCOUNTS = 6_000, 500, 20
_SAMPLES_PER_SECOND = "500"
_MOST_SECONDS = "600"
_SET_PTRACER, _ANYBODY = 0x59616D61, ctypes.c_ulong(-1 & 0xFFFFFFFFFFFFFFFF)


def main() -> None:
    """Run and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--to", type=Path, default=Path("var/flames"))
    parser.add_argument("--statements", action="store_true")
    options = parser.parse_args()
    options.to.mkdir(parents=True, exist_ok=True)
    with throwaway_platform():
        from tests.bench.order_ways import market  # noqa: PLC0415 - models need a configured Django

        intake, drain = _parts()
        for number in range(2):
            orders = market(random.Random(number), ORDERS, ACCOUNTS)
            with _recorded(options.to / "intake.svg"):
                for start in range(0, ORDERS, BATCH):
                    intake(orders[start : start + BATCH])
            with _recorded(options.to / "drain.svg"):
                drain()
        if options.statements:
            _print_statements(market(random.Random(2), ORDERS, ACCOUNTS), intake, drain)
    print(f"Written: {options.to / 'intake.svg'}, {options.to / 'drain.svg'}")


def _parts() -> tuple[Callable[[list[Any]], object], Callable[[], object]]:
    from django.utils import timezone  # noqa: PLC0415

    from orders.models import Source  # noqa: PLC0415
    from orders.services.drain import drain_all  # noqa: PLC0415
    from orders.services.intake import submit_orders  # noqa: PLC0415
    from tests.bench.order_ways import ACTOR  # noqa: PLC0415

    def intake(orders: list[Any]) -> object:
        return submit_orders(orders=orders, actor=ACTOR, source=Source.API, now=timezone.now())

    return intake, lambda: drain_all(shard_id=1, clock=timezone.now, batch=BATCH)


@contextmanager
def _recorded(target: Path) -> Iterator[None]:
    """Sample this process while the block runs."""
    # An ordinary user may look only at what it started, or at what allows it.
    ctypes.CDLL(None).prctl(_SET_PTRACER, _ANYBODY, 0, 0, 0)
    spy = Path(sys.executable).with_name("py-spy")
    options = ["--rate", _SAMPLES_PER_SECOND, "--duration", _MOST_SECONDS, "--function"]
    recorder = subprocess.Popen(
        [str(spy), "record", *options, "--output", str(target), "--pid", str(os.getpid())],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert recorder.stdout is not None
    said = recorder.stdout.readline()
    time.sleep(0.5)
    if recorder.poll() is not None:
        raise RuntimeError(f"The recorder did not start: {said}{recorder.stdout.read()}")
    try:
        yield
    finally:
        recorder.send_signal(signal.SIGINT)
        recorder.communicate()


def _print_statements(
    orders: list[Any], intake: Callable[[list[Any]], object], drain: Callable[[], object]
) -> None:
    """The processor time of this session's server process, by what it was asked to do."""
    from django.db import connection  # noqa: PLC0415
    from psycopg import Connection, Cursor  # noqa: PLC0415

    session = connection.connection
    assert session is not None
    schedule = Path(f"/proc/{session.info.backend_pid}/schedstat")
    spent: collections.Counter[str] = collections.Counter()
    kind = type(session)
    execute, copy, commit = Cursor.execute, Cursor.copy, kind.commit

    def ran() -> float:
        """Microseconds on a processor so far."""
        return int(schedule.read_text().split()[0]) / 1_000

    def timed(self: Any, query: Any, *how: Any, **more: Any) -> Any:
        before = ran()
        answer = execute(self, query, *how, **more)
        spent[_short(query)] += ran() - before  # type: ignore[assignment]
        return answer

    @contextmanager
    def timed_copy(self: Any, query: Any, *how: Any, **more: Any) -> Iterator[Any]:
        before = ran()
        with copy(self, query, *how, **more) as copying:
            yield copying
        spent[_short(query)] += ran() - before  # type: ignore[assignment]

    def timed_commit(self: Connection[Any]) -> None:
        before = ran()
        commit(self)
        spent["COMMIT"] += ran() - before  # type: ignore[assignment]

    Cursor.execute, Cursor.copy, kind.commit = timed, timed_copy, timed_commit  # type: ignore[method-assign,assignment]
    try:
        for start in range(0, ORDERS, BATCH):
            intake(orders[start : start + BATCH])
        drain()
    finally:
        Cursor.execute, Cursor.copy, kind.commit = execute, copy, commit  # type: ignore[method-assign]
    print("PostgreSQL, microseconds of processor an order:")
    for statement, micros in spent.most_common(20):
        print(f"{micros / ORDERS:7.1f}  {statement}")


def _short(query: object) -> str:
    return re.sub(r"\s+", " ", str(query)).strip()[:90]


if __name__ == "__main__":
    main()
