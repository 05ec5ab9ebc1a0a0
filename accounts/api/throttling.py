"""Rate limits of callers, once it is known who they are; and of attempts to become known."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from accounts.models import Session
from accounts.services.api_keys import ApiKeyCaller
from accounts.services.rates import allowance
from tradeplatform.common.addresses import client_address
from tradeplatform.common.limits import Limit, take
from tradeplatform.common.throttling import MINUTE, anonymous_limit, clock, counter


class CallerThrottle(BaseThrottle):
    """The tier's rate for each person and for each key, the anonymous one for an address without either."""

    def allow_request(self, request: Request, view: Any) -> bool:
        """Count this call. Raises Refusal throttled."""
        take([call_limit(request.auth, request._request)], now=clock())  # noqa: SLF001
        return True


class LoginThrottle(BaseThrottle):
    """Attempts to log in or to renew a token, by address: hashing passwords costs us more than the caller."""

    def allow_request(self, request: Request, view: Any) -> bool:
        """Count this attempt. Raises Refusal throttled."""
        address = client_address(request._request) or "unknown"  # noqa: SLF001
        take([Limit(f"login:{address}", settings.RATE_LIMITS["login"], MINUTE)], now=clock())
        return True


def call_limit(auth: object, http: HttpRequest) -> Limit:
    """What whoever was let in by `auth` may call."""
    if isinstance(auth, ApiKeyCaller):
        return Limit(counter("key", auth.id, http), allowance(auth.tier_id).calls_1m, MINUTE)
    if isinstance(auth, Session):
        calls = allowance(auth.user.rate_tier_id).calls_1m
        return Limit(counter("user", auth.user_id, http), calls, MINUTE)
    return anonymous_limit(http)
