"""Positions at a time and over time. A position before its first execution is None, which is not zero."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from orders.history.building import Standing
from orders.history.models import PositionPoint
from tradeplatform.common.db import fetch
from tradeplatform.common.errors import Code, Refusal

MOST_BINS = 10_000
_MICROSECOND = timedelta(microseconds=1)
_WIDTH = re.compile(r"([1-9][0-9]{0,5})(us|ms|s|m|h|d)", re.ASCII)
_UNITS = {
    "us": _MICROSECOND, "ms": timedelta(milliseconds=1), "s": timedelta(seconds=1),
    "m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class PositionAt:
    """A position, and when its last execution was; `accounts` is how many it is the sum of."""

    at: datetime
    standing: Standing
    accounts: int = 1


@dataclass(frozen=True, slots=True)
class Bin:
    """A window [start, end) of a position: None where there was none yet.

    `open` is the position just before it, `close` the one at its end (exclusive), `high` and `low` go over
    all positions in it, that before it included; `volume` is how much was bought and sold.
    """

    start: datetime
    end: datetime
    open: Decimal | None
    high: Decimal | None
    low: Decimal | None
    close: Decimal | None
    volume: Decimal
    executions: int


def positions_at(
    *, instrument_ids: Sequence[int] | None, account_ids: Sequence[int] | None, at: datetime | None
) -> dict[int, PositionAt]:
    """Positions by instrument after everything with time at or before `at` (None: now).

    Each is the sum over these accounts; None stands for all instruments, or all accounts.
    """
    rows = fetch(
        """
        SELECT l.instrument_id, max(p.at), sum(p.position), sum(p.cost), sum(p.realised), sum(p.fees),
               count(*)
        FROM history_liveposition l CROSS JOIN LATERAL (
            SELECT * FROM history_positionpoint p
            WHERE p.account_id = l.account_id AND p.instrument_id = l.instrument_id
              AND p.at <= coalesce(%(at)s::timestamptz, 'infinity')
            ORDER BY p.at DESC, p.origin DESC, p.execution_id DESC LIMIT 1) p
        WHERE (%(instruments)s::int[] IS NULL OR l.instrument_id = ANY(%(instruments)s))
          AND (%(accounts)s::bigint[] IS NULL OR l.account_id = ANY(%(accounts)s))
        GROUP BY l.instrument_id""",
        {"at": at, "instruments": _ids(instrument_ids), "accounts": _ids(account_ids)},
    )
    return {number: PositionAt(last, Standing(*sums), count) for number, last, *sums, count in rows}


def position_at(
    *, instrument_id: int, account_ids: Sequence[int] | None, at: datetime | None
) -> PositionAt | None:
    """The position in one instrument; None before the first execution. See `positions_at`."""
    return positions_at(instrument_ids=[instrument_id], account_ids=account_ids, at=at).get(instrument_id)


def bins(
    *,
    instrument_id: int,
    account_ids: Sequence[int] | None,
    start: datetime,
    end: datetime,
    width: timedelta,
) -> list[Bin]:
    """The windows of `width` from `start` that begin before `end`.

    Raises Refusal: invalid_field, too_many_items.
    """
    count = -(-(end - start) // width)
    if count < 1:
        raise Refusal(Code.INVALID_FIELD, "The end must be after the start.", field="to")
    if count > MOST_BINS:
        raise Refusal(Code.TOO_MANY_ITEMS, f"More than {MOST_BINS:,} windows: choose wider ones.", bins=count)
    before = position_at(instrument_id=instrument_id, account_ids=account_ids, at=start - _MICROSECOND)
    current = before.standing.quantity if before else None
    rows = fetch(
        _FILLED_BINS,
        {
            "instrument": instrument_id,
            "accounts": _ids(account_ids),
            "start": start,
            "end": start + count * width,
            "width": width,
            "before": current or Decimal(0),
        },
    )
    found = {row[0]: row[1:] for row in rows}
    answer: list[Bin] = []
    for number in range(count):
        opens = start + number * width
        high, low, close, volume, executions = found.get(opens, (current, current, current, Decimal(0), 0))
        if current is not None:
            high, low = max(high, current), min(low, current)
        answer.append(Bin(opens, opens + width, current, high, low, close, volume, executions))
        current = close
    return answer


# high, low, close, volume and executions of the windows in which something was executed.
_FILLED_BINS = """
    SELECT bin, max(position), min(position), (array_agg(position ORDER BY place DESC))[1],
           sum(abs(quantity)), count(*)
    FROM (
        SELECT date_bin(%(width)s, at, %(start)s) AS bin, quantity, row_number() OVER timeline AS place,
               %(before)s::numeric + sum(quantity) OVER timeline AS position
        FROM history_positionpoint
        WHERE instrument_id = %(instrument)s AND at >= %(start)s AND at < %(end)s
          AND (%(accounts)s::bigint[] IS NULL OR account_id = ANY(%(accounts)s))
        WINDOW timeline AS (ORDER BY at, origin, execution_id ROWS UNBOUNDED PRECEDING)) AS points
    GROUP BY bin"""


def width_of(text: str) -> timedelta:
    """A width such as 1h, 15m, 30s, 1d, 500ms or 250us. Raises Refusal invalid_field."""
    found = _WIDTH.fullmatch(text)
    if found is None:
        raise Refusal(Code.INVALID_FIELD, "Write a width such as 30s, 15m, 1h or 1d.", field="bins")
    return int(found[1]) * _UNITS[found[2]]


def points_of(*, account_id: int, instrument_id: int, limit: int) -> list[PositionPoint]:
    """The latest points of a position, newest first, by the index of their order."""
    own = PositionPoint.objects.filter(account_id=account_id, instrument_id=instrument_id)
    return list(own.order_by("-at", "-origin", "-execution_id")[:limit])


def _ids(ids: Sequence[int] | None) -> list[int] | None:
    return None if ids is None else list(ids)
