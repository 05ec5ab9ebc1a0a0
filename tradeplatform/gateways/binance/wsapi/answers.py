"""Answers as they are sent: the request's id, a status as HTTP would have it, what was used of the limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import orjson

from tradeplatform.gateways.binance import limits
from tradeplatform.gateways.binance.errors import BinanceError
from tradeplatform.gateways.binance.signing import microseconds_now
from tradeplatform.gateways.binance.sockets import RequestId

_RETRY = "Retry-After"


@dataclass(slots=True)
class Used:
    """What a request has used of the limits, as far as it is known: weight, and counts of orders."""

    weight: int | None = None
    tier_id: int | None = None
    #: As REST has them in the head of an answer; and as they are shown here.
    headers: dict[str, str] = field(default_factory=dict)
    orders: list[dict[str, object]] = field(default_factory=list)
    #: Whether the answer says it.
    shown: bool = True

    def note_orders(self) -> None:
        """Take over what the head of an answer would say of orders. Reads the database."""
        if self.headers:
            self.orders = limits.counted_orders(self.headers, self.tier_id)

    def fields(self) -> dict[str, Any]:
        """`rateLimits`, unless it was not wanted or nothing was counted."""
        if not self.shown or self.weight is None:
            return {}
        return {"rateLimits": [limits.counted_weight(self.weight), *self.orders]}


def result(number: RequestId, found: Any, used: Used) -> str:
    """The answer to what was done; what is bytes already is JSON already."""
    shown = orjson.Fragment(found) if isinstance(found, bytes) else found
    return _encode({"id": number, "status": int(HTTPStatus.OK), "result": shown} | used.fields())


def refusal(number: RequestId, error: BinanceError, used: Used) -> str:
    """The answer to what was not done."""
    body = error.body()
    if _RETRY in error.headers:
        now = microseconds_now() // 1_000
        body["data"] = {"serverTime": now, "retryAfter": now + int(error.headers[_RETRY]) * 1_000}
    return _encode({"id": number, "status": error.status, "error": body} | used.fields())


def _encode(message: Mapping[str, Any]) -> str:
    return orjson.dumps(message).decode()
