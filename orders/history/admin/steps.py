"""A step chart as the path of an SVG: a value that holds from each moment until the next."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from instruments.models import Asset
from instruments.scaling import grouped, short_text, text
from tradeplatform.common.admin import show
from tradeplatform.common.admin.panels import Custom

# The viewBox of panels/course.html, with room for the line above and below.
_WIDTH, _HEIGHT, _ROOM = 1000, 200, 10


def steps_panel(title: str, asset: Asset, points: Sequence[tuple[datetime, Decimal]]) -> Custom:
    """The chart of (since when, amount of the asset), oldest first; zero is a line where it is in sight."""
    template = "backoffice/panels/course.html"
    if not points:
        return Custom(title, template)
    values = [value for _at, value in points]
    low, high = min(values), max(values)
    return Custom(
        title,
        template,
        {
            "path": path_of(points),
            "zero": _height(Decimal(0), low, high) if low <= 0 <= high else "",
            "low": _said(low, asset),
            "high": _said(high, asset),
            "last": _said(values[-1], asset),
            "unit": asset.code,
            "first_at": show.when(points[0][0]),
            "last_at": show.when(points[-1][0]),
        },
    )


def path_of(points: Sequence[tuple[datetime, Decimal]]) -> str:
    """Right at the old value, then up or down to the new one; the last value goes on to the edge."""
    values = [value for _at, value in points]
    low, high = min(values), max(values)
    first, last = points[0][0], points[-1][0]
    span = (last - first).total_seconds()
    drawn = [f"M 0 {_height(values[0], low, high)}"]
    for at, value in points[1:]:
        # A place on the screen, not a number of money.
        across = (at - first).total_seconds() / span * _WIDTH if span else 0
        drawn.append(f"H {across:.1f} V {_height(value, low, high)}")
    return " ".join([*drawn, f"H {_WIDTH}"])


def _height(value: Decimal, low: Decimal, high: Decimal) -> str:
    share = (value - low) / (high - low) if high > low else Decimal("0.5")
    return f"{_HEIGHT - _ROOM - share * (_HEIGHT - 2 * _ROOM):.1f}"


def _said(value: Decimal, asset: Asset) -> str:
    return grouped(short_text(Decimal(text(value, asset.decimals))))
