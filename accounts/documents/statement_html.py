"""A statement as a page that needs nothing else: it can be mailed, printed, kept."""

from __future__ import annotations

from typing import Any

from django.template.loader import render_to_string

from accounts.documents import words
from accounts.documents.chart import balance_chart
from accounts.statement_selectors import Statement


def statement_html(statement: Statement) -> str:
    """The whole page."""
    return render_to_string("accounts/statement.html", values_of(statement))


def values_of(statement: Statement) -> dict[str, Any]:
    """What the templates show, of the page alone and within the back office."""
    return {
        "statement": statement,
        "account": statement.account,
        "period": statement.period,
        "columns": words.COLUMNS,
        "sections": [
            {
                "heading": words.heading(section),
                "sums": words.sums(section),
                "rows": words.rows(section),
                "chart": balance_chart(statement, section),
            }
            for section in statement.sections
        ],
    }
