"""Reading the two sides of a reconciliation: what we have with somebody, what is open, and since when."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from accounts.reconciliation.models import Break, BreakState
from accounts.statement_selectors import balances_before
from tradeplatform.common.db import fetch

#: The ages of breaks: their names, and the first day that is older.
AGES = (("0-1 days", 2), ("2-5 days", 6), ("6-30 days", 31), ("over 30 days", None))


@dataclass(frozen=True, slots=True)
class OurTransfer:
    """A transfer of a source's ledger account; `amount` as a line counts: above zero, money came to us."""

    id: int
    at: datetime
    ledger_id: int
    amount: Decimal
    kind: str
    matched: bool


@dataclass(frozen=True, slots=True)
class AgedBreaks:
    """Of one source, in one age: how many breaks are open."""

    source_id: int
    source: str
    age: str
    count: int


def held_with(ledger_ids: Iterable[int], moment: datetime) -> dict[int, Decimal]:
    """What we had with the other side of these ledger accounts just before a moment.

    What others hold for us is a debit, so it is the balance the other way round.
    """
    return {pk: -balance for pk, balance in balances_before(ledger_ids, moment).items()}


def transfers_of(source_id: int, ids: Sequence[int]) -> list[OurTransfer]:
    """Those of the transfers that touch a ledger account of the source, in the order of ids."""
    rows = fetch(
        """
        SELECT t.id, t.at, s.ledger_id, CASE WHEN t.debit_id = s.ledger_id THEN t.amount ELSE -t.amount END,
               t.kind,
               EXISTS (SELECT 1 FROM reconciliation_matchleg g WHERE g.transfer_id = t.id AND NOT g.undone)
        FROM accounts_transfer t
        JOIN reconciliation_sourceledger s
          ON s.ledger_id IN (t.debit_id, t.credit_id) AND s.source_id = %(source)s
        WHERE t.id = ANY(%(ids)s) ORDER BY t.id""",
        {"source": source_id, "ids": list(ids)},
    )
    return [OurTransfer(*row) for row in rows]


def open_by_age(*, now: datetime) -> list[AgedBreaks]:
    """How many breaks are open, by source and age; ages without any are left out."""
    cases = " ".join(f"WHEN age < {days} THEN {place}" for place, (_name, days) in enumerate(AGES) if days)
    rows = fetch(
        f"""
        SELECT s.id, s.name, CASE {cases} ELSE {len(AGES) - 1} END AS place, count(*)
        FROM (SELECT source_id, (%(now)s AT TIME ZONE 'UTC')::date
                                - (happened_at AT TIME ZONE 'UTC')::date AS age
              FROM reconciliation_break WHERE state = 'open') b
        JOIN reconciliation_statementsource s ON s.id = b.source_id
        GROUP BY s.id, s.name, place ORDER BY s.name, place""",  # noqa: S608 - put together from AGES
        {"now": now},
    )
    return [AgedBreaks(pk, name, AGES[place][0], count) for pk, name, place, count in rows]


def age_of(found: Break, *, now: datetime) -> str:
    """The name of an open break's age, by whole days of UTC."""
    days = (now.date() - found.happened_at.date()).days
    return next(name for name, end in AGES if end is None or days < end)


def unexplained(source_id: int, ledger_id: int, moment: datetime, difference: Decimal) -> Decimal:
    """What of a difference of balances the open breaks up to that moment do not come to."""
    amounts = Break.objects.filter(
        source_id=source_id, ledger_id=ledger_id, state=BreakState.OPEN, happened_at__lt=moment
    ).values_list("amount", flat=True)
    return difference - sum(amounts, Decimal(0))
