"""Rate limits counted in Valkey for all processes: N calls in a window, then 429 until it ends."""

from __future__ import annotations

from typing import Any

import structlog
from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from tradeplatform.common.valkey import client

_log = structlog.get_logger(__name__)


class WindowThrottle(SimpleRateThrottle):
    """Counts with one atomic increment a call, where Django REST framework reads, appends and writes a list.

    Without Valkey calls are let through: a lost counter must not stop anyone from cancelling.
    """

    num_requests: int | None
    duration: int | None
    _left: float | None = None

    def allow_request(self, request: Request, view: Any) -> bool:
        """Count this call and say whether it is within the rate."""
        key = self.get_cache_key(request, view)
        if self.rate is None or key is None or not self.duration or self.num_requests is None:
            return True
        window, passed = divmod(self.timer(), self.duration)
        self._left = self.duration - passed
        name = f"{key}:{window:.0f}"
        try:
            pipe = client().pipeline(transaction=False)
            pipe.incr(name)
            pipe.expire(name, self.duration, nx=True)
            count = pipe.execute()[0]
        except (RedisError, OSError) as error:
            _log.warning("throttle_not_counted", scope=self.scope, error=str(error))
            return True
        return bool(count <= self.num_requests)

    def wait(self) -> float | None:
        """Seconds until the window ends."""
        return self._left


class CallerThrottle(WindowThrottle):
    """One rate for each signed-in user, one for each address without a user.

    Cancels are counted apart, at the same rate: a caller who has used up everything else can still cancel.
    """

    def __init__(self) -> None:
        """The rate depends on the caller, so it is looked up with the first request."""

    def allow_request(self, request: Request, view: Any) -> bool:
        """Choose the caller's rate, then count."""
        self.scope = "user" if request.user.is_authenticated else "anon"
        self.rate = self.get_rate()
        self.num_requests, self.duration = self.parse_rate(self.rate)
        return super().allow_request(request, view)

    def get_cache_key(self, request: Request, view: Any) -> str:
        """User or address, and whether it is a cancel."""
        who = request.user.pk if self.scope == "user" else self.get_ident(request)
        what = "cancel" if request.method == "DELETE" else "call"
        return f"throttle:{self.scope}:{who}:{what}"


class LoginThrottle(WindowThrottle):
    """Attempts to log in or to renew a token, by address: hashing passwords costs us more than the caller."""

    scope = "login"

    def get_cache_key(self, request: Request, view: Any) -> str:
        """The address."""
        return f"throttle:{self.scope}:{self.get_ident(request)}"
