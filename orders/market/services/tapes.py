"""Locks of tapes: one follower of an instrument at a time, none while an alert is being placed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from orders.models import event_id
from tradeplatform.common.db import execute, fetch, require_transaction

# Events of one book in one transaction: some ten thousand trades at most.
STEP = 50_000

_MAKE = (
    "INSERT INTO marketdata_tape (instrument_id, book_seq) SELECT number, 0 FROM ({}) AS wanted(number)"
    " WHERE NOT EXISTS (SELECT 1 FROM marketdata_tape WHERE instrument_id = number)"
    " ORDER BY number ON CONFLICT DO NOTHING"
)


@dataclass(frozen=True, slots=True)
class Step:
    """The next events of a book that its tape has not seen: ids above `after`, up to `until`.

    Times never run backwards along seq, so none of them is before `since` (None: nothing was seen yet).
    """

    instrument_id: int
    after: int
    until: int
    since: datetime | None


def lock_steps() -> list[Step]:
    """What there is to follow of each book, its tape locked until the transaction ends, in id order."""
    require_transaction()
    execute(_MAKE.format("SELECT instrument_id FROM orders_book WHERE seq > 0"))
    rows = fetch(
        "SELECT tape.instrument_id, tape.book_seq, least(book.seq, tape.book_seq + %s), tape.book_at"
        " FROM marketdata_tape tape JOIN orders_book book USING (instrument_id)"
        " WHERE book.seq > tape.book_seq ORDER BY tape.instrument_id FOR NO KEY UPDATE OF tape",
        [STEP],
    )
    return [
        Step(number, event_id(number, seen), event_id(number, until), since)
        for number, seen, until, since in rows
    ]


def advance(steps: Sequence[Step]) -> None:
    """Note that these steps have been taken; their tapes are locked."""
    execute(
        """
        UPDATE marketdata_tape tape SET book_seq = step.until - (step.number::bigint << 40),
            book_at = coalesce((SELECT at FROM orders_trade WHERE instrument_id = step.number
                AND id > step.after AND id <= step.until AND at >= %s ORDER BY id DESC LIMIT 1), tape.book_at)
        FROM unnest(%s::int[], %s::bigint[], %s::bigint[]) AS step(number, after, until)
        WHERE tape.instrument_id = step.number""",
        [earliest(steps), *columns(steps)],
    )


def share_tape(instrument_id: int) -> None:
    """Keep followers from the instrument until the transaction ends; others who share may come."""
    require_transaction()
    execute(_MAKE.format("SELECT %s::int"), [instrument_id])
    fetch("SELECT 1 FROM marketdata_tape WHERE instrument_id = %s FOR SHARE", [instrument_id])


def columns(steps: Sequence[Step]) -> list[list[int]]:
    """Instruments, and the ids they begin after and end with: for `unnest`."""
    return [
        [step.instrument_id for step in steps],
        [step.after for step in steps],
        [step.until for step in steps],
    ]


def earliest(steps: Sequence[Step]) -> str | datetime:
    """No trade of the steps is older: older partitions are left out."""
    since = [step.since for step in steps if step.since is not None]
    return min(since) if len(since) == len(steps) else "-infinity"
