"""A statement as CSV (RFC 4180): one table of all sections, opening and closing as lines."""

from __future__ import annotations

import csv
import io

from accounts.documents import words
from accounts.statement_selectors import Statement
from instruments.scaling import text
from tradeplatform.common.csv_cells import safe_cell
from tradeplatform.common.times import rfc3339

COLUMNS = (
    "asset", "account", "time", "transfer", "kind", "amount", "balance", "order", "trade", "reason",
)  # fmt: skip


def statement_csv(statement: Statement) -> str:
    """The file's text. Amounts are plain numbers, negative when money left."""
    out = io.StringIO()
    write = csv.writer(out).writerow
    write(COLUMNS)
    for section in statement.sections:
        head = (section.asset, section.kind)
        opening = text(section.opening, section.decimals)
        write([*head, rfc3339(statement.period.since), "", "opening", "", opening, "", "", ""])
        for line in section.lines:
            amount, balance = (text(n, section.decimals) for n in (line.amount, line.balance_after))
            cells = (rfc3339(line.at), line.transfer_id, line.kind, amount, balance, line.order_id,
                     line.trade_id, line.reason)  # fmt: skip
            write([*head, *map(safe_cell, cells)])
        closing = text(section.closing, section.decimals)
        write([*head, rfc3339(statement.period.until), "", "closing", "", closing, "", "", ""])
    return out.getvalue()


def file_name(statement: Statement) -> str:
    """What it is saved as."""
    return f"{words.name_of(statement)}.csv"
