"""The door for what is asked most: a depth or a ticker, by somebody without a login.

It stands before everything that such a question has no use for (sessions, the view's parsing and negotiation,
a line in the log), and has the same answers under the same limits. Whatever is not plainly such a question
goes on to the view, which also says what is wrong with one.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from orders.market.services import warm
from tradeplatform.common.api_errors import refused
from tradeplatform.common.errors import Refusal
from tradeplatform.common.throttling import anonymous_limit, count_address

_ASKED = re.compile(r"/api/v1/instruments/([A-Z0-9-]+)/(depth|ticker)")
_LIMIT = re.compile(r"limit=([1-9][0-9]{0,3})")
_USUAL_LIMIT, _LONGEST = 100, 5_000


class MarketDoorMiddleware:
    """Answers GET of `/api/v1/instruments/{symbol}/depth` and `/ticker` for the anonymous."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        """Keep the next handler."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer with encoded bytes, or let it through."""
        ask = _question(request)
        if ask is None:
            return self.get_response(request)
        try:
            count_address(request, anonymous_limit(request))
            return encoded(ask())
        except Refusal as refusal:
            return refused(refusal)
        except DatabaseError:
            return self.get_response(request)


def encoded(body: bytes) -> HttpResponse:
    """An answer that was encoded before."""
    return HttpResponse(body, content_type="application/json", headers={"Content-Length": str(len(body))})


def _question(request: HttpRequest) -> Callable[[], bytes] | None:
    asked = _ASKED.fullmatch(request.path_info)
    if asked is None or request.method != "GET" or _is_somebody(request):
        return None
    symbol, what = asked.groups()
    query = request.META.get("QUERY_STRING", "")
    if what == "ticker":
        return None if query else lambda: warm.ticker_answers([warm.market(symbol)], now=timezone.now())[0]
    limit = _limit(query)
    if limit is None:
        return None
    return lambda: warm.depth_answers([warm.market(symbol)], limit=limit)[0]


def _is_somebody(request: HttpRequest) -> bool:
    return "HTTP_AUTHORIZATION" in request.META or "HTTP_X_API_KEY" in request.META


def _limit(query: str) -> int | None:
    if not query:
        return _USUAL_LIMIT
    found = _LIMIT.fullmatch(query)
    limit = int(found[1]) if found else None
    return limit if limit is not None and limit <= _LONGEST else None
