"""Answers GET /metrics in the text that Prometheus reads, to those who may look at figures.

Answered before anything else looks at the request, as health is: whoever scrapes knows no host name, speaks
no TLS and has no login. A session is nothing here. To all who may not, it is not there.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator
from datetime import datetime
from ipaddress import ip_address, ip_network

import structlog
from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector
from redis.exceptions import RedisError

from orders import metrics as _orders  # noqa: F401 - who reads the sums must know every family of them
from tradeplatform.common import limits, metrics, overload  # noqa: F401 - as above
from tradeplatform.common.addresses import client_address
from tradeplatform.system import requests  # noqa: F401 - as above
from tradeplatform.system.figures import figures, up
from tradeplatform.system.telling import tell_of

PATH = "/metrics"

_log = structlog.get_logger(__name__)


class ScrapeMiddleware:
    """Answers GET of /metrics; where nobody may look, the next handler says that it is not found."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        """Keep the next handler."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer a scrape, pass everything else on."""
        # Not before a request: a process that serves has been forked by then.
        tell_of("web")
        if request.path != PATH or request.method != "GET" or not _may_look(request):
            return self.get_response(request)
        response = HttpResponse(generate_latest(Everything(timezone.now())), content_type=CONTENT_TYPE_LATEST)
        add_never_cache_headers(response)
        return response


class Everything(Collector):
    """All families as of one moment: what was counted, and what the database says.

    A server that does not answer takes its families with it, and one that says so comes in their place.
    """

    def __init__(self, now: datetime) -> None:
        """Nothing is read yet."""
        self._now = now

    def collect(self) -> Iterator[Metric]:
        """Read them."""
        yield from _tried("valkey", metrics.read)
        yield from _tried("database", lambda: list(figures(self._now)))


def _tried(server: str, read: Callable[[], list[Metric]]) -> Iterator[Metric]:
    try:
        found = read()
    except (RedisError, OSError, DatabaseError) as error:
        _log.warning("figures_not_read", server=server, error=str(error).strip())
        yield up(server, answers=False)
        return
    yield from found
    yield up(server, answers=True)


def _may_look(request: HttpRequest) -> bool:
    """Whether it comes from a network that may, or carries the token."""
    token = settings.METRICS_TOKEN
    given = request.headers.get("Authorization", "")
    if token and hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
        return True
    address = client_address(request)
    return address is not None and any(
        ip_address(address) in ip_network(network) for network in settings.METRICS_NETWORKS
    )
