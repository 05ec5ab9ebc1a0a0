"""Rate limits of callers, once it is known who they are; and of attempts to become known."""

from __future__ import annotations

from typing import Any

from django.conf import settings
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
        take([_limit_of(request)], now=clock())
        return True


class LoginThrottle(BaseThrottle):
    """Attempts to log in or to renew a token, by address: hashing passwords costs us more than the caller."""

    def allow_request(self, request: Request, view: Any) -> bool:
        """Count this attempt. Raises Refusal throttled."""
        address = client_address(request._request) or "unknown"  # noqa: SLF001
        take([Limit(f"login:{address}", settings.RATE_LIMITS["login"], MINUTE)], now=clock())
        return True


def _limit_of(request: Request) -> Limit:
    http, auth = request._request, request.auth  # noqa: SLF001
    if isinstance(auth, ApiKeyCaller):
        return Limit(counter("key", auth.id, http), allowance(auth.tier_id).calls_1m, MINUTE)
    if isinstance(auth, Session):
        calls = allowance(auth.user.rate_tier_id).calls_1m
        return Limit(counter("user", auth.user_id, http), calls, MINUTE)
    return anonymous_limit(http)
