"""How rows were updated since the servers were started."""

from __future__ import annotations


def print_updates() -> None:
    """For each table its updates, the most first, and how many of them were HOT."""
    from tradeplatform.common.db import execute, fetch  # noqa: PLC0415 - needs a configured Django

    execute("SELECT pg_stat_force_next_flush()")
    rows = fetch(
        "SELECT relname, n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables"
        " WHERE n_tup_upd > 0 ORDER BY n_tup_upd DESC, relname"
    )
    for table, updates, hot in rows:
        print(f"{table:34} {updates:>10,} updates, HOT {100 * hot / updates:5.1f} %")
