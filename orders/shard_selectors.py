"""Where each shard stands: who leads it, how far it has come, what waits, and the books it holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from orders.models import Book, Shard
from tradeplatform.common.db import fetch

CAP = 1_000


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits for a shard; `waiting` above CAP means "more than CAP"."""

    waiting: int
    oldest: datetime | None

    def lag_seconds(self, now: datetime) -> float:
        """For how long the oldest has waited; 0 when nothing waits."""
        return max(0.0, (now - self.oldest).total_seconds()) if self.oldest else 0.0


@dataclass(frozen=True, slots=True)
class ShardState:
    """A shard, what waits for it, and its books by symbol."""

    shard: Shard
    backlog: Backlog
    books: Sequence[Book]


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


def shard_states() -> list[ShardState]:
    """All shards in order of their ids; there are few."""
    books: dict[int, list[Book]] = {}
    for book in Book.objects.select_related("instrument", "shard").order_by("instrument__symbol"):
        books.setdefault(book.shard_id, []).append(book)
    waiting = backlogs()
    return [
        ShardState(shard, waiting.get(shard.pk, Backlog(0, None)), books.get(shard.pk, []))
        for shard in Shard.objects.order_by("id")
    ]
