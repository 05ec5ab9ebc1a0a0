"""Locks of instruments' histories: one writer of its points at a time, none while a period freezes."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from orders.history.models import Timeline
from tradeplatform.common.db import execute, fetch, require_transaction

_FREEZING = "history.freezing"


def lock_timelines(instrument_ids: Collection[int]) -> dict[int, Timeline]:
    """The timelines of these instruments, locked in id order until the transaction ends; made if missing.

    Until then no period is frozen either.
    """
    require_transaction()
    ids = sorted(set(instrument_ids))
    execute("SELECT pg_advisory_xact_lock_shared(hashtext(%s))", [_FREEZING])
    execute(
        "INSERT INTO history_timeline (instrument_id, book_seq)"
        " SELECT number, 0 FROM unnest(%s::int[]) AS number ORDER BY number ON CONFLICT DO NOTHING",
        [ids],
    )
    locked = Timeline.objects.select_for_update(no_key=True).filter(pk__in=ids).order_by("pk")
    return {timeline.pk: timeline for timeline in locked}


def lock_freezing() -> None:
    """Wait for whoever holds a timeline, and keep everybody from taking one, until the transaction ends."""
    require_transaction()
    execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [_FREEZING])


def frozen_until(instrument_ids: Collection[int]) -> dict[int, datetime]:
    """Where the frozen past of each instrument ends (exclusive); those that have none are absent."""
    rows = fetch(
        "SELECT number, max(f.until) FROM unnest(%s::int[]) AS number"
        " JOIN history_frozenperiod f ON f.instrument_id = number OR f.instrument_id IS NULL"
        " GROUP BY number",
        [sorted(set(instrument_ids))],
    )
    return dict(rows)
