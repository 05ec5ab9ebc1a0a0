"""The limit of an address, counted before anybody is looked up; accounts.api.throttling counts callers."""

from __future__ import annotations

import time
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse

from tradeplatform.common.addresses import client_address
from tradeplatform.common.api_errors import CONTENT_TYPE, headers_of, problem
from tradeplatform.common.errors import Refusal
from tradeplatform.common.limits import Limit, take

MINUTE = 60


def clock() -> float:
    """Seconds since 1970."""
    return time.time()


class AddressLimitMiddleware:
    """Counts what an address asks of API v1, whoever it is, and shuts out one that ignores refusals.

    Cancels are counted apart and never shut out: whoever has used up everything else can still cancel.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        """Keep the next handler."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Count, then let it through or answer 429 or 418."""
        if not request.path.startswith("/api/v1/"):
            return self.get_response(request)
        address, cancels = client_address(request) or "unknown", request.method == "DELETE"
        limit = Limit(counter("address", address, request), settings.RATE_LIMITS["address"], MINUTE)
        try:
            take([limit], now=clock(), offender="" if cancels else f"address:{address}")
        except Refusal as refusal:
            body = problem(refusal)
            return JsonResponse(
                body, status=body["status"], content_type=CONTENT_TYPE, headers=headers_of(refusal)
            )
        return self.get_response(request)


def counter(kind: str, who: object, request: HttpRequest) -> str:
    """The name of a count of calls; cancels have one of their own."""
    return f"{kind}:{who}:{'cancel' if request.method == 'DELETE' else 'call'}"
