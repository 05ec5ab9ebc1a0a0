"""Bring the fills of our own books into the history, behind the drain, which does nothing for it.

What waits is found by state: a book's seq against how far its timeline has come. Both have one writer each
and are moved in the transaction that writes what they count: no fill is passed over, none is taken twice.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from orders.history.executions import FILLS_AFTER, executions_from
from orders.history.models import Timeline
from orders.history.services.appending import append
from orders.history.services.timelines import lock_timelines
from orders.models import Book, event_id
from tradeplatform.common.db import fetch

BATCH = 5_000  # trades


def follow_books(*, now: datetime) -> int:
    """Follow every book that is ahead of its timeline; how many fills that were."""
    rows = fetch(
        "SELECT b.instrument_id FROM orders_book b LEFT JOIN history_timeline t USING (instrument_id)"
        " WHERE b.seq > coalesce(t.book_seq, 0) ORDER BY b.instrument_id"
    )
    return sum(follow_book(row[0], now=now) for row in rows)


def follow_book(instrument_id: int, *, now: datetime) -> int:
    """Follow one book to its end, a batch in a transaction; how many fills that were."""
    total = 0
    while True:
        with transaction.atomic():
            timeline = lock_timelines([instrument_id])[instrument_id]
            fills, complete = _step(timeline, now=now)
        total += fills
        if complete:
            return total


def catch_up(timeline: Timeline, *, now: datetime) -> None:
    """Follow the book to its end inside the caller's transaction, which holds the timeline."""
    while not _step(timeline, now=now)[1]:
        pass


def _step(timeline: Timeline, *, now: datetime, batch: int = BATCH) -> tuple[int, bool]:
    """Take the next fills of a book, whole trades; how many, and whether that was all."""
    number = timeline.pk
    seq = Book.objects.filter(pk=number).values_list("seq", flat=True).first() or 0
    rows = fetch(
        FILLS_AFTER,
        {
            "after": event_id(number, timeline.book_seq),
            "until": event_id(number, seq),
            # Times never run backwards along seq: older partitions are left out.
            "since": timeline.book_at,
            "rows": 2 * batch,
        },
    )
    append(executions_from(rows), now=now)
    complete = len(rows) < 2 * batch
    timeline.book_seq = seq if complete else rows[-1][9] - event_id(number, 0)
    if rows:
        timeline.book_at = rows[-1][0]
    timeline.save(update_fields=["book_seq", "book_at"])
    return len(rows), complete
