"""Trade on a platform whose broker is RabbitMQ, and take it away in every way: a part of `make faults`.

A private RabbitMQ (Debian's package) and a private platform on it. Orders come one after another through the
public intake while RabbitMQ works, is killed and started again, is frozen, raises its alarm of memory (and
then takes messages and confirms none), and is gone for good. Of every order that was acknowledged the outcome
is waited for: none may be lost or doubled, no intake may be held up, all invariants hold. What is printed is
what happened; the exit code is the verdict.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.rabbitmq import RabbitMQ, missing_rabbitmq
from tests.running import Platform, start_platform, stop_platform

if TYPE_CHECKING:
    from tests.factories import Market

_SETTLE_SECONDS = 120.0
#: Of one intake, on a busy machine; the time-outs on the way to the broker are a tenth of it.
_HELD_UP_SECONDS = 5.0


@dataclass(slots=True)
class Phase:
    """Orders that were sent while RabbitMQ was in one state."""

    name: str
    #: Seconds for the acknowledgement of each order, and from there to its outcome.
    intake: list[float] = field(default_factory=list)
    outcome: list[float] = field(default_factory=list)
    unanswered: int = 0

    def __str__(self) -> str:
        acks, outs = _figures(self.intake), _figures(self.outcome)
        return f"{self.name:<34} {len(self.intake):>5} orders   acknowledged {acks}   outcome {outs}"


def _figures(seconds: Sequence[float]) -> str:
    if not seconds:
        return "-"
    parts = statistics.quantiles(seconds, n=20) if len(seconds) > 1 else [seconds[0]] * 19
    return f"p50 {parts[9]:.3f} p95 {parts[18]:.3f} max {max(seconds):.3f} s"


def kinds_of_ours(listed: str) -> dict[str, str]:
    """The kinds of the queues that carry work, of what `list_queues name type` says.

    That by which `celery control` speaks to a worker is named after it and its host, and ends with it.
    """
    queues = [line.split("\t") for line in listed.splitlines()]
    return {
        name: kind
        for name, kind in queues[1:]
        if name == "default" or (name.startswith("shard-") and "@" not in name)
    }


def main() -> int:
    """Play the phases; 0 when nothing was lost, doubled or held up."""
    parser = argparse.ArgumentParser(
        prog="rabbitmq", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=15, help="for each phase")
    options = parser.parse_args()
    if missing := missing_rabbitmq():
        sys.stderr.write(missing + "\n")
        return 2
    with tempfile.TemporaryDirectory(prefix="tradeplatform-rabbitmq-") as made:
        folder = Path(made)
        folder.chmod(0o755)
        rabbitmq = RabbitMQ(folder)
        try:
            rabbitmq.start()
            with _platform(folder, rabbitmq) as platform:
                return _Run(rabbitmq, platform).play(options.seconds)
        finally:
            rabbitmq.stop()


@contextmanager
def _platform(folder: Path, rabbitmq: RabbitMQ) -> Iterator[Platform]:
    """A platform on that broker, and Django set up in this process as one of its doors."""
    os.environ |= {"TRADEPLATFORM_ENVIRONMENT": "test", "TRADEPLATFORM_VAR_DIR": str(folder)}
    os.environ |= {"DJANGO_SETTINGS_MODULE": "tradeplatform.settings", "TRADEPLATFORM_LOG_LEVEL": "ERROR"}
    address = {"TRADEPLATFORM_BROKER_URL": rabbitmq.url}
    process, platform = start_platform(folder, settings=address)
    try:
        os.environ |= platform.environment | address
        import django  # noqa: PLC0415 - settings are read on import, so the environment comes first

        django.setup()
        from django.db import connections  # noqa: PLC0415

        _say(f"platform ready, on RabbitMQ as {rabbitmq.user.name if rabbitmq.user else 'this user'}")
        yield platform
        connections.close_all()
    finally:
        stop_platform(process)


class _Run:
    """One market, one seller, one buyer."""

    def __init__(self, rabbitmq: RabbitMQ, platform: Platform) -> None:
        from django.utils import timezone  # noqa: PLC0415 - needs the settings

        from orders.models import Shard  # noqa: PLC0415
        from tests.factories import fund, make_account, make_market  # noqa: PLC0415

        self._rabbitmq, self._platform = rabbitmq, platform
        self._market: Market = make_market(shard=Shard.objects.get(id=1))
        self._seller, self._buyer = (make_account(currency=self._market.instrument.quote) for _ in range(2))
        fund(self._seller, self._market.instrument.base, 1_000_000, now=timezone.now())
        fund(self._buyer, self._market.instrument.quote, 10**12, now=timezone.now())
        self._phases: list[Phase] = []
        self._sent: list[int] = []

    def play(self, seconds: float) -> int:
        """All states of a broker, one after another."""
        rabbitmq = self._rabbitmq
        self._trade("it works", seconds)
        _say(rabbitmq.control("list_queues", "name", "type", "consumers").strip())
        ours = kinds_of_ours(rabbitmq.control("list_queues", "name", "type"))

        # The kernel ends what a thread has started when that thread ends: this one starts servers.
        back = threading.Event()
        load = threading.Thread(target=lambda: self._trade("killed and started again", seconds, back))
        load.start()
        time.sleep(seconds / 5)
        rabbitmq.kill()
        rabbitmq.start()
        back.set()
        load.join()
        self._trade("back", seconds)
        rabbitmq.signal(signal.SIGSTOP)
        self._trade("frozen", seconds)
        rabbitmq.signal(signal.SIGCONT)
        self._trade("thawed", seconds)
        rabbitmq.control("set_vm_memory_high_watermark", "absolute", "1MB")
        self._trade("alarm of memory", seconds)
        rabbitmq.control("set_vm_memory_high_watermark", "0.4")
        self._trade("alarm over", seconds)
        rabbitmq.kill()
        self._trade("gone for good", seconds)
        return self._verdict(ours)

    def _trade(self, name: str, seconds: float, back: threading.Event | None = None) -> None:
        """Send pairs that meet, wait for the outcome of each pair, for a while and until `back`."""
        from django.db import connections  # noqa: PLC0415

        phase = Phase(name)
        self._phases.append(phase)
        until = time.monotonic() + seconds
        while time.monotonic() < until or (back is not None and not back.is_set()):
            self._pair(phase)
        if back is not None:
            connections.close_all()
        _say(str(phase))

    def _pair(self, phase: Phase) -> None:
        from django.utils import timezone  # noqa: PLC0415

        from orders.models import Side  # noqa: PLC0415

        for account, side in ((self._seller, Side.SELL), (self._buyer, Side.BUY)):
            order = self._market.request(account, side, 1, 50_000)
            started = time.monotonic()
            order_id = self._market.send(order, now=timezone.now()).order_id
            phase.intake.append(time.monotonic() - started)
            self._sent.append(order_id)
        started = time.monotonic()
        if self._wait(order_id):
            phase.outcome.append(time.monotonic() - started)
        else:
            phase.unanswered += 1

    @staticmethod
    def _wait(order_id: int) -> bool:
        from orders.models import OrderStatus  # noqa: PLC0415
        from tests.factories import stored  # noqa: PLC0415

        deadline = time.monotonic() + _SETTLE_SECONDS
        while stored(order_id).status != OrderStatus.FILLED:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.005)
        return True

    def _verdict(self, queues: dict[str, str]) -> int:
        from orders.models import Fill, Order, OrderStatus  # noqa: PLC0415

        filled = Order.objects.filter(id__in=self._sent, status=OrderStatus.FILLED).count()
        fills = Fill.objects.filter(order_id__in=self._sent).count()
        _say(
            f"acknowledged {len(self._sent)}: lost {len(self._sent) - filled}, fills doubled {fills - filled}"
        )
        held_up = max(max(phase.intake) for phase in self._phases)
        unanswered = sum(phase.unanswered for phase in self._phases)
        _say(f"longest acknowledgement {held_up:.3f} s; without an outcome in time: {unanswered}")
        wrong_queues = {name for name, kind in queues.items() if kind != "quorum"}
        broken = self._invariants()
        fine = filled == fills == len(self._sent) > 0 and held_up < _HELD_UP_SECONDS
        return 0 if fine and queues and not (wrong_queues or unanswered or broken) else 1

    def _invariants(self) -> bool:
        from tradeplatform.common.invariants import check_all  # noqa: PLC0415

        broken = [finding.code for finding in check_all() if not finding.holds]
        _say(f"invariants: {'all hold' if not broken else 'BROKEN ' + ', '.join(broken)}")
        return bool(broken)


def _say(text: str) -> None:
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
