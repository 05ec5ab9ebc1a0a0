"""A statement page by page: the sums of the whole period, a picture of it, and a page of its lines.

A statement as a document holds every line (statement_selectors.py). A page in the back office needs few: the
sums come from the database, the lines from a place onwards, by the index along the account. Money may move
meanwhile, so what must agree is read in one statement.
"""

# ruff: noqa: S608 - queries are put together from the constants of this file

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from typing import NamedTuple

from accounts.models import CLIENTS, LedgerAccount, TradingAccount, Transfer
from accounts.selectors import LedgerLine
from accounts.statement_selectors import LedgerBrokenError, Period, balances_before
from tradeplatform.common.db import fetch

PAGE = 100
_ZERO = Decimal(0)
_MOST_POINTS = 500

#: A moment and the balance from then on.
Point = tuple[datetime, Decimal]


class _Part(NamedTuple):
    """A part of the period: its last moment and balance, what came in, what went out, in how many lines."""

    at: datetime
    balance: Decimal
    credited: Decimal
    debited: Decimal
    lines: int


# What moved on a ledger account in the period, each side by its own index.
_MOVED = """
    SELECT at, id AS number, -amount AS amount, debit_balance_after AS balance FROM accounts_transfer
    WHERE debit_id = la.id AND at >= %(since)s AND at < %(until)s
    UNION ALL
    SELECT at, id, amount, credit_balance_after FROM accounts_transfer
    WHERE credit_id = la.id AND at >= %(since)s AND at < %(until)s"""


@dataclass(frozen=True, slots=True)
class PagedSection:
    """One ledger account's part: the sums of the period, and some of its lines; `count` is of all of them."""

    ledger_id: int
    kind: str
    asset: str
    decimals: int
    opening: Decimal
    credited: Decimal
    debited: Decimal
    closing: Decimal
    count: int
    points: Sequence[Point]
    lines: Sequence[LedgerLine]
    more: bool


def paged_statement(
    account: TradingAccount, period: Period, *, ledger_id: int | None = None, after: int | None = None
) -> list[PagedSection]:
    """All sections with their first lines, or the one section's lines that follow the transfer `after`.

    It re-adds to the ledger, sums and lines alike, or raises LedgerBrokenError.
    """
    ledgers = [
        ledger
        for ledger in LedgerAccount.objects.filter(account=account, kind__in=CLIENTS)
        .select_related("asset")
        .order_by("asset__code", "kind")
        if ledger_id in {None, ledger.pk}
    ]
    ids = [ledger.pk for ledger in ledgers]
    openings, courses = balances_before(ids, period.since), _courses(ids, period)
    lines = _lines(ids, period, after)
    sections = []
    for ledger in ledgers:
        opening = openings[ledger.pk]
        course = courses.get(ledger.pk, [])
        credited = sum((part.credited for part in course), _ZERO)
        debited = sum((part.debited for part in course), _ZERO)
        count, last = sum(part.lines for part in course), course[-1].balance if course else opening
        if opening + credited - debited != last:
            raise LedgerBrokenError(
                f"ledger account {ledger.pk}: {opening} + {credited} - {debited} is not {last}"
            )
        found = lines.get(ledger.pk, [])
        _check(ledger.pk, opening if after is None else None, found)
        if count or opening:
            sections.append(
                PagedSection(
                    ledger_id=ledger.pk,
                    kind=ledger.kind,
                    asset=ledger.asset.code,
                    decimals=ledger.asset.decimals,
                    opening=opening,
                    credited=credited,
                    debited=debited,
                    closing=last,
                    count=count,
                    points=[(part.at, part.balance) for part in course],
                    lines=found[:PAGE],
                    more=len(found) > PAGE,
                )
            )
    return sections


def _courses(ids: Sequence[int], period: Period) -> Mapping[int, list[_Part]]:
    """What moved in each of so many equal parts of the period, where anything did: read in one statement."""
    rows = fetch(
        f"""
        SELECT id, (array_agg(at ORDER BY at DESC, number DESC))[1],
               (array_agg(balance ORDER BY at DESC, number DESC))[1],
               coalesce(sum(amount) FILTER (WHERE amount > 0), 0),
               coalesce(-sum(amount) FILTER (WHERE amount < 0), 0), count(*)
        FROM (SELECT la.id, m.*, width_bucket(extract(epoch FROM m.at)::float8,
                                              %(first)s::float8, %(last)s::float8, %(parts)s) AS part
              FROM unnest(%(ids)s::bigint[]) AS la(id) CROSS JOIN LATERAL ({_MOVED}) m) parted
        GROUP BY id, part ORDER BY id, part""",
        {
            "ids": list(ids),
            "since": period.since,
            "until": period.until,
            "first": period.since.timestamp(),
            "last": period.until.timestamp(),
            "parts": _MOST_POINTS,
        },
    )
    return {
        ledger_id: [_Part(*row[1:]) for row in group]
        for ledger_id, group in groupby(rows, key=lambda row: row[0])
    }


def _lines(ids: Sequence[int], period: Period, after: int | None) -> Mapping[int, list[LedgerLine]]:
    """A page of lines of each ledger account and one more, from the start or from after a transfer."""
    at = None if after is None else Transfer.objects.filter(id=after).values_list("at", flat=True).first()
    rows = fetch(
        """
        SELECT la.id, t.id, t.at, t.kind, a.code, a.decimals,
               CASE WHEN t.credit_id = la.id THEN t.amount ELSE -t.amount END,
               CASE WHEN t.credit_id = la.id THEN t.credit_balance_after ELSE t.debit_balance_after END,
               CASE WHEN t.debit_id = la.id THEN t.order_id END, t.trade_id, t.reason
        FROM accounts_ledgeraccount la
        JOIN instruments_asset a ON a.id = la.asset_id
        CROSS JOIN LATERAL (
            SELECT * FROM (
                (SELECT * FROM accounts_transfer WHERE debit_id = la.id
                    AND at >= %(since)s AND at < %(until)s AND (at, id) > (%(at)s, %(after)s)
                 ORDER BY at, id LIMIT %(rows)s)
                UNION ALL
                (SELECT * FROM accounts_transfer WHERE credit_id = la.id
                    AND at >= %(since)s AND at < %(until)s AND (at, id) > (%(at)s, %(after)s)
                 ORDER BY at, id LIMIT %(rows)s)) sides
            ORDER BY at, id LIMIT %(rows)s
        ) t
        WHERE la.id = ANY(%(ids)s)
        ORDER BY la.id, t.at, t.id""",
        {
            "ids": list(ids),
            "since": max(period.since, at) if at else period.since,
            "until": period.until,
            "at": at or period.since,
            "after": after or 0,
            "rows": PAGE + 1,
        },
    )
    return {
        ledger_id: [LedgerLine(*row[1:]) for row in group]
        for ledger_id, group in groupby(rows, key=lambda row: row[0])
    }


def _check(ledger_id: int, opening: Decimal | None, lines: Sequence[LedgerLine]) -> None:
    """Lines lead from one balance to the next, the first of the period from its opening one."""
    balance = opening if opening is not None or not lines else lines[0].balance_after - lines[0].amount
    for line in lines:
        balance = (balance or _ZERO) + line.amount
        if balance != line.balance_after:
            raise LedgerBrokenError(
                f"ledger account {ledger_id}, transfer {line.transfer_id}: "
                f"{balance} by its lines, {line.balance_after} by itself"
            )
