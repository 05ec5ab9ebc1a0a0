"""Counts the requests of HTTP, by door, by what was answered, and how long it took; and traces them."""

from __future__ import annotations

import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from tradeplatform.common import tracing
from tradeplatform.common.metrics import counter, histogram

# 1 ms to 10 s; 0.5 is a bound of its own, because an alert asks for it.
_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500)
# The first word of an address, and what it is a door to.
_DOORS = {"api": "api", "admin": "admin", "sapi": "binance", "0": "kraken"}
_BINANCE = "/api/v3/"

REQUESTS = counter(
    "http_requests", "Requests answered, by door and by the class of the status.", ("door", "status")
)
SECONDS = histogram("http_seconds", "From a request's first line to its answer.", _SECONDS, ("door",))

LIST_SIZE = histogram("http_list_size", "Requests that a web process answered together.", _SIZES)


class RequestCountMiddleware:
    """Counts each request when it is answered."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        """Keep the next handler."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Let it through, then count it."""
        began, began_at = time.perf_counter(), time.time_ns()
        response = self.get_response(request)
        route = request.resolver_match.route if request.resolver_match else ""
        count(
            request,
            response.status_code,
            route=route,
            seconds=time.perf_counter() - began,
            began_at=began_at,
            correlation_id=response.headers.get("X-Correlation-ID", ""),
        )
        return response


def count(
    request: HttpRequest, status: int, *, route: str, seconds: float, began_at: int, correlation_id: str
) -> None:
    """Count a request that was answered, and trace it; `began_at` is a time.time_ns."""
    door = _door(request.path)
    REQUESTS.labels(door, f"{status // 100}xx").inc()
    SECONDS.labels(door).observe(seconds)
    method = str(request.method)
    answered: dict[str, str | int] = {
        "http.request.method": method,
        "http.response.status_code": status,
    }
    name = f"{method} /{route}" if route else method
    tracing.record(name, began=began_at, correlation_ids=[correlation_id], server=True, **answered)


def _door(path: str) -> str:
    """Whose address it is; a few words, whatever strangers ask for."""
    if path.startswith(_BINANCE):
        return "binance"
    return _DOORS.get(path[1:].partition("/")[0], "other")
