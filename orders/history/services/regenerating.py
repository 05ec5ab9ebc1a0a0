"""Make the points of an instrument again from the trade store, and put right only what differs.

In one transaction, under the lock that appending takes: who asks meanwhile sees the old points or the new.
Run again it changes nothing.
"""

# ruff: noqa: S608 - queries are put together from the constants of this file

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, groupby
from typing import Any

from django.db import connection, transaction

from orders.history.building import Execution, build
from orders.history.executions import OF_INSTRUMENT
from orders.history.services.appending import POINT_COLUMNS, point_row
from orders.history.services.following import catch_up, follow_deals
from orders.history.services.timelines import lock_timelines
from tradeplatform.common.db import copy_rows, execute, fetch

_CHUNK = 10_000
_SAME = (
    "p.account_id = r.account_id AND p.at = r.at AND p.origin = r.origin AND p.execution_id = r.execution_id"
)
_VALUES = ("quantity", "price", "fee", "true_at", "position", "cost", "realised", "fees")
_EQUAL = " AND ".join(f"p.{name} IS NOT DISTINCT FROM r.{name}" for name in _VALUES)
_NAMES = ", ".join(POINT_COLUMNS)


@dataclass(frozen=True, slots=True)
class Regenerated:
    """How many points there are; how many were wrong or too many, and how many were missing or wrong."""

    points: int
    removed: int
    added: int


def regenerate(
    *, instrument_id: int, account_id: int | None, now: datetime, dry_run: bool = False
) -> Regenerated:
    """Replay the trade store of an instrument, of one account or of all."""
    scope = {"instrument": instrument_id, "account": account_id}
    with transaction.atomic():
        follow_deals(now=now)
        catch_up(lock_timelines([instrument_id])[instrument_id], now=now)
        execute("CREATE TEMPORARY TABLE regenerated (LIKE history_positionpoint) ON COMMIT DROP")
        execute("ALTER TABLE regenerated DROP COLUMN id")
        points = 0
        for rows in _replayed(scope):
            copy_rows("regenerated", POINT_COLUMNS, rows)
            points += len(rows)
        execute("ANALYZE regenerated")
        removed, added = _put_right(scope)
        execute("DROP TABLE regenerated")
        if dry_run:
            transaction.set_rollback(True)
    return Regenerated(points, removed, added)


def replay(executions: Iterator[Execution]) -> Iterator[tuple[Any, ...]]:
    """Points as they must be, from executions that come account by account in the order of time."""
    for (_account, instrument), own in groupby(
        executions, lambda each: (each.account_id, each.instrument_id)
    ):
        for execution, standing in build(instrument, own):
            yield point_row(execution, standing)


def _replayed(scope: dict[str, int | None]) -> Iterator[list[tuple[Any, ...]]]:
    """All points of the scope in pieces; no more than a piece of either side is in memory."""
    with connection.chunked_cursor() as cursor:
        cursor.execute(OF_INSTRUMENT, scope)
        pieces = iter(lambda: cursor.fetchmany(_CHUNK), [])
        rows = replay(Execution(*row) for row in chain.from_iterable(pieces))
        while piece := [row for _, row in zip(range(_CHUNK), rows, strict=False)]:
            yield piece


def _put_right(scope: dict[str, int | None]) -> tuple[int, int]:
    """Remove points that should not be so, add what is missing, and let the live positions follow."""
    within = "instrument_id = %(instrument)s AND (%(account)s::bigint IS NULL OR account_id = %(account)s)"
    (removed,) = fetch(
        f"""
        WITH gone AS (
            DELETE FROM history_positionpoint p WHERE p.{within.replace("account_id", "p.account_id")}
            AND NOT EXISTS (SELECT 1 FROM regenerated r WHERE {_SAME} AND {_EQUAL}) RETURNING 1)
        SELECT count(*) FROM gone""",
        scope,
    )[0]
    (added,) = fetch(
        f"""
        WITH new AS (
            INSERT INTO history_positionpoint ({_NAMES}) SELECT {_NAMES} FROM regenerated r
            WHERE NOT EXISTS (SELECT 1 FROM history_positionpoint p
                              WHERE p.instrument_id = r.instrument_id AND {_SAME}) RETURNING 1)
        SELECT count(*) FROM new""",
        scope,
    )[0]
    fetch(
        f"""
        WITH last AS (
            SELECT DISTINCT ON (account_id) *, count(*) OVER (PARTITION BY account_id) AS executions
            FROM regenerated ORDER BY account_id, at DESC, origin DESC, execution_id DESC
        ), gone AS (
            DELETE FROM history_liveposition
            WHERE {within} AND account_id NOT IN (SELECT account_id FROM last)
        )
        INSERT INTO history_liveposition
            (account_id, instrument_id, at, executions, position, cost, realised, fees)
        SELECT account_id, instrument_id, at, executions, position, cost, realised, fees FROM last
        ON CONFLICT (account_id, instrument_id) DO UPDATE SET
            at = excluded.at, executions = excluded.executions, position = excluded.position,
            cost = excluded.cost, realised = excluded.realised, fees = excluded.fees RETURNING 1""",
        scope,
    )
    return removed, added
