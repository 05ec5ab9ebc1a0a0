"""Balances at any moment, and the statement of an account between two: by index, in the period's partitions.

Along a ledger account (time, id) orders its transfers, so a balance is what its last transfer before a moment
left; what happened in closed months is known from their closing balances without looking at transfers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import groupby

from accounts.models import CLIENTS, ClosedMonth, LedgerAccount, TradingAccount
from accounts.selectors import LedgerLine
from tradeplatform.common.db import fetch
from tradeplatform.common.errors import Code, Refusal

#: A statement with more lines is not a page any more: `manage.py ledger export` streams any number.
MOST_LINES = 10_000
MOST_DAYS = 366
_INSTANT = timedelta(microseconds=1)


class LedgerBrokenError(RuntimeError):
    """Lines of a ledger account do not lead from its balance before to its balance after them."""


@dataclass(frozen=True, slots=True)
class Period:
    """Whole days, UTC: from the first moment of `first` up to the end of `last`, both included."""

    first: date
    last: date

    @classmethod
    def of_month(cls, year: int, month: int) -> Period:
        """A calendar month."""
        first = date(year, month, 1)
        return cls(first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1))

    def __post_init__(self) -> None:
        """Raise Refusal (invalid_field) for a period that runs backwards or is longer than a year."""
        if not self.first <= self.last <= self.first + timedelta(days=MOST_DAYS - 1):
            raise Refusal(
                Code.INVALID_FIELD,
                f"The period must run forwards, and over at most {MOST_DAYS} days.",
                field="to",
            )

    @property
    def since(self) -> datetime:
        """Its first moment."""
        return datetime.combine(self.first, datetime.min.time(), UTC)

    @property
    def until(self) -> datetime:
        """The first moment after it."""
        return datetime.combine(self.last, datetime.min.time(), UTC) + timedelta(days=1)

    def __str__(self) -> str:
        return f"{self.first}" if self.first == self.last else f"{self.first} to {self.last}"


@dataclass(frozen=True, slots=True)
class Section:
    """One ledger account's part of a statement: opening + credited - debited = closing, line by line."""

    ledger_id: int
    kind: str
    asset: str
    decimals: int
    opening: Decimal
    lines: Sequence[LedgerLine]

    @property
    def credited(self) -> Decimal:
        """What came in."""
        return sum((line.amount for line in self.lines if line.amount > 0), Decimal(0))

    @property
    def debited(self) -> Decimal:
        """What went out, as a positive number."""
        return -sum((line.amount for line in self.lines if line.amount < 0), Decimal(0))

    @property
    def closing(self) -> Decimal:
        """The balance at the period's end."""
        return self.opening + self.credited - self.debited


@dataclass(frozen=True, slots=True)
class Statement:
    """All that moved on a trading account in a period, by asset; what it lent is a section of its own."""

    account: TradingAccount
    period: Period
    sections: Sequence[Section]


def balances_at(ledger_ids: Iterable[int], at: datetime) -> dict[int, Decimal]:
    """What each of these ledger accounts held at a moment, everything of that very moment included."""
    return balances_before(ledger_ids, at + _INSTANT)


def balances_before(ledger_ids: Iterable[int], moment: datetime) -> dict[int, Decimal]:
    """What each of these ledger accounts held just before a moment; zero before its first transfer."""
    since, month = _after_closings(moment)
    rows = fetch(
        """
        SELECT la.id, coalesce(last.after, closed.closing, 0)
        FROM unnest(%(ids)s::bigint[]) AS la(id)
        LEFT JOIN LATERAL (
            SELECT after FROM (
                (SELECT at, id, debit_balance_after AS after FROM accounts_transfer
                 WHERE debit_id = la.id AND at >= %(since)s AND at < %(moment)s
                 ORDER BY at DESC, id DESC LIMIT 1)
                UNION ALL
                (SELECT at, id, credit_balance_after FROM accounts_transfer
                 WHERE credit_id = la.id AND at >= %(since)s AND at < %(moment)s
                 ORDER BY at DESC, id DESC LIMIT 1)) sides
            ORDER BY at DESC, id DESC LIMIT 1) last ON true
        LEFT JOIN LATERAL (
            SELECT closing FROM accounts_closingbalance c WHERE c.ledger_id = la.id AND c.month < %(month)s
            ORDER BY c.month DESC LIMIT 1) closed ON true
        """,
        {"ids": list(ledger_ids), "since": since, "moment": moment, "month": month},
    )
    return dict(rows)


