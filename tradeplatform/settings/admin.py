"""How the admin looks: names, colours, style sheets and what stands in the side bar."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static


def _style(_request: HttpRequest) -> str:
    """Our own style sheet; named late, when static files have their final names."""
    return static("backoffice/backoffice.css")


def _icon(_request: HttpRequest) -> str:
    """Two candles, for the browser's tab."""
    return static("backoffice/icon.svg")


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Trading platform",
    "SITE_HEADER": "Trading platform",
    "SITE_SUBHEADER": "Back office",
    "SITE_SYMBOL": "candlestick_chart",
    "SITE_URL": None,
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": False,
    "STYLES": [_style],
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": _icon}],
    # Blue: green and red mean buy and sell, good and bad.
    "COLORS": {
        "primary": {
            "50": "oklch(97% .014 254.604)",
            "100": "oklch(93.2% .032 255.585)",
            "200": "oklch(88.2% .059 254.128)",
            "300": "oklch(80.9% .105 251.813)",
            "400": "oklch(70.7% .165 254.624)",
            "500": "oklch(62.3% .214 259.815)",
            "600": "oklch(54.6% .245 262.881)",
            "700": "oklch(48.8% .243 264.376)",
            "800": "oklch(42.4% .199 265.638)",
            "900": "oklch(37.9% .146 265.522)",
            "950": "oklch(28.2% .091 267.935)",
        }
    },
    # Ctrl+K, or a click in the side bar: jump to an order, an account, an instrument, a person.
    "COMMAND": {"search_callback": "tradeplatform.backoffice.search.find"},
    "LOGIN": {"form": "tradeplatform.backoffice.forms.LoginForm"},
    "SIDEBAR": {
        "show_search": True,
        "command_search": True,
        "show_all_applications": False,
        "navigation": "tradeplatform.backoffice.navigation.navigation",
    },
}
