"""What must hold of positions over time: the trade store makes them, and the frozen past stays."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from orders.history.building import Execution
from orders.history.executions import OF_INSTRUMENT
from orders.history.services.appending import POINT_COLUMNS
from orders.history.services.freezing import FINGERPRINT
from orders.history.services.regenerating import replay
from tradeplatform.common.invariants import invariant, read, rows_of, sql_invariant

_STORED = (
    f"SELECT {', '.join(POINT_COLUMNS)} FROM history_positionpoint"  # noqa: S608 - our own words
    " WHERE instrument_id = %(instrument)s ORDER BY account_id, at, origin, execution_id"
)


@invariant("iQ3-points", "Every position over time is what the trade store regenerates, point by point")
def _regenerated() -> tuple[int, Sequence[dict[str, Any]]]:
    examined, breaches = 0, []
    for (number,) in rows_of("SELECT instrument_id FROM history_timeline ORDER BY 1", {}):
        scope = {"instrument": number, "account": None}
        wanted = replay(Execution(*row) for row in rows_of(OF_INSTRUMENT, scope))
        for must, is_ in zip_longest(wanted, rows_of(_STORED, scope)):
            examined += 1
            if must != is_:
                breaches.append({"instrument": number, "stored": _said(is_), "regenerated": _said(must)})
                break
    return examined, breaches[:10]


sql_invariant(
    "iQ3-live",
    "Every live position is its last point, and counts its points",
    examined="SELECT count(*) FROM history_liveposition",
    breaches="""
        SELECT coalesce(l.account_id, p.account_id) AS account,
               coalesce(l.instrument_id, p.instrument_id) AS instrument, l.position AS live, p.position
        FROM history_liveposition l FULL JOIN (
            SELECT DISTINCT ON (account_id, instrument_id) *,
                   count(*) OVER (PARTITION BY account_id, instrument_id) AS executions
            FROM history_positionpoint
            ORDER BY account_id, instrument_id, at DESC, origin DESC, execution_id DESC) p
            ON p.account_id = l.account_id AND p.instrument_id = l.instrument_id
        WHERE (l.position, l.cost, l.realised, l.fees, l.at, l.executions)
            IS DISTINCT FROM (p.position, p.cost, p.realised, p.fees, p.at, p.executions)""",
)

sql_invariant(
    "iQ3-sum",
    "Along each position cost - realised is the sum of quantity x price; what our books traded sums to zero",
    examined="SELECT count(*) FROM history_liveposition",
    breaches="""
        SELECT l.instrument_id AS instrument, l.account_id AS account, l.cost - l.realised AS kept, p.paid
        FROM history_liveposition l LEFT JOIN (
            SELECT account_id, instrument_id, sum(quantity * price) AS paid FROM history_positionpoint
            GROUP BY account_id, instrument_id) p USING (account_id, instrument_id)
        WHERE l.cost - l.realised IS DISTINCT FROM p.paid
        UNION ALL
        SELECT instrument_id, NULL, NULL, sum(quantity) FROM history_positionpoint WHERE origin = 1
        GROUP BY instrument_id HAVING sum(quantity) <> 0""",
)

sql_invariant(
    "iH1",
    "Every external trade has its forever identity, and every identity its trade",
    examined="SELECT count(*) FROM history_externaltradeidentity",
    breaches="""
        SELECT coalesce(t.id, i.trade_id) AS trade FROM history_externaltrade t
        FULL JOIN history_externaltradeidentity i ON i.trade_id = t.id
        WHERE t.id IS NULL OR (t.at, t.source, t.external_id)
            IS DISTINCT FROM (i.trade_at, i.source, i.external_id)""",
)


@invariant("iH2", "The points of every frozen period are those that were there when it was frozen")
def _frozen() -> tuple[int, Sequence[dict[str, Any]]]:
    periods = read(
        "SELECT id, instrument_id, until, points, fingerprint FROM history_frozenperiod ORDER BY id"
    )
    breaches = []
    for period in periods:
        scope = {"instrument": period["instrument_id"], "until": period["until"]}
        (found,) = rows_of(FINGERPRINT, scope)
        if found != (period["points"], period["fingerprint"]):
            breaches.append({"period": period["id"], "points": found[0], "frozen": period["points"]})
    return len(periods), breaches[:10]


def _said(row: tuple[Any, ...] | None) -> str:
    return "nothing" if row is None else " ".join(str(value) for value in row)
