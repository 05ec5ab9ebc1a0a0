"""How the admin looks: names, colours and what stands in the side bar."""

from __future__ import annotations

from typing import Any

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Trading platform",
    "SITE_HEADER": "Trading platform",
    "SITE_SUBHEADER": "Back office",
    "SITE_SYMBOL": "candlestick_chart",
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
    "SIDEBAR": {"show_search": True, "show_all_applications": True},
}
