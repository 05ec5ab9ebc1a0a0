"""Bring fills and deals into the history, behind the drain and the desk, which do nothing for it.

What waits is found by state. Of fills: a book's seq against how far its timeline has come. Both have one
writer each and are moved in the transaction that writes what they count: no fill is passed over, none is
taken twice. Of deals: those that are no points yet.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from orders.history.building import Execution
from orders.history.executions import DEALS_AFTER, FILLS_AFTER, executions_from
from orders.history.models import DealsFollowed, Timeline
from orders.history.services.appending import append
from orders.history.services.timelines import lock_timelines
from orders.models import Book, event_id
from tradeplatform.common.db import fetch

BATCH = 5_000  # trades


def follow(*, now: datetime) -> int:
    """Follow every book and the deals; how many executions that were."""
    return follow_books(now=now) + follow_deals(now=now)


def follow_deals(*, now: datetime) -> int:
    """Bring in the deals that are no points yet; how many. DealsFollowed says which are settled."""
    with transaction.atomic():
        DealsFollowed.objects.bulk_create([DealsFollowed(id=1)], ignore_conflicts=True)
        followed = DealsFollowed.objects.select_for_update(no_key=True).get(id=1)
        # First the ids that were drawn, then, in a statement of its own, the transactions that may have.
        (drawn,) = fetch("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM accounts_deal_id_seq")[0]
        if followed.settled == drawn:
            return 0
        oldest, next_xid = fetch(
            "SELECT pg_snapshot_xmin(now)::text::bigint, pg_snapshot_xmax(now)::text::bigint"
            " FROM pg_current_snapshot() AS now"
        )[0]
        deals = _new_deals(followed.settled)
        append(deals, now=now)
        if followed.reached_xid <= oldest:
            followed.settled, followed.reached, followed.reached_xid = followed.reached, drawn, next_xid
            followed.save()
    return len(deals)


def _new_deals(settled: int) -> list[Execution]:
    """Deals that are no points yet, of instruments whose timelines are locked with this."""
    rows = fetch("SELECT DISTINCT instrument_id FROM accounts_deal WHERE id > %s", [settled])
    instruments = [row[0] for row in rows]
    lock_timelines(instruments)
    # What another instrument was dealt meanwhile is for the next time.
    return executions_from(fetch(DEALS_AFTER, {"settled": settled, "instruments": instruments}))


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
