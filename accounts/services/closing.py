"""Close months: store what each ledger account held at their ends, so that no balance is far to seek.

First every ledger account is told that its next transfer cannot be earlier than the month's end (`moved_at`,
which the ledger's only writer obeys), a few rows at a time, so that trading waits for none of it. From then
on the month cannot change, and its balances are written in one statement that the database checks by row.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from django.db import transaction

from accounts.models import ClosedMonth
from tradeplatform.common.db import execute, fetch, run_alone

#: A month is closed this long after its end: transactions of its last moments have ended by then.
GRACE = timedelta(hours=1)
_ROWS_AT_ONCE = 1_000

_CLOSE = """
    INSERT INTO accounts_closingbalance (ledger_id, month, opening, credited, debited, closing)
    SELECT moved.ledger, %(month)s, coalesce(previous.closing, 0), moved.credited, moved.debited, last.after
    FROM (SELECT ledger, sum(credited) AS credited, sum(debited) AS debited FROM (
            SELECT credit_id AS ledger, amount AS credited, 0 AS debited FROM accounts_transfer
            WHERE at >= %(start)s AND at < %(end)s
            UNION ALL
            SELECT debit_id, 0, amount FROM accounts_transfer WHERE at >= %(start)s AND at < %(end)s
        ) legs GROUP BY ledger) moved
    LEFT JOIN LATERAL (
        SELECT closing FROM accounts_closingbalance c WHERE c.ledger_id = moved.ledger AND c.month < %(month)s
        ORDER BY c.month DESC LIMIT 1) previous ON true
    CROSS JOIN LATERAL (
        SELECT after FROM (
            (SELECT at, id, debit_balance_after AS after FROM accounts_transfer
             WHERE debit_id = moved.ledger AND at >= %(start)s AND at < %(end)s
             ORDER BY at DESC, id DESC LIMIT 1)
            UNION ALL
            (SELECT at, id, credit_balance_after FROM accounts_transfer
             WHERE credit_id = moved.ledger AND at >= %(start)s AND at < %(end)s
             ORDER BY at DESC, id DESC LIMIT 1)) sides
        ORDER BY at DESC, id DESC LIMIT 1) last"""


@dataclass(frozen=True, slots=True)
class Closed:
    """A month that was closed just now, and how many ledger accounts had moved in it."""

    month: date
    balances: int


def start_of(month: date) -> datetime:
    """The first moment of a month, UTC."""
    return datetime(month.year, month.month, 1, tzinfo=UTC)


def month_after(month: date) -> date:
    """The first day of the next month."""
    return (month.replace(day=1) + timedelta(days=32)).replace(day=1)


def months_to_close(*, now: datetime) -> list[date]:
    """The months that have ended and are not closed, oldest first; none where nothing ever moved."""
    last = ClosedMonth.objects.order_by("-month").values_list("month", flat=True).first()
    if last is None:
        ((first,),) = fetch("SELECT min(at) FROM accounts_transfer")
        if first is None:
            return []
        month = first.astimezone(UTC).date().replace(day=1)
    else:
        month = month_after(last)
    found = []
    while start_of(month_after(month)) + GRACE <= now:
        found.append(month)
        month = month_after(month)
    return found


def close_months(*, now: datetime) -> list[Closed]:
    """Close all months that have ended; run again, or twice at once, it closes nothing twice.

    Raises IntegrityError (closing_adds_up) when the month's transfers do not add up to its last balances: the
    ledger is broken, and nothing of the month is stored.
    """
    closed = (_close(month, now) for month in months_to_close(now=now))
    return [month for month in closed if month is not None]


def _close(month: date, now: datetime) -> Closed | None:
    start, end = start_of(month), start_of(month_after(month))
    _seal(end)
    with transaction.atomic():
        run_alone("accounts.close_month")
        if ClosedMonth.objects.filter(month=month).exists():
            return None
        ClosedMonth.objects.create(month=month, closed_at=now)
        return Closed(month, execute(_CLOSE, {"month": month, "start": start, "end": end}))


def _seal(end: datetime) -> None:
    """Let no ledger account move before `end` any more, and wait for whoever is moving one."""
    below = 0
    while True:
        with transaction.atomic():
            ids = [
                row[0]
                for row in fetch(
                    "SELECT id FROM accounts_ledgeraccount"
                    " WHERE id > %s AND (moved_at IS NULL OR moved_at < %s)"
                    " ORDER BY id LIMIT %s FOR NO KEY UPDATE",
                    [below, end, _ROWS_AT_ONCE],
                )
            ]
            if not ids:
                return
            execute("UPDATE accounts_ledgeraccount SET moved_at = %s WHERE id = ANY(%s)", [end, ids])
        below = ids[-1]
