"""Who a socket is logged on as: requests that follow need no signature of their own."""

from __future__ import annotations

from collections.abc import Sized
from typing import Any

from accounts.models import KeyKind, Scope
from accounts.services.api_keys import ApiKeyCaller, authenticate, require
from tradeplatform.gateways.binance import errors
from tradeplatform.gateways.binance.signing import microseconds_now
from tradeplatform.gateways.binance.wsapi.performing import Door

_KIND = {KeyKind.HMAC: "HMAC_SHA256", KeyKind.RSA: "RSA"}


class Logon:
    """The logon of one socket; the key itself is the door's, and looked at anew with each request."""

    def __init__(self, door: Door, *, connected: int) -> None:
        self._door = door
        self._connected = connected
        self._since: int | None = None

    def begin(self, caller: ApiKeyCaller) -> None:
        """Be this caller from now on. Raises -4056 for a key that is not Ed25519."""
        if caller.kind in _KIND:
            raise errors.key_kind_not_supported(_KIND[caller.kind])
        self._door.key_id, self._door.generation = caller.key_id, caller.generation
        self._since = microseconds_now()

    def end(self) -> None:
        """Be nobody again."""
        self._door.key_id, self._since = "", None

    def caller(self) -> ApiKeyCaller:
        """Who it is, as the key stands now. Reads the database. Raises Refusal."""
        caller = authenticate(self._door.key_id, ip=self._door.address)
        require(caller, Scope.READ)
        return self._door.require_same(caller)

    def body(self, streams: Sized) -> dict[str, Any]:
        """As session.status shows it."""
        clock, since = self._door.clock, self._since
        return {
            "apiKey": self._door.key_id or None,
            "authorizedSince": None if since is None else clock.of(since),
            "connectedSince": clock.of(self._connected),
            "returnRateLimits": self._door.shows_limits,
            "serverTime": clock.of(microseconds_now()),
            "userDataStream": len(streams) > 0,
        }
