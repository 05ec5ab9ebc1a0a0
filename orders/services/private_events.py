"""Number accounts' private events, behind the drain and the desk, which do nothing for it.

Only accounts whose owners asked are numbered: the rest costs one look at each book that has moved. A number
once given stays with its fact, so whoever gives numbers does so alone (a lock of the database), and what is
left to do is found by state: a book's seq, the last transfer of a ledger account, the deals of an account.
Each of these has one writer at a time, so none is passed over that commits late.

Orders and fills are numbered one by one, of a balance only the newest: the ledger has the lines between.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import transaction

from orders.models import EventKind, PrivateKind, PrivateStream, event_id
from orders.private_selectors import private_range, require_number
from tradeplatform.common.db import copy_rows, execute, fetch, run_alone

# Events of one book in one transaction.
STEP = 20_000
_COLUMNS = ("at", "account_id", "number", "kind", "source_id", "source_at", "order_id")


class _Step(NamedTuple):
    """A book that has moved to `seq`: up to `seen`, at `at`, it was looked at; now up to `until`."""

    instrument_id: int
    seen: int
    until: int
    seq: int
    at: datetime | None


class _Fact(NamedTuple):
    account_id: int
    kind: PrivateKind
    source_id: int
    source_at: datetime
    order_id: int = 0


def number(account_ids: Collection[int] = (), *, now: datetime) -> int:
    """Number what has happened in the books, and in the money of these accounts; returns how many events.

    Afterwards everything that was committed before the call is numbered. A stream is opened for each of the
    accounts that has none: its first event is the next that happens.
    """
    total = 0
    while True:
        with transaction.atomic():
            run_alone("private events")
            steps = _steps()
            facts = _of_books(steps)
            _advance(steps)
            complete = all(step.until == step.seq for step in steps)
            if complete and account_ids:
                _open(account_ids, now)
                facts += [*_of_ledgers(account_ids), *_of_deals(account_ids)]
            _give_numbers(facts, now)
        total += len(facts)
        if complete:
            return total


def begin(account_id: int, after: int | None, *, now: datetime) -> int:
    """The number to read on after: `after`, or None for what happens from now on; opens the stream.

    Raises Refusal event_number_out_of_range.
    """
    number([account_id], now=now)
    if after is None:
        return private_range(account_id)[1]
    require_number(account_id, after)
    return after


def _steps() -> list[_Step]:
    rows = fetch(
        """
        SELECT book.instrument_id, seen.seq, least(book.seq, seen.seq + %s), book.seq, tape.book_at
        FROM orders_book book LEFT JOIN orders_privatetape tape USING (instrument_id)
        CROSS JOIN LATERAL (SELECT coalesce(tape.book_seq, 0) AS seq) seen
        WHERE book.seq > seen.seq ORDER BY book.instrument_id""",
        [STEP],
    )
    steps = [_Step(*row) for row in rows]
    if PrivateStream.objects.exists():
        return steps
    # Nobody has asked for anything: what is past need not be looked at.
    return [step._replace(seen=step.seq, until=step.seq) for step in steps]


def _of_books(steps: Sequence[_Step]) -> list[_Fact]:
    """The events that concern an order of an account with a stream; a trade is a fill of both sides."""
    ahead = [step for step in steps if step.seen < step.until]
    if not ahead:
        return []
    rows = fetch(
        """
        SELECT s.account_id, e.kind, e.id, e.at, side.order_id
        FROM unnest(%(afters)s::bigint[], %(untils)s::bigint[], %(since)s::timestamptz[])
            AS step(after, until, since)
        JOIN orders_event e ON e.id > step.after AND e.id <= step.until
            AND e.at >= coalesce(step.since, '-infinity')
        CROSS JOIN LATERAL (VALUES (e.account_id, e.order_id), (e.maker_account_id, e.maker_order_id))
            AS side(account_id, order_id)
        JOIN orders_privatestream s ON s.account_id = side.account_id
        WHERE side.order_id > 0 ORDER BY e.at, e.id""",
        {
            "afters": [event_id(step.instrument_id, step.seen) for step in ahead],
            "untils": [event_id(step.instrument_id, step.until) for step in ahead],
            "since": [step.at for step in ahead],
        },
    )
    return [
        _Fact(account, PrivateKind.FILL if kind == EventKind.TRADE else PrivateKind.ORDER, source, at, order)
        for account, kind, source, at, order in rows
    ]


def _advance(steps: Sequence[_Step]) -> None:
    if steps:
        execute(
            "INSERT INTO orders_privatetape AS tape (instrument_id, book_seq, book_at)"
            " SELECT step.number, step.until, (SELECT e.at FROM orders_event e WHERE e.id = step.event"
            " AND e.at >= coalesce(step.since, '-infinity'))"
            " FROM unnest(%s::int[], %s::bigint[], %s::bigint[], %s::timestamptz[])"
            " AS step(number, until, event, since)"
            " ON CONFLICT (instrument_id) DO UPDATE"
            " SET book_seq = excluded.book_seq, book_at = coalesce(excluded.book_at, tape.book_at)",
            [
                [step.instrument_id for step in steps],
                [step.until for step in steps],
                [event_id(step.instrument_id, step.until) for step in steps],
                [step.at for step in steps],
            ],
        )


def _open(account_ids: Collection[int], now: datetime) -> None:
    """Begin the streams that are missing, with all that has happened so far behind them."""
    execute(
        f"""
        INSERT INTO orders_privatestream (account_id, opened_at, last, deal_id, transfers)
        SELECT wanted.id, %s, 0,
            coalesce((SELECT max(d.id) FROM accounts_deal d WHERE d.account_id = wanted.id), 0),
            coalesce((SELECT jsonb_object_agg(la.id, newest.id) FROM {_NEWEST}
                      WHERE la.account_id = wanted.id), '{{}}')
        FROM unnest(%s::bigint[]) AS wanted(id)
        WHERE NOT EXISTS (SELECT 1 FROM orders_privatestream s WHERE s.account_id = wanted.id)""",  # noqa: S608
        [now, list(set(account_ids))],
    )


# Each client's ledger account with its newest transfer, by the indexes of both sides.
_NEWEST = """accounts_ledgeraccount la CROSS JOIN LATERAL (
        SELECT both_sides.id, both_sides.at FROM (
            (SELECT t.id, t.at FROM accounts_transfer t WHERE t.debit_id = la.id
             ORDER BY t.at DESC, t.id DESC LIMIT 1)
            UNION ALL
            (SELECT t.id, t.at FROM accounts_transfer t WHERE t.credit_id = la.id
             ORDER BY t.at DESC, t.id DESC LIMIT 1)
        ) both_sides ORDER BY both_sides.id DESC LIMIT 1
    ) newest"""


def _of_ledgers(account_ids: Collection[int]) -> list[_Fact]:
    """The newest transfer of each ledger account that moved; noted as looked at."""
    rows = fetch(
        f"""
        SELECT s.account_id, la.id, newest.id, newest.at FROM {_NEWEST}
        JOIN orders_privatestream s ON s.account_id = la.account_id
        WHERE s.account_id = ANY(%s) AND la.kind = 'client'
          AND newest.id > coalesce((s.transfers ->> la.id::text)::bigint, 0) ORDER BY newest.id""",  # noqa: S608
        [list(account_ids)],
    )
    if rows:
        execute(
            "UPDATE orders_privatestream s SET transfers = s.transfers || moved.marks FROM ("
            " SELECT account_id, jsonb_object_agg(ledger, transfer) AS marks"
            " FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[]) AS m(account_id, ledger, transfer)"
            " GROUP BY account_id) moved WHERE s.account_id = moved.account_id",
            [[row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows]],
        )
    return [_Fact(account, PrivateKind.BALANCE, source, at) for account, _ledger, source, at in rows]


def _of_deals(account_ids: Collection[int]) -> list[_Fact]:
    """The deals since the last; an account's are written under the lock of its row, so in order of ids."""
    rows = fetch(
        "SELECT d.account_id, d.id, d.at FROM orders_privatestream s"
        " JOIN accounts_deal d ON d.account_id = s.account_id AND d.id > s.deal_id"
        " WHERE s.account_id = ANY(%s) ORDER BY d.id",
        [list(account_ids)],
    )
    if rows:
        execute(
            "UPDATE orders_privatestream s SET deal_id = newest.id FROM ("
            " SELECT account_id, max(deal) AS id"
            " FROM unnest(%s::bigint[], %s::bigint[]) AS m(account_id, deal)"
            " GROUP BY account_id) newest WHERE s.account_id = newest.account_id",
            [[row[0] for row in rows], [row[1] for row in rows]],
        )
    return [_Fact(account, PrivateKind.DEAL, source, at) for account, source, at in rows]


def _give_numbers(facts: Sequence[_Fact], now: datetime) -> None:
    if not facts:
        return
    accounts = {fact.account_id for fact in facts}
    last = dict(PrivateStream.objects.filter(account_id__in=accounts).values_list("account_id", "last"))
    copy_rows("orders_privateevent", _COLUMNS, _rows(facts, last, now))
    execute(
        "UPDATE orders_privatestream s SET last = n.last"
        " FROM unnest(%s::bigint[], %s::bigint[]) AS n(account_id, last) WHERE s.account_id = n.account_id",
        [list(last), list(last.values())],
    )


def _rows(facts: Iterable[_Fact], last: dict[int, int], now: datetime) -> Iterable[tuple[object, ...]]:
    for fact in facts:
        last[fact.account_id] += 1
        yield (
            now, fact.account_id, last[fact.account_id], fact.kind.value, fact.source_id, fact.source_at,
            fact.order_id,
        )  # fmt: skip