def statement_of(
    account: TradingAccount, period: Period, *, most_lines: int | None = MOST_LINES
) -> Statement:
    """The account's statement. It re-adds to the ledger, or raises LedgerBrokenError.

    Raises Refusal: statement_too_long. Read at one moment: open a snapshot around it while money moves.
    """
    ledgers = list(
        LedgerAccount.objects.filter(account=account, kind__in=CLIENTS)
        .select_related("asset")
        .order_by("asset__code", "kind")
    )
    openings = balances_before([ledger.pk for ledger in ledgers], period.since)
    lines = _lines([ledger.pk for ledger in ledgers], period, most_lines)
    sections = [
        Section(
            ledger.pk,
            ledger.kind,
            ledger.asset.code,
            ledger.asset.decimals,
            openings[ledger.pk],
            lines.get(ledger.pk, []),
        )
        for ledger in ledgers
        if ledger.pk in lines or openings[ledger.pk]
    ]
    for section in sections:
        _check(section)
    return Statement(account, period, sections)


def _after_closings(moment: datetime) -> tuple[datetime, date]:
    """From when on transfers must be looked at for a balance before `moment`, and the month of that."""
    this = moment.astimezone(UTC).date().replace(day=1)
    last = ClosedMonth.objects.order_by("-month").values_list("month", flat=True).first()
    if last is None:
        return datetime.min.replace(tzinfo=UTC), date.min
    month = min(this, (last + timedelta(days=31)).replace(day=1))
    return datetime(month.year, month.month, 1, tzinfo=UTC), month


def _lines(
    ledger_ids: Sequence[int], period: Period, most_lines: int | None
) -> Mapping[int, list[LedgerLine]]:
    """The lines of each ledger account in order, read from both sides by index."""
    rows = fetch(
        """
        SELECT la.id, t.id, t.at, t.kind, a.code, a.decimals,
               CASE WHEN t.credit_id = la.id THEN t.amount ELSE -t.amount END,
               CASE WHEN t.credit_id = la.id THEN t.credit_balance_after ELSE t.debit_balance_after END,
               CASE WHEN t.debit_id = la.id THEN t.order_id END, t.trade_id, t.reason
        FROM accounts_ledgeraccount la
        JOIN instruments_asset a ON a.id = la.asset_id
        CROSS JOIN LATERAL (
            (SELECT * FROM accounts_transfer WHERE debit_id = la.id AND at >= %(since)s AND at < %(until)s
             ORDER BY at, id LIMIT %(rows)s)
            UNION ALL
            (SELECT * FROM accounts_transfer WHERE credit_id = la.id AND at >= %(since)s AND at < %(until)s
             ORDER BY at, id LIMIT %(rows)s)
        ) t
        WHERE la.id = ANY(%(ids)s)
        ORDER BY la.id, t.at, t.id LIMIT %(rows)s
        """,
        {
            "ids": list(ledger_ids),
            "since": period.since,
            "until": period.until,
            "rows": None if most_lines is None else most_lines + 1,
        },
    )
    if most_lines is not None and len(rows) > most_lines:
        raise Refusal(
            Code.STATEMENT_TOO_LONG,
            f"There are more than {most_lines} lines: ask for a shorter period.",
            most=most_lines,
        )
    return {
        ledger_id: [LedgerLine(*row[1:]) for row in group]
        for ledger_id, group in groupby(rows, key=lambda row: row[0])
    }


def _check(section: Section) -> None:
    balance = section.opening
    for line in section.lines:
        balance += line.amount
        if balance != line.balance_after:
            raise LedgerBrokenError(
                f"ledger account {section.ledger_id}, transfer {line.transfer_id}: "
                f"{balance} by its lines, {line.balance_after} by itself"
            )
