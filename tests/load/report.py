"""What a load came to, for people and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.load.mix import Mix
from tests.load.run import Result

_PERCENTILES = (50, 95, 99, 100)


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """p50, p95, p99 and max in milliseconds; empty of nothing."""
    ordered = sorted(seconds)
    if not ordered:
        return {}
    last = len(ordered) - 1
    return {
        "max" if share == 100 else f"p{share}": 1_000 * ordered[min(last, len(ordered) * share // 100)]
        for share in _PERCENTILES
    }


def as_json(result: Result) -> dict[str, Any]:
    """All figures."""
    return {
        "seconds": result.seconds,
        "took": result.took,
        "due": result.due,
        "offered_per_second": result.due / result.seconds,
        "unsent": result.unsent,
        "accepted": result.accepted,
        "accepted_per_second": result.accepted / result.took,
        "refused": result.refused,
        "kinds": result.kinds,
        "calls": result.calls,
        "actions_per_call": (result.due - result.unsent) / max(1, result.calls),
        "committed_per_second": result.committed_rate,
        "throughput_per_second": result.throughput,
        "lag_commands": result.lag_commands,
        "lag_seconds": result.lag_seconds,
        "acknowledged_ms": percentiles(result.acknowledged),
        "outcome_ms": percentiles(result.outcomes),
        "orders": result.orders,
        "traded": result.traded,
        "rejected": result.rejected,
        "trades": result.trades,
        "applied_by_second": result.rates,
        "cores": result.cpu,
        "rows": {name: dict(zip(("in", "up", "del"), of, strict=True)) for name, of in result.rows.items()},
    }


def as_table(mix: Mix, door: str, result: Result, *, afar: bool = False) -> str:
    """Lines to read; from `afar` what a client cannot see is left out."""
    facts = as_json(result)
    lines = [
        f"mix {mix.name}: {mix.words}",
        f"door {door}: {result.calls:,} calls of {facts['actions_per_call']:.0f} actions on average",
        "",
        f"{'offered':28} {facts['offered_per_second']:10,.0f} /s for {result.seconds:.0f} s",
        f"{'accepted':28} {facts['accepted_per_second']:10,.0f} /s, the last after {result.took:.1f} s",
    ]
    inside = [
        f"{'committed with outcome':28} {facts['committed_per_second']:10,.0f} /s within the time",
        f"{'until all was applied':28} {facts['throughput_per_second']:10,.0f} /s",
        f"{'lag at the end':28} {result.lag_commands:10,} commands, {result.lag_seconds:.2f} s",
    ]
    if not afar:
        lines += inside
    if result.unsent:
        lines.append(f"{'never sent':28} {result.unsent:10,}")
    lines += [f"{'refused ' + code:28} {count:10,}" for code, count in result.refused.items()]
    lines.append(f"{'sent':28} " + ", ".join(f"{count:,} {kind}" for kind, count in result.kinds.items()))
    if afar:
        lines.append(f"{'acknowledged, ms from when due':28} " + _spelled(facts["acknowledged_ms"]))
        return "\n".join(lines)
    share = 100 * result.traded / max(1, result.orders)
    lines.append(
        f"{'orders':28} {result.orders:10,}, of which traded {share:.1f} %, rejected {result.rejected:,};"
        f" {result.trades:,} trades"
    )
    for name, figures in (("acknowledged", facts["acknowledged_ms"]), ("outcome", facts["outcome_ms"])):
        lines.append(f"{name + ', ms from when due':28} " + _spelled(figures))
    lines += ["", "cores used"]
    lines += [f"  {name:40} {cores:6.2f}" for name, cores in result.cpu.items()]
    lines += ["", f"{'rows':34} {'inserted':>10} {'updated':>10} {'deleted':>10}"]
    lines += [f"  {name:32} {of[0]:10,} {of[1]:10,} {of[2]:10,}" for name, of in result.rows.items()]
    return "\n".join(lines)


def _spelled(figures: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:,.1f}" for name, value in figures.items()) or "none"
