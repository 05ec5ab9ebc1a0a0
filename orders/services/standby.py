"""Which of a shard's workers applies its commands, while those on other hosts stand by.

Any number of workers may be there for a shard. The one that took it last listens to its queue; the others see
its name in the shard's row, once a second, and look on: two who listened would take the shard from each other
with every wake-up, and build its books anew each time. A worker takes the shard when it starts, when the one
that had it has left it, and when commands wait and nobody has applied any for a while. All of this is about
time alone: who may write is decided by the row's lock and its epoch, with the writes.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from orders.models import Shard
from orders.services.drain import OWNER, WORKER, ShardStopped, drain_all
from tradeplatform.common.db import fetch

#: A wake-up that takes longer was lost.
WAITED_TOO_LONG = timedelta(seconds=1)
#: Whoever has the shard has applied nothing for so long although something waits: somebody else does it.
ABANDONED = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Seen:
    """A shard as one of its workers sees it."""

    shard_id: int
    #: Another worker has it.
    elsewhere: bool
    #: Whether this worker has to look after what waits.
    due: bool


def look(shard_ids: Collection[int], *, now: datetime, owner: str = OWNER) -> list[Seen]:
    """How the shards stand for the worker `owner`."""
    rows = fetch(
        f"""
        SELECT s.id, s.owner <> %s::text AND s.owner LIKE '{WORKER}%%',
               s.status = 'running' AND (waits.since < %s::timestamptz OR effect.due),
               s.status = 'running' AND (waits.since < %s::timestamptz OR effect.due)
                   AND coalesce(s.drained_at < %s::timestamptz, true)
        FROM orders_shard s
        CROSS JOIN LATERAL (
            SELECT (SELECT c.at FROM orders_command c WHERE c.shard_id = s.id AND c.status = 'pending'
                    ORDER BY c.id LIMIT 1) AS since) AS waits
        CROSS JOIN LATERAL (
            SELECT EXISTS (SELECT 1 FROM orders_killeffect e
                           WHERE e.shard_id = s.id AND e.position IS NULL) AS due) AS effect
        WHERE s.id = ANY(%s::int[]) ORDER BY s.id
        """,  # noqa: S608 - our own words
        [owner, now - WAITED_TOO_LONG, now - ABANDONED, now - ABANDONED, list(shard_ids)],
        prepared=True,
    )
    return [
        Seen(shard_id, elsewhere, bool(abandoned if elsewhere else waits))
        for shard_id, elsewhere, waits, abandoned in rows
    ]


def take(shard_ids: Collection[int]) -> None:
    """Make the shards this process's own, applying what waits on them."""
    for shard_id in shard_ids:
        try:
            drain_all(shard_id=shard_id, clock=timezone.now)
        except ShardStopped:
            continue


def leave(*, owner: str = OWNER) -> None:
    """Give up what this process has: the others need not wait until they find it abandoned."""
    Shard.objects.filter(owner=owner).update(owner="")
