"""Fees, volume and profit of a period: by account, by instrument, by book or by day.

A *book* is where an execution was made: on our exchange, elsewhere (external trades), or with our dealing
desk. Exchange and external executions earn by average cost in the instrument's quote asset (docs/money.md,
positions over time); deals earn in the account's currency, at the rate that each deal keeps. Sums are of one
asset each: nothing is converted.
"""

# ruff: noqa: S608 - queries are put together from the constants of this file

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from accounts.statement_selectors import Period
from instruments.models import Realm
from orders.history.models import Origin
from tradeplatform.common.db import fetch


class By(StrEnum):
    """What the rows of a report are."""

    ACCOUNT = "account"
    INSTRUMENT = "instrument"
    BOOK = "book"
    DAY = "day"


@dataclass(frozen=True, slots=True)
class Result:
    """Of one account, instrument, book or day, in one asset; `volume` is price x quantity of each side."""

    name: str
    asset: str
    executions: int
    volume: Decimal
    realised: Decimal
    swap: Decimal
    fees: Decimal

    @property
    def net(self) -> Decimal:
        """What the clients earned after swap and fees."""
        return self.realised + self.swap - self.fees

    def cells(self) -> tuple[str | int | Decimal, ...]:
        """In the order of COLUMNS."""
        amounts = (self.volume, self.realised, self.swap, self.fees, self.net)
        return (self.name, self.asset, int(self.executions), *amounts)


COLUMNS: tuple[str, ...] = ("name", "asset", "executions", "volume", "realised", "swap", "fees", "net")

_ACCOUNT = "account_id = coalesce(%(account)s, account_id)"

# What a point earned is what was realised after it, less what was before it: the first point of the period
# looks for the one before by index.
_POINTS = f"""
    SELECT p.account_id, p.instrument_id, p.at,
           CASE p.origin WHEN {int(Origin.FILL)} THEN 'exchange' ELSE 'external' END AS book,
           i.quote_id AS asset_id, 1 AS executions, abs(p.quantity) * p.price AS volume,
           p.realised - coalesce(p.before, (
               SELECT b.realised FROM history_positionpoint b
               WHERE b.account_id = p.account_id AND b.instrument_id = p.instrument_id AND b.at < %(since)s
               ORDER BY b.at DESC, b.origin DESC, b.execution_id DESC LIMIT 1), 0) AS realised,
           0 AS swap, p.fee AS fees
    FROM (SELECT *, lag(realised) OVER (PARTITION BY account_id, instrument_id
                                        ORDER BY at, origin, execution_id) AS before
          FROM history_positionpoint
          WHERE at >= %(since)s AND at < %(until)s AND {_ACCOUNT}
            AND origin IN ({int(Origin.FILL)}, {int(Origin.EXTERNAL)})) p
    JOIN instruments_instrument i ON i.id = p.instrument_id"""

# The notional of a deal is in the instrument's quote asset, its money in the account's currency.
_DEALS = f"""
    SELECT d.account_id, d.instrument_id, d.at, 'dealing', i.quote_id, 1,
           d.volume * d.contract_size * d.price, 0, 0, 0
    FROM accounts_deal d JOIN instruments_instrument i ON i.id = d.instrument_id
    WHERE d.at >= %(since)s AND d.at < %(until)s AND {_ACCOUNT} AND d.price IS NOT NULL
    UNION ALL
    SELECT d.account_id, d.instrument_id, d.at, 'dealing', a.currency_id, 0, 0, d.pnl, d.swap, d.commission
    FROM accounts_deal d JOIN accounts_tradingaccount a ON a.id = d.account_id
    WHERE d.at >= %(since)s AND d.at < %(until)s AND {_ACCOUNT}"""

# What rows are grouped by, and how such a key is called.
_KEYS = {
    By.ACCOUNT: ("account_id", "SELECT account_number FROM accounts_tradingaccount WHERE id = r.key"),
    By.INSTRUMENT: ("instrument_id", "SELECT symbol FROM instruments_instrument WHERE id = r.key"),
    By.BOOK: ("book", "SELECT r.key"),
    By.DAY: ("to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD')", "SELECT r.key"),
}


def results(
    period: Period, by: By, realm: Realm = Realm.LIVE, *, account_id: int | None = None
) -> list[Result]:
    """All there is of a period and realm, or of one account, whichever realm it is of, by name.

    Fills count as far as the history has followed their books.
    """
    key, name = _KEYS[by]
    rows = fetch(
        f"""
        SELECT ({name}) AS name, a.code, r.executions, r.volume, r.realised, r.swap, r.fees
        FROM (SELECT {key} AS key, asset_id, sum(executions) AS executions, sum(volume) AS volume,
                     sum(realised) AS realised, sum(swap) AS swap, sum(fees) AS fees
              FROM ({_POINTS} UNION ALL {_DEALS}) x
              WHERE account_id = %(account)s
                 OR account_id IN (SELECT id FROM accounts_tradingaccount WHERE realm = %(realm)s)
              GROUP BY 1, 2) r
        JOIN instruments_asset a ON a.id = r.asset_id
        ORDER BY name, a.code""",
        {"since": period.since, "until": period.until, "realm": realm, "account": account_id},
    )
    return [Result(*row) for row in rows]
