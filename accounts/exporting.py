"""The ledger as CSV, any number of rows: the database writes the text, and few of it are in memory at once.

Rows come in the order of ids from the partitions of the period alone, in one snapshot. Amounts are exact,
without trailing zeros; what a spreadsheet could take for a formula has a quote before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.db import connections

from accounts.statement_selectors import Period
from tradeplatform.common.invariants import READ_ONLY, one_snapshot

_PIECE = 64 * 1024


def _safe(column: str) -> str:
    """As tradeplatform.common.csv_cells.safe_cell, in SQL."""
    formula = f"{column} ~ '^[=+@\t\r-]' AND {column} !~ '^[+-]?[0-9]+([.][0-9]+)?$'"
    return f"CASE WHEN {formula} THEN chr(39) || {column} ELSE {column} END"


def _time(column: str) -> str:
    return f"to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"


_WHOLE = f"""
    SELECT t.id AS transfer, t.entry_id AS entry, {_time("t.at")} AS time, t.kind, t.realm, a.code AS asset,
           trim_scale(t.amount) AS amount, t.debit_id AS debit,
           coalesce(da.account_number, d.kind) AS debit_party,
           trim_scale(t.debit_balance_after) AS debit_balance, t.credit_id AS credit,
           coalesce(ca.account_number, c.kind) AS credit_party,
           trim_scale(t.credit_balance_after) AS credit_balance, t.order_id AS "order", t.trade_id AS trade,
           t.corrects_id AS corrects, t.actor_id AS actor, {_safe("t.request_id")} AS request,
           {_safe("t.reason")} AS reason
    FROM accounts_transfer t
    JOIN instruments_asset a ON a.id = t.asset_id
    JOIN accounts_ledgeraccount d ON d.id = t.debit_id
    JOIN accounts_ledgeraccount c ON c.id = t.credit_id
    LEFT JOIN accounts_tradingaccount da ON da.id = d.account_id
    LEFT JOIN accounts_tradingaccount ca ON ca.id = c.account_id
    WHERE t.at >= %(since)s AND t.at < %(until)s
    ORDER BY t.id"""  # noqa: S608 - put together from names of this file

# What the account's owner may see: his own side, and never who is on the other.
_OWN = f"""
    SELECT t.id AS transfer, {_time("t.at")} AS time, t.kind, a.code AS asset, la.kind AS account,
           trim_scale(CASE WHEN t.credit_id = la.id THEN t.amount ELSE -t.amount END) AS amount,
           trim_scale(CASE WHEN t.credit_id = la.id THEN t.credit_balance_after
                           ELSE t.debit_balance_after END) AS balance,
           CASE WHEN t.debit_id = la.id THEN t.order_id END AS "order", t.trade_id AS trade,
           {_safe("t.reason")} AS reason
    FROM accounts_ledgeraccount la
    JOIN instruments_asset a ON a.id = la.asset_id
    CROSS JOIN LATERAL (
        (SELECT * FROM accounts_transfer WHERE debit_id = la.id AND at >= %(since)s AND at < %(until)s)
        UNION ALL
        (SELECT * FROM accounts_transfer WHERE credit_id = la.id AND at >= %(since)s AND at < %(until)s)) t
    WHERE la.account_id = %(account)s
    ORDER BY t.id"""  # noqa: S608 - as above


def whole_ledger(period: Period) -> Iterator[bytes]:
    """Every transfer of the period, with both sides, as pieces of a CSV file."""
    return _stream(_WHOLE, {"since": period.since, "until": period.until})


def own_ledger(account_id: int, period: Period) -> Iterator[bytes]:
    """Every transfer of an account in the period as its owner saw it, as pieces of a CSV file."""
    return _stream(_OWN, {"since": period.since, "until": period.until, "account": account_id})


def _stream(sql: str, params: Mapping[str, Any]) -> Iterator[bytes]:
    with one_snapshot():
        connection = connections[READ_ONLY]
        copy = f"COPY ({sql}) TO STDOUT WITH (FORMAT csv, HEADER)"
        with (
            connection.wrap_database_errors,
            connection.cursor() as cursor,
            cursor.copy(copy, params) as rows,
        ):
            yield from _pieces(bytes(row) for row in rows)


def _pieces(rows: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces worth sending."""
    piece = bytearray()
    for row in rows:
        piece += row
        if len(piece) >= _PIECE:
            yield bytes(piece)
            piece.clear()
    if piece:
        yield bytes(piece)
