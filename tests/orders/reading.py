"""How much a statement reads, as the server counts it."""

from __future__ import annotations

from tradeplatform.common.db import fetch


def rows_read(table: str) -> int:
    """Of a table and its partitions, in this transaction."""
    (count,) = fetch(
        "SELECT coalesce(sum(seq_tup_read + idx_tup_fetch), 0)::int FROM pg_stat_xact_user_tables"
        " WHERE relname LIKE %s",
        [f"{table}%"],
    )[0]
    return int(count)
