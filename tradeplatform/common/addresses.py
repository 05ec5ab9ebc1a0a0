"""Where a request came from. Anybody can write X-Forwarded-For: only what our proxy added is believed."""

from __future__ import annotations

from ipaddress import ip_address

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str | None:
    """The caller's address: the peer of the connection, or who spoke to the proxy where there is one.

    One rule for the audit trail, the lockout of failed logins and the rate limits. None when there is none.
    """
    given = request.META.get("REMOTE_ADDR", "")
    if proxies := settings.REST_FRAMEWORK["NUM_PROXIES"]:
        hops = request.META.get("HTTP_X_FORWARDED_FOR", given).split(",")
        given = hops[-min(proxies, len(hops))].strip()
    try:
        return str(ip_address(given))
    except ValueError:
        return None
