"""How far each shard is behind: its oldest waiting command and a count that stops at a bound."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tradeplatform.common.db import fetch

CAP = 1_000


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits for a shard; `waiting` above CAP means "more than CAP"."""

    waiting: int
    oldest: datetime | None


def backlogs() -> dict[int, Backlog]:
    """Every shard's backlog, read from the partial index of waiting commands."""
    rows = fetch(
        """
        SELECT s.id, w.waiting, w.oldest FROM orders_shard s CROSS JOIN LATERAL (
            SELECT count(*) AS waiting, min(at) AS oldest FROM (
                SELECT at FROM orders_command
                WHERE shard_id = s.id AND status = 'pending' ORDER BY id LIMIT %s) AS first_ones) w
        """,
        [CAP + 1],
    )
    return {shard_id: Backlog(waiting, oldest) for shard_id, waiting, oldest in rows}
