"""Keeps the sums of each minute for some days, and draws from them what happened between."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from prometheus_client.core import Metric

from tradeplatform.common.metrics import NAMESPACE
from tradeplatform.system.models import Minute
from tradeplatform.system.scraping import Everything

KEPT = timedelta(days=7)
_SERVER_ERROR = "5xx"
_MILLISECONDS = 1_000


@dataclass(frozen=True, slots=True)
class Moment:
    """What happened from one sample to the next; None where it is not known or nothing happened."""

    at: datetime
    accepted: float | None
    p50_ms: float | None
    p95_ms: float | None
    lag_seconds: float | None
    errors_percent: float | None
    #: Requests refused for overload.
    overloaded: float | None


def take_sample(now: datetime) -> Minute:
    """Keep the sums as they are now, as those of this minute; forget what is older than `KEPT`."""
    found, _made = Minute.objects.get_or_create(
        at=now.replace(second=0, microsecond=0), defaults={"sums": _sums(Everything(now).collect())}
    )
    Minute.objects.filter(at__lt=now - KEPT).delete()
    return found


def course(*, since: datetime) -> list[Moment]:
    """What happened since, one for each sample but the first."""
    samples = list(Minute.objects.filter(at__gte=since).order_by("at"))
    return [_between(before, after) for before, after in pairwise(samples)]


def quantile(share: float, bounds: Sequence[tuple[float, float]]) -> float | None:
    """Where so large a share lies below, by (upper bound, how many are below it) in order; None of nothing.

    Between two bounds it is taken to rise evenly, as Prometheus does; beyond the last it is the last.
    """
    total = bounds[-1][1] if bounds else 0
    if not total:
        return None
    wanted, low, below = share * total, 0.0, 0.0
    for bound, many in bounds:
        if many >= wanted:
            if bound == float("inf"):
                return low
            return low + (bound - low) * (wanted - below) / (many - below)
        low, below = bound, many
    return low


def _sums(families: Iterable[Metric]) -> dict[str, Any]:
    by_name = {family.name.removeprefix(f"{NAMESPACE}_"): family.samples for family in families}
    found: dict[str, Any] = {
        "lag": max((one.value for one in by_name.get("shard_lag_seconds", ())), default=0)
    }
    if by_name["valkey_up"][0].value:
        requests = by_name["http_requests"]
        found["overloaded"] = sum(one.value for one in by_name["overload_refusals"])
        found["accepted"] = sum(one.value for one in by_name["orders_accepted"])
        found["requests"] = sum(one.value for one in requests)
        found["errors"] = sum(one.value for one in requests if one.labels["status"] == _SERVER_ERROR)
        found["outcomes"] = {
            one.labels["le"]: one.value for one in by_name["outcome_seconds"] if "le" in one.labels
        }
    return found


def _between(before: Minute, after: Minute) -> Moment:
    old, new = before.sums, after.sums
    seconds = (after.at - before.at).total_seconds()
    accepted, requests, errors = (_risen(old, new, name) for name in ("accepted", "requests", "errors"))
    outcomes = _outcomes(old.get("outcomes", {}), new.get("outcomes", {}))
    p50, p95 = (quantile(share, outcomes) for share in (0.5, 0.95))
    return Moment(
        at=after.at,
        accepted=None if accepted is None else accepted / seconds,
        p50_ms=None if p50 is None else p50 * _MILLISECONDS,
        p95_ms=None if p95 is None else p95 * _MILLISECONDS,
        lag_seconds=new.get("lag"),
        errors_percent=errors / requests * 100 if requests and errors is not None else None,
        overloaded=_risen(old, new, "overloaded"),
    )


def _risen(old: dict[str, Any], new: dict[str, Any], name: str) -> float | None:
    """By how much a sum has risen; one that fell began again at zero."""
    if name not in old or name not in new:
        return None
    return float(new[name] - old[name] if new[name] >= old[name] else new[name])


def _outcomes(old: dict[str, float], new: dict[str, float]) -> list[tuple[float, float]]:
    if not new or any(new[bound] < old.get(bound, 0) for bound in new):
        old = {}
    return sorted((float(bound), many - old.get(bound, 0)) for bound, many in new.items())
