"""How positions over time look outside: decimals as text, moments in UTC."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from instruments.scaling import short_text
from orders.history.building import Standing
from orders.history.selectors import Bin, PositionAt
from orders.history.services.portfolios import Content
from tradeplatform.common.times import rfc3339


def standing_json(standing: Standing) -> dict[str, Any]:
    """A position."""
    return {
        "position": short_text(standing.quantity),
        "average_price": text_or_none(standing.average_price),
        "cost": short_text(standing.cost),
        "realised": short_text(standing.realised),
        "fees": short_text(standing.fees),
    }


def position_json(found: PositionAt | None) -> dict[str, Any] | None:
    """A position with the time of its last execution; None: no position."""
    return None if found is None else {"time": rfc3339(found.at)} | standing_json(found.standing)


def bin_json(row: Bin) -> dict[str, Any]:
    """A window."""
    return {
        "start": rfc3339(row.start),
        "end": rfc3339(row.end),
        "open": text_or_none(row.open),
        "high": text_or_none(row.high),
        "low": text_or_none(row.low),
        "close": text_or_none(row.close),
        "volume": short_text(row.volume),
        "executions": row.executions,
    }


def content_json(content: Content) -> dict[str, Any]:
    """What is in a portfolio."""
    return {
        "positions": [
            {"instrument": instrument.symbol, "accounts": found.accounts, "time": rfc3339(found.at)}
            | standing_json(found.standing)
            for instrument, found in content.positions
        ],
        "totals": [
            {
                "asset": total.asset,
                "cost": short_text(total.cost),
                "realised": short_text(total.realised),
                "fees": short_text(total.fees),
            }
            for total in content.totals
        ],
    }


def text_or_none(value: Decimal | None) -> str | None:
    """A decimal as text, nothing as nothing."""
    return None if value is None else short_text(value)
