"""Bring executions into the history: late ones where their time says, and all points behind them anew.

The points of an account in an instrument are executions with the position after each. So what an execution
changes is found without reading the trade store again: the point before it, and the points after it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import structlog
from tradeengine import pack_rows

from orders.history.building import FLAT, Execution, Standing, build
from orders.history.executions import in_order
from orders.history.models import Correction
from orders.history.services.timelines import frozen_until
from tradeplatform.common.db import array, copy_packed, execute, fetch

logger = structlog.get_logger(__name__)

POINT_COLUMNS = (
    "at", "origin", "execution_id", "account_id", "instrument_id", "quantity", "price", "fee", "true_at",
    "position", "cost", "realised", "fees",
)  # fmt: skip

POINT_TYPES = "thqqinnntnnnn"

# (account, instrument): the positions that an execution is part of.
_Key = tuple[int, int]


def append(executions: Sequence[Execution], *, now: datetime) -> int:
    """Make executions, none of which is in the history yet, part of it; how many became corrections.

    Must be called with the timelines of their instruments locked.
    """
    if not executions:
        return 0
    booked, corrections = _behind_the_ice(executions, now=now)
    fresh: dict[_Key, list[Execution]] = defaultdict(list)
    for execution in in_order(booked):
        fresh[execution.account_id, execution.instrument_id].append(execution)
    firsts = {key: found[0] for key, found in fresh.items()}
    before, after = _standings_before(firsts), _points_after(firsts)

    points: list[tuple[Any, ...]] = []
    changed: list[tuple[int, Standing]] = []
    last: dict[_Key, tuple[Execution, Standing]] = {}
    for key, arrived in fresh.items():
        ids = {execution.place: number for number, execution in after[key]}
        everything = in_order([*arrived, *(execution for _number, execution in after[key])])
        for execution, standing in build(key[1], everything, before.get(key, FLAT)):
            last[key] = execution, standing
            number = ids.get(execution.place)
            if number is None:
                points.append(point_row(execution, standing))
            else:
                changed.append((number, standing))
    copy_packed("history_positionpoint", POINT_COLUMNS, pack_rows(POINT_TYPES, points))
    _move_points(changed)
    _move_live_positions(last, {key: len(found) for key, found in fresh.items()})
    return corrections


def point_row(execution: Execution, standing: Standing) -> tuple[Any, ...]:
    """A point as POINT_COLUMNS has it."""
    return (
        execution.at, execution.origin, execution.id, execution.account_id, execution.instrument_id,
        execution.quantity, execution.price, execution.fee, execution.true_at,
        standing.quantity, standing.cost, standing.realised, standing.fees,
    )  # fmt: skip


def _behind_the_ice(executions: Sequence[Execution], *, now: datetime) -> tuple[list[Execution], int]:
    """Executions at the time they count; those inside a frozen period become corrections at its end."""
    frozen = frozen_until({execution.instrument_id for execution in executions})
    booked = [
        replace(execution, at=end, true_at=execution.at)
        if (end := frozen.get(execution.instrument_id)) is not None and execution.at < end
        else execution
        for execution in executions
    ]
    late = [(execution, execution.true_at) for execution in booked if execution.true_at is not None]
    Correction.objects.bulk_create(
        Correction(
            origin=execution.origin,
            execution_id=execution.id,
            account_id=execution.account_id,
            instrument_id=execution.instrument_id,
            true_at=true_at,
            booked_at=execution.at,
            quantity=execution.quantity,
            at=now,
        )
        for execution, true_at in late
    )
    if late:
        logger.warning("late_for_frozen_period", executions=len(late), instruments=sorted(frozen))
    return booked, len(late)


def _columns(firsts: dict[_Key, Execution]) -> list[str]:
    keys, places = zip(*firsts, strict=True), zip(*(first.place for first in firsts.values()), strict=True)
    return [array(column) for column in (*keys, *places)]


_KEYS = (
    "unnest(%s::bigint[], %s::int[], %s::timestamptz[], %s::int[], %s::bigint[])"
    " AS k(account, instrument, at, origin, id)"
)


def _standings_before(firsts: dict[_Key, Execution]) -> dict[_Key, Standing]:
    """The position of each key before its first new execution; absent where there was none."""
    rows = fetch(
        f"""
        SELECT k.account, k.instrument, p.position, p.cost, p.realised, p.fees FROM {_KEYS}
        CROSS JOIN LATERAL (
            SELECT * FROM history_positionpoint p
            WHERE p.account_id = k.account AND p.instrument_id = k.instrument AND p.at <= k.at
              AND (p.at, p.origin, p.execution_id) < (k.at, k.origin, k.id)
            ORDER BY p.at DESC, p.origin DESC, p.execution_id DESC LIMIT 1) p""",  # noqa: S608
        _columns(firsts),
    )
    return {(row[0], row[1]): Standing(*row[2:]) for row in rows}


def _points_after(firsts: dict[_Key, Execution]) -> dict[_Key, list[tuple[int, Execution]]]:
    """What is in the history behind the first new execution of each key: (id of the point, execution)."""
    rows = fetch(
        f"""
        SELECT p.id, p.at, p.origin, p.execution_id, p.account_id, p.instrument_id, p.quantity, p.price,
               p.fee, p.true_at
        FROM {_KEYS} JOIN history_positionpoint p
            ON p.account_id = k.account AND p.instrument_id = k.instrument AND p.at >= k.at
            AND (p.at, p.origin, p.execution_id) > (k.at, k.origin, k.id)""",  # noqa: S608
        _columns(firsts),
    )
    found: dict[_Key, list[tuple[int, Execution]]] = defaultdict(list)
    for number, *values in rows:
        execution = Execution(*values)
        found[execution.account_id, execution.instrument_id].append((number, execution))
    return found


def _move_points(changed: Iterable[tuple[int, Standing]]) -> None:
    """Store the positions of points that were there before."""
    for part in _parts(list(changed)):
        execute(
            "UPDATE history_positionpoint p SET position = n.position, cost = n.cost,"
            " realised = n.realised, fees = n.fees"
            " FROM unnest(%s::bigint[], %s::numeric[], %s::numeric[], %s::numeric[], %s::numeric[])"
            " AS n(id, position, cost, realised, fees) WHERE p.id = n.id",
            [
                array(number for number, _standing in part),
                *_standing_columns([each for _number, each in part]),
            ],
        )


def _move_live_positions(last: dict[_Key, tuple[Execution, Standing]], added: dict[_Key, int]) -> None:
    """The last point of each key is its position now."""
    execute(
        """
        INSERT INTO history_liveposition
            (account_id, instrument_id, at, executions, position, cost, realised, fees)
        SELECT * FROM unnest(%s::bigint[], %s::int[], %s::timestamptz[], %s::bigint[],
                             %s::numeric[], %s::numeric[], %s::numeric[], %s::numeric[])
        ON CONFLICT (account_id, instrument_id) DO UPDATE SET
            at = excluded.at, executions = history_liveposition.executions + excluded.executions,
            position = excluded.position, cost = excluded.cost, realised = excluded.realised,
            fees = excluded.fees""",
        [
            array(account for account, _instrument in last),
            array(instrument for _account, instrument in last),
            array(execution.at for execution, _standing in last.values()),
            array(added[key] for key in last),
            *_standing_columns([standing for _execution, standing in last.values()]),
        ],
    )


def _standing_columns(standings: Sequence[Standing]) -> list[str]:
    names = ("quantity", "cost", "realised", "fees")
    return [array(getattr(standing, name) for standing in standings) for name in names]


def _parts(rows: list[tuple[int, Standing]], size: int = 10_000) -> Iterator[list[tuple[int, Standing]]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))
