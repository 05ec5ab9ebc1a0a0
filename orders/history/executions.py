"""The trade store as one: every execution that changed a position, whatever brought it.

This is the one place that knows where executions come from. A further source is a further entry in _SOURCES:
a query of (id, at, account_id, instrument_id, quantity, price, fee), where quantity is in units of base and
negative when sold. `at` in what is read from here is when an execution counts: a correction counts later.
"""

# ruff: noqa: S608 - queries are put together from the constants of this file

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from orders.history.building import Execution
from orders.history.models import Origin
from orders.models import SEQ_BITS

# Looked up by the unique key of points; inside a frozen period the correction names the deal.
_DEAL_IS_A_POINT = f"""(
    EXISTS (SELECT 1 FROM history_positionpoint p WHERE p.account_id = d.account_id
            AND p.instrument_id = d.instrument_id AND p.at = d.at AND p.origin = {int(Origin.DEAL)}
            AND p.execution_id = d.id)
    OR EXISTS (SELECT 1 FROM history_correction c
               WHERE c.origin = {int(Origin.DEAL)} AND c.execution_id = d.id))"""

_SOURCES = {
    # Of our own books, as far as the timeline has followed them; a trade's id is instrument << 40 | seq.
    Origin.FILL: f"""
        SELECT f.id, f.at, f.account_id, t.instrument_id,
               CASE f.side WHEN 'buy' THEN f.quantity ELSE -f.quantity END AS quantity, f.price, f.fee
        FROM history_timeline t JOIN orders_fill f ON f.trade_id > t.instrument_id::bigint << {SEQ_BITS}
            AND f.trade_id <= (t.instrument_id::bigint << {SEQ_BITS}) + t.book_seq""",
    # Of leveraged positions, as far as they are followed. Commission is in the account's currency: no fee.
    Origin.DEAL: f"""
        SELECT d.id, d.at, d.account_id, d.instrument_id,
               CASE WHEN d.buys THEN 1 ELSE -1 END * d.volume * d.contract_size AS quantity, d.price,
               0::numeric
        FROM accounts_deal d WHERE d.price IS NOT NULL AND (
            d.id <= (SELECT coalesce(max(settled), 0) FROM history_dealsfollowed) OR {_DEAL_IS_A_POINT})""",
    Origin.EXTERNAL: """
        SELECT id, at, account_id, instrument_id, quantity, price, coalesce(fee, 0)
        FROM history_externaltrade""",
}

_STORE = " UNION ALL ".join(
    f"SELECT {int(origin)} AS origin, source.* FROM ({sql}) AS source" for origin, sql in _SOURCES.items()
)

#: Every execution: (at, origin, id, account_id, instrument_id, quantity, price, fee, true_at).
EXECUTIONS = f"""
    SELECT coalesce(c.booked_at, e.at) AS at, e.origin, e.id, e.account_id, e.instrument_id, e.quantity,
           e.price, e.fee, CASE WHEN c.id IS NOT NULL THEN e.at END AS true_at
    FROM ({_STORE}) AS e
    LEFT JOIN history_correction c ON c.origin = e.origin AND c.execution_id = e.id"""

#: Those of one instrument, and of one account or of all, account by account in the order of time.
OF_INSTRUMENT = f"""
    SELECT * FROM ({EXECUTIONS}) AS executions
    WHERE instrument_id = %(instrument)s AND (%(account)s::bigint IS NULL OR account_id = %(account)s)
    ORDER BY account_id, at, origin, id"""

#: Fills of a book behind `after`, at most `rows`; two for each trade, so an even number cuts no trade in two.
FILLS_AFTER = f"""
    SELECT f.at, {int(Origin.FILL)}, f.id, f.account_id, f.instrument_id,
           CASE f.side WHEN 'buy' THEN f.quantity ELSE -f.quantity END, f.price, f.fee, NULL, f.trade_id
    FROM orders_fill f WHERE f.trade_id > %(after)s AND f.trade_id <= %(until)s
        AND (%(since)s::timestamptz IS NULL OR f.at >= %(since)s)
    ORDER BY f.trade_id, f.id LIMIT %(rows)s"""


#: Deals behind the id `settled` that are no points yet.
DEALS_AFTER = f"""
    SELECT d.at, {int(Origin.DEAL)}, d.id, d.account_id, d.instrument_id,
           CASE WHEN d.buys THEN 1 ELSE -1 END * d.volume * d.contract_size, d.price, 0::numeric, NULL
    FROM accounts_deal d
    WHERE d.id > %(settled)s AND d.price IS NOT NULL AND d.instrument_id = ANY(%(instruments)s)
      AND NOT {_DEAL_IS_A_POINT}"""


def executions_from(rows: Iterable[Sequence[Any]]) -> list[Execution]:
    """Rows of EXECUTIONS as values."""
    return [Execution(*row[:9]) for row in rows]


def in_order(executions: Iterable[Execution]) -> list[Execution]:
    """By time; those of one microsecond by origin and id."""
    return sorted(executions, key=_place)


def _place(execution: Execution) -> tuple[datetime, int, int]:
    return execution.place
