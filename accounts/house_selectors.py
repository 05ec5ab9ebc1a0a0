"""What the house earned in a period, book by book, read from the ledger itself.

A *book* is where the money was earned: on the exchange (fees of trades, with what rounding left), with the
dealing desk (the other side of clients' leveraged positions, their swap and commission, and what was paid for
clients who could not), or neither (adjustments, credit, bonus, write-offs). It is about our own money: what
came in from outside for clients, and what clients moved among themselves, is in none.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from accounts.models import LedgerKind
from accounts.statement_selectors import Period
from instruments.models import Realm
from tradeplatform.common.db import fetch

#: The ledger accounts whose money is the house's own.
OWN = (
    LedgerKind.FEE, LedgerKind.ROUNDING, LedgerKind.HOUSE, LedgerKind.DEALING, LedgerKind.PROTECTION,
    LedgerKind.LP, LedgerKind.SUSPENSE,
)  # fmt: skip
COLUMNS: tuple[str, ...] = (
    "book", "asset", "fees", "commission", "pnl", "swap", "protection", "other", "net",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class HouseResult:
    """Of one book in one asset, as the house sees it: below zero it paid. `net` is their sum."""

    book: str
    asset: str
    fees: Decimal
    commission: Decimal
    pnl: Decimal
    swap: Decimal
    protection: Decimal
    other: Decimal

    def cells(self) -> tuple[str | int | Decimal, ...]:
        """In the order of COLUMNS."""
        return (self.book, self.asset, *(getattr(self, name) for name in COLUMNS[2:]))

    @property
    def net(self) -> Decimal:
        """All of it together: how much more the house owns."""
        return sum((getattr(self, name) for name in COLUMNS[2:-1]), Decimal(0))


# A correction belongs where what it corrects does, through any number of corrections of corrections.
_RESULTS = """
    WITH RECURSIVE own AS (
        SELECT id, asset_id FROM accounts_ledgeraccount WHERE kind = ANY(%(own)s) AND realm = %(realm)s
    ), moved AS (
        SELECT t.id, t.kind, t.corrects_id, own.asset_id, t.amount
        FROM own JOIN accounts_transfer t
            ON t.credit_id = own.id AND t.at >= %(since)s AND t.at < %(until)s
        UNION ALL
        SELECT t.id, t.kind, t.corrects_id, own.asset_id, -t.amount
        FROM own JOIN accounts_transfer t
            ON t.debit_id = own.id AND t.at >= %(since)s AND t.at < %(until)s
    ), origin AS (
        SELECT DISTINCT id, kind, corrects_id FROM moved WHERE corrects_id IS NOT NULL
        UNION
        SELECT origin.id, t.kind, t.corrects_id
        FROM origin JOIN accounts_transfer t ON t.id = origin.corrects_id AND t.at < %(until)s
    ), sorted AS (
        SELECT coalesce(origin.kind, moved.kind) AS kind, moved.asset_id, moved.amount
        FROM moved LEFT JOIN origin ON origin.id = moved.id AND origin.corrects_id IS NULL
    )
    SELECT CASE WHEN kind IN ('fee', 'rounding') THEN 'exchange'
                WHEN kind IN ('deal_pnl', 'swap', 'commission', 'protection') THEN 'dealing'
                ELSE 'other' END AS book,
           a.code,
           coalesce(sum(amount) FILTER (WHERE kind IN ('fee', 'rounding')), 0),
           coalesce(sum(amount) FILTER (WHERE kind = 'commission'), 0),
           coalesce(sum(amount) FILTER (WHERE kind = 'deal_pnl'), 0),
           coalesce(sum(amount) FILTER (WHERE kind = 'swap'), 0),
           coalesce(sum(amount) FILTER (WHERE kind = 'protection'), 0),
           coalesce(sum(amount) FILTER (WHERE kind NOT IN
               ('fee', 'commission', 'deal_pnl', 'swap', 'protection', 'rounding')), 0)
    FROM sorted JOIN instruments_asset a ON a.id = sorted.asset_id
    GROUP BY 1, 2 ORDER BY 1, 2
"""


def house_results(period: Period, realm: Realm = Realm.LIVE) -> list[HouseResult]:
    """Every book in which our money of a realm moved, by asset; by the indexes of our own accounts."""
    own = [kind.value for kind in OWN]
    rows = fetch(_RESULTS, {"own": own, "realm": realm, "since": period.since, "until": period.until})
    return [HouseResult(*row) for row in rows]
