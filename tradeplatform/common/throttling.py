"""What is shared by those who count calls: the minute they count in, and the names of their counts."""

from __future__ import annotations

import time

from django.conf import settings
from django.http import HttpRequest

from tradeplatform.common.addresses import client_address
from tradeplatform.common.limits import Limit, take

MINUTE = 60


def clock() -> float:
    """Seconds since 1970."""
    return time.time()


def counter(kind: str, who: object, request: HttpRequest) -> str:
    """The name of a count of calls; cancels have one of their own."""
    return f"{kind}:{who}:{'cancel' if request.method == 'DELETE' else 'call'}"


def count_address(request: HttpRequest, *others: Limit) -> None:
    """Count what an address asks, whoever it is; shut out one that ignores refusals.

    Cancels are counted apart and never shut out: whoever has used up everything else can still cancel.
    `others` are counted with it, or nothing is. Raises Refusal: throttled, banned.
    """
    limit, offender = address_limit(request)
    take([limit, *others], now=clock(), offender=offender)


def address_limit(request: HttpRequest) -> tuple[Limit, str]:
    """What an address may ask, and who is shut out that goes on beyond it."""
    address = client_address(request) or "unknown"
    limit = Limit(counter("address", address, request), settings.RATE_LIMITS["address"], MINUTE)
    return limit, "" if request.method == "DELETE" else f"address:{address}"


def anonymous_limit(request: HttpRequest) -> Limit:
    """What an address may ask without a login and without a key."""
    name = counter("anonymous", client_address(request) or "unknown", request)
    return Limit(name, settings.RATE_LIMITS["anonymous"], MINUTE)
