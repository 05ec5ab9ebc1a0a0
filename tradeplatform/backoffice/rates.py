"""How many rows a table got each minute, without counting them.

Ids come from a sequence and rise with time, so the number of rows between two moments is the difference of
the ids there, and the id at a moment is found by halving: some thirty probes of the primary key, however many
rows there are. Ids that were drawn and never used make the figure a little too high, never too low.
"""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise

from django_partition.models import PartitionedModel
from tradeplatform.common.db import fetch


def rows_each_minute(model: type[PartitionedModel], *, end: datetime, minutes: int) -> list[int]:
    """Rows written in each of the `minutes` before `end`, oldest first."""
    policy, table = model.partitioning, model._meta.db_table
    first = end.timestamp() - minutes * 60
    # From where a partition begins, so that only whole partitions are left out and no row is skipped over.
    since = policy.period.floor(datetime.fromtimestamp(first, tz=end.tzinfo))
    rows = fetch(
        f"""
        WITH RECURSIVE search AS (
            SELECT n, %(end)s::timestamptz - make_interval(mins => n) AS edge, 0::bigint AS low,
                   (SELECT coalesce(max(id), 0) + 1 FROM {table}) AS high
            FROM generate_series(0, %(minutes)s) AS n
            UNION ALL
            SELECT n, edge,
                   CASE WHEN probe.moment < edge THEN probe.id + 1 ELSE low END,
                   CASE WHEN probe.moment < edge THEN high ELSE middle END
            FROM (SELECT n, edge, low, high, (low + high) / 2 AS middle FROM search WHERE low < high) AS s
            LEFT JOIN LATERAL (
                SELECT id, {policy.key} AS moment FROM {table}
                WHERE id >= s.middle AND {policy.key} >= %(since)s ORDER BY id LIMIT 1
            ) AS probe ON true
        )
        SELECT n, coalesce(first_row.id, (SELECT coalesce(max(id), 0) + 1 FROM {table})) FROM search
        LEFT JOIN LATERAL (
            SELECT id FROM {table} WHERE id >= low AND {policy.key} >= %(since)s ORDER BY id LIMIT 1
        ) AS first_row ON true
        WHERE low >= high ORDER BY n DESC
        """,  # noqa: S608 - names of our own tables
        {"end": end, "minutes": minutes, "since": since},
    )
    ids = [row[1] for row in rows]
    return [after - before for before, after in pairwise(ids)]
