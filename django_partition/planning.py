"""Decides what to create and detach. Pure: same policy, partitions and day give the same plan."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, time
from typing import Any

from django_partition.policy import PartitionPolicy, Period


@dataclass(frozen=True, slots=True)
class Span:
    """Rows with lower <= key < upper, both UTC."""

    lower: datetime
    upper: datetime


@dataclass(frozen=True, slots=True)
class Partition(Span):
    """One piece of a table that exists."""

    name: str
    size: int = 0
    """Bytes on disk, indexes included."""
    estimated_rows: int | None = None
    """What the planner of PostgreSQL believes; None when the piece was never analyzed."""
    storage: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Its storage parameters."""


@dataclass(frozen=True, slots=True)
class Create(Span):
    """Create and attach a partition; `moves_rows` when rows of its range wait in the DEFAULT partition."""

    moves_rows: bool = False


@dataclass(frozen=True, slots=True)
class Detach(Span):
    """Detach the partition with these bounds: all its rows are older than the policy retains."""


@dataclass(frozen=True, slots=True)
class Tune(Span):
    """Give the partition with these bounds the policy's storage parameters: it has others, or none."""


Action = Create | Tune | Detach


def plan(
    policy: PartitionPolicy, partitions: Sequence[Span], today: date, waiting: Iterable[datetime] = ()
) -> list[Action]:
    """What brings the table to its policy, creations first; empty when nothing is to be done.

    Storage parameters that the policy does not name are nobody's business here.

    today: the current UTC date.
    waiting: starts of the periods that have rows in the DEFAULT partition, however old or far ahead.
    """
    period = policy.period
    current = current_period(policy, today)
    horizon = period.shift(current, policy.ahead + 1)
    cutoff = None if policy.retain is None else period.shift(current, -policy.retain)

    with_rows = set(waiting)
    oldest = period.floor(min([current, *with_rows, *(each.lower for each in partitions)]))
    healed_from = max(filter(None, [oldest, period.shift(current, -policy.heal), cutoff]))
    wanted = with_rows.union(_starts(period, healed_from, horizon))

    created = [
        Create(gap.lower, gap.upper, moves_rows=start in with_rows)
        for start in sorted(wanted)
        for gap in gaps(partitions, start, period.shift(start, 1))
    ]
    existing: list[Span] = [*partitions, *created]
    expired = [each for each in _in_order(existing) if cutoff is not None and each.upper <= cutoff]
    tuned = [
        Tune(each.lower, each.upper)
        for each in _in_order(partitions)
        if isinstance(each, Partition)
        and each not in expired
        and not policy.storage.items() <= each.storage.items()
    ]
    return [*created, *tuned, *(Detach(each.lower, each.upper) for each in expired)]


def current_period(policy: PartitionPolicy, today: date) -> datetime:
    """Start of the period that holds the UTC date `today`."""
    return policy.period.floor(datetime.combine(today, time(), UTC))


def gaps(partitions: Iterable[Span], lower: datetime, upper: datetime) -> Iterator[Span]:
    """The parts of [lower, upper) that no partition covers, in order."""
    for each in _in_order(partitions):
        if each.upper <= lower or each.lower >= upper:
            continue
        if lower < each.lower:
            yield Span(lower, each.lower)
        lower = each.upper
    if lower < upper:
        yield Span(lower, upper)


def label(span: Span) -> str:
    """How a partition's name ends: 2026_11 for a month, 2026_11_20 for a day, else with the time."""
    for period, form in ((Period.MONTH, "%Y_%m"), (Period.DAY, "%Y_%m_%d")):
        if period.floor(span.lower) == span.lower and period.shift(span.lower, 1) == span.upper:
            return f"{span.lower:{form}}"
    return f"{span.lower:%Y_%m_%d_%H%M%S}"


def as_row(action: Action) -> dict[str, Any]:
    """The action in plain values; the same keys for every kind."""
    return {"action": type(action).__name__.lower(), "moves_rows": False, **asdict(action)}


def _starts(period: Period, lower: datetime, upper: datetime) -> Iterator[datetime]:
    while lower < upper:
        yield lower
        lower = period.shift(lower, 1)


def _in_order(spans: Iterable[Span]) -> list[Span]:
    return sorted(spans, key=lambda each: each.lower)
