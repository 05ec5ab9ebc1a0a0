"""A small chart of bid and ask, drawn by the server: no script, so nothing to load and nothing to allow."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from instruments.admin.show import limit
from instruments.models import DatedQuote
from tradeplatform.common.admin import show
from tradeplatform.common.admin.panels import Custom

_WIDTH, _HEIGHT = 600, 120


def price_chart(quotes: Sequence[DatedQuote]) -> Custom:
    """Bid and ask over time, the oldest first, as steps: a quote counts until the next one."""
    low = min((quote.bid for quote in quotes), default=Decimal(0))
    high = max((quote.ask for quote in quotes), default=Decimal(0))
    return Custom(
        "Course",
        "backoffice/panels/spark.html",
        {
            "width": _WIDTH,
            "height": _HEIGHT,
            "lines": [
                ("bad", "ask", _steps(quotes, [quote.ask for quote in quotes], low, high)),
                ("good", "bid", _steps(quotes, [quote.bid for quote in quotes], low, high)),
            ],
            "low": limit(low),
            "high": limit(high),
            "first": show.when(quotes[0].at) if quotes else show.NOTHING,
            "last": show.when(quotes[-1].at) if quotes else show.NOTHING,
            "count": len(quotes),
        },
    )


def _steps(quotes: Sequence[DatedQuote], prices: Sequence[Decimal], low: Decimal, high: Decimal) -> str:
    """The points of a polyline, in whole pixels."""
    if not quotes:
        return ""
    start, length = quotes[0].at, (quotes[-1].at - quotes[0].at).total_seconds() or 1
    points: list[tuple[int, int]] = []
    for quote, price in zip(quotes, prices, strict=True):
        x = round((quote.at - start).total_seconds() / length * _WIDTH)
        y = round(_HEIGHT - (price - low) / (high - low) * _HEIGHT) if high > low else _HEIGHT // 2
        if points:
            points.append((x, points[-1][1]))
        points.append((x, y))
    points.append((_WIDTH, points[-1][1]))
    return " ".join(f"{x},{y}" for x, y in points)
