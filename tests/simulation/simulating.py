"""Run a simulation from one seed and say what came of it."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import psutil
import pytest

from accounts.models import LedgerAccount
from orders.models import Event, Order, event_id
from tests.simulation.breaking import BREAKS
from tests.simulation.mishaps import Faults
from tests.simulation.workload import Workload
from tradeplatform.common.db import fetch
from tradeplatform.common.invariants import check_all

_KINDS_SHOWN = 12


@dataclass(slots=True)
class Report:
    """What a run did and found; `fingerprint` is the same for the same seed and number of turns."""

    seed: int
    turns: int = 0
    steps: int = 0
    applied: int = 0
    wall: float = 0.0
    process: float = 0.0
    database: float = 0.0
    asked: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    invariants: int = 0
    broken: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    fingerprint: str = ""

    @property
    def holds(self) -> bool:
        """Whether nothing was found."""
        return not (self.broken or self.differences)

    def lines(self) -> Iterator[str]:
        """The table."""
        rates = [
            f"{self.steps / max(seconds, 1e-9):,.0f}"
            for seconds in (self.wall, self.process, self.process + self.database)
        ]
        yield f"seed                  {self.seed}"
        yield f"turns                 {self.turns}"
        yield f"steps                 {self.steps:,}"
        yield f"commands applied      {self.applied:,}"
        yield f"steps a second        {rates[0]} by the clock, {rates[1]} of this process on a processor"
        yield f"                      {rates[2]} of its and its database session's"
        for name, number in self.asked.most_common(_KINDS_SHOWN):
            yield f"  {name:34} {number:,}"
        yield f"faults                {sum(self.faults.values()):,}"
        for name, number in sorted(self.faults.items()):
            yield f"  {name:34} {number:,}"
        said = f"BROKEN {', '.join(self.broken)}" if self.broken else "all hold"
        yield f"invariants            {self.invariants} checked, {said}"
        yield f"auditor differences   {len(self.differences)}"
        for difference in self.differences:
            yield f"  {difference[:2_000]}"
        yield f"hash of all events    {self.fingerprint}"


def simulate(seed: int, *, turns: int = 0, seconds: float = 0, break_name: str = "") -> Report:
    """So many turns, or as many as begin in so many seconds; ends at the first difference."""
    report = Report(seed)
    with pytest.MonkeyPatch.context() as patch:
        workload = Workload(seed, patch)
        faults = Faults(workload, BREAKS[break_name].fault if break_name else "")
        if break_name:
            BREAKS[break_name].do(patch)
        report.asked, report.faults = workload.counts, faults.done
        session = psutil.Process(fetch("SELECT pg_backend_pid()")[0][0])
        began, burnt, database = time.monotonic(), time.process_time(), sum(session.cpu_times()[:2])
        try:
            while (workload.turns < turns) if turns else (time.monotonic() - began < seconds):
                workload.turn()
                faults.strike()
                workload.hear()
                workload.look()
            faults.end()
            workload.finish()
        except Exception as error:  # noqa: BLE001 - whatever comes of it is what was looked for
            report.differences.append(f"turn {workload.turns}: {type(error).__name__}: {error}")
        report.wall, report.process = time.monotonic() - began, time.process_time() - burnt
        report.database = sum(session.cpu_times()[:2]) - database
    report.turns, report.steps, report.applied = workload.turns, workload.steps, workload.applied
    found = check_all()
    report.invariants = len(found)
    report.broken = [finding.code for finding in found if not finding.holds]
    report.fingerprint = fingerprint(workload)
    return report


def fingerprint(workload: Workload) -> str:
    """All events, orders and balances of a run; ids count from the run's first, which another run has not."""
    seen: dict[tuple[str, int], int] = {}

    def nth(kind: str, number: int | None) -> int:
        return 0 if not number else seen.setdefault((kind, number), len(seen) + 1)

    made = hashlib.sha256()
    for number in workload.instruments:
        rows = Event.objects.filter(id__gte=event_id(number, 0), id__lt=event_id(number + 1, 0)).order_by(
            "seq"
        )
        columns = (
            "seq", "at", "kind", "reason_code", "side", "flags", "price_ticks", "quantity_lots",
            "leaves_lots", "maker_leaves_lots", "priority", "epoch", "order_id", "account_id",
            "maker_order_id", "maker_account_id", "command_id",
        )  # fmt: skip
        for *plain, order, account, maker, makers, command in rows.values_list(*columns).iterator():
            ids = nth("o", order), nth("a", account), nth("o", maker), nth("a", makers), nth("c", command)
            made.update(repr((plain, ids)).encode())
    orders = Order.objects.filter(account__in=workload.accounts).order_by("id")
    for row in orders.values_list("client_order_id", "status", "reason", "leaves", "held", "last_seq"):
        made.update(repr(row).encode())
    balances = LedgerAccount.objects.filter(asset__in=workload.assets).order_by("id")
    for balance in balances.values_list("kind", "balance", "held"):
        made.update(repr(balance).encode())
    return made.hexdigest()
