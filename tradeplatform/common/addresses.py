"""Where a request came from, and where its caller finds the feed.

Anybody can write X-Forwarded-For: only what our proxy added is believed.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str | None:
    """The caller's address: the peer of the connection, or who spoke to the proxy where there is one.

    One rule for the audit trail, the lockout of failed logins and the rate limits. None when there is none.
    """
    peer = request.META.get("REMOTE_ADDR", "")
    return _believed(peer, request.META.get("HTTP_X_FORWARDED_FOR", peer))


def socket_address(scope: Mapping[str, Any]) -> str | None:
    """The same of a WebSocket, by its ASGI scope."""
    peer = str((scope.get("client") or ("",))[0])
    told = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
    return _believed(peer, ",".join(told) or peer)


def feed_address(request: HttpRequest) -> str:
    """Where the feed is: behind the site's own name in production, on a port of its own elsewhere."""
    port = settings.FEED_PORT
    if port is None:
        return f"wss://{request.get_host()}/ws/v1"
    name = request.get_host().rsplit(":", 1)[0]
    return f"ws://{name}:{port}/ws/v1"


def _believed(peer: str, forwarded: str) -> str | None:
    given = peer
    if proxies := settings.REST_FRAMEWORK["NUM_PROXIES"]:
        hops = forwarded.split(",")
        given = hops[-min(proxies, len(hops))].strip()
    try:
        return str(ip_address(given))
    except ValueError:
        return None
