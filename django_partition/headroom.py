"""How long every partitioned table goes on without anybody making partitions."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from django.db import connections

from django_partition.catalog import BEGINNING, END, partitioned_models
from django_partition.planning import Span, gaps

_PIECES = r"""
SELECT t.relname,
       (regexp_match(bound, 'FROM \(''([^'']+)''\)'))[1]::timestamptz,
       (regexp_match(bound, 'TO \(''([^'']+)''\)'))[1]::timestamptz
  FROM pg_class t
  JOIN pg_inherits i ON i.inhparent = t.oid
  JOIN pg_class c ON c.oid = i.inhrelid
 CROSS JOIN LATERAL pg_get_expr(c.relpartbound, c.oid) AS bound
 WHERE t.relkind = 'p' AND t.relname = ANY(%s) AND pg_table_is_visible(t.oid) AND bound <> 'DEFAULT'
"""


def headroom(now: datetime, using: str) -> dict[str, timedelta]:
    """For each table how long from now its partitions reach without a gap; zero where there is none for now.

    One statement for all tables, of the catalog alone.
    """
    pieces: dict[str, list[Span]] = {model._meta.db_table: [] for model in partitioned_models()}
    with connections[using].cursor() as cursor:
        cursor.execute(_PIECES, [list(pieces)])
        for table, lower, upper in cursor.fetchall():
            span = Span((lower or BEGINNING).astimezone(UTC), (upper or END).astimezone(UTC))
            pieces[table].append(span)
    return {table: _reach(spans, now) for table, spans in pieces.items()}


def _reach(spans: Sequence[Span], now: datetime) -> timedelta:
    return next((gap.lower for gap in gaps(spans, now, END)), END) - now
