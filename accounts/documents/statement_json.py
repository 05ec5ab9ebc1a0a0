"""A statement as JSON: the API's answer, and what the command prints for programs."""

from __future__ import annotations

from typing import Any

from accounts.api.rendering import ledger_line_json
from accounts.statement_selectors import Statement
from instruments.scaling import text
from tradeplatform.common.times import rfc3339


def statement_json(statement: Statement) -> dict[str, Any]:
    """The whole of it; amounts are texts."""
    return {
        "account_id": statement.account.pk,
        "account_number": statement.account.account_number,
        "from": statement.period.first.isoformat(),
        "to": statement.period.last.isoformat(),
        "since": rfc3339(statement.period.since),
        "until": rfc3339(statement.period.until),
        "sections": [
            {
                "asset": section.asset,
                "kind": section.kind,
                "opening": text(section.opening, section.decimals),
                "credited": text(section.credited, section.decimals),
                "debited": text(section.debited, section.decimals),
                "closing": text(section.closing, section.decimals),
                "lines": [ledger_line_json(line) for line in section.lines],
            }
            for section in statement.sections
        ],
    }
