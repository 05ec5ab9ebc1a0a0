"""A report as people take it away: rows under names, for programs and for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from instruments.scaling import short_text
from tradeplatform.common.csv_cells import safe_cell


def report_json(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[dict[str, Any]]:
    """Rows for programs; amounts are texts."""
    return [dict(zip(columns, map(_plain, row), strict=True)) for row in rows]


def report_csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Rows for spreadsheets."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows([safe_cell(_plain(cell)) for cell in row] for row in rows)
    return out.getvalue()


def _plain(cell: Any) -> Any:
    return short_text(cell) if isinstance(cell, Decimal) else cell
