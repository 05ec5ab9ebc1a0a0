"""From a request over a socket to its answer: what is refused, and in which order, is as in serving.py.

Everything here reads the database: in threads of its own, so that a book that does not answer, with requests
waiting for it, keeps nobody from cancelling.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from accounts.services.api_keys import ApiKeyCaller
from orders.feed.lanes import Lane
from tradeplatform.gateways.binance import errors, limits
from tradeplatform.gateways.binance.errors import BinanceError
from tradeplatform.gateways.binance.keys import Security, known, let_in
from tradeplatform.gateways.binance.parameters import Parameters
from tradeplatform.gateways.binance.serving import Call, Later, weight_of
from tradeplatform.gateways.binance.shapes import Clock
from tradeplatform.gateways.binance.signing import Validity, microseconds_now
from tradeplatform.gateways.binance.wsapi.answers import Used
from tradeplatform.gateways.binance.wsapi.methods import Method
from tradeplatform.gateways.binance.wsapi.requests import Request

_SIGNED = ("apiKey", "signature")
_SHOWN = "returnRateLimits"
_ANY_REQUEST = frozenset({"apiKey", _SHOWN})
_ROOM = 500
#: What reads and commits, and what then waits for the book: that is committed, and has always room.
_door = Lane("ws-api", 4, room=_ROOM)
_cancelling = Lane("ws-api-cancel", 2, room=_ROOM)
_waiting = Lane("ws-api-wait", settings.MAX_WAITING_REQUESTS)
at_the_door = _door.run


@dataclass(slots=True)
class Door:
    """One socket, as far as requests depend on it: where it comes from, and the key it is logged on with."""

    address: str | None
    clock: Clock
    shows_limits: bool = True
    #: Empty while it is logged on with none; another generation of the key's secret is another key.
    key_id: str = ""
    generation: int = 0

    @property
    def whose(self) -> str:
        """Who takes turns with others: what an unsigned request says of itself proves nothing."""
        return self.key_id or self.address or ""

    def require_same(self, caller: ApiKeyCaller) -> ApiKeyCaller:
        """The caller, if the key is as it was at the logon. Raises -2015."""
        if caller.generation != self.generation:
            raise errors.key_refused()
        return caller


async def commit(request: Request, method: Method | None, door: Door, used: Used) -> Any:
    """As `perform`, in a thread, in turns with others; cancels wait behind no new order."""
    lane = _cancelling if method is not None and method.cancels else _door
    return await lane.run_for(door.whose, perform, request, method, door, used)


async def wait_for_book(later: Later, door: Door, used: Used) -> Any:
    """As `finish`, in a thread, in turns with others."""
    return await _waiting.run_for(door.whose, finish, later, used)


def perform(request: Request, method: Method | None, door: Door, used: Used) -> Any:
    """Answer a request of one of REST's methods. Raises BinanceError, Refusal, and what the database does."""
    now = microseconds_now()
    parameters = Parameters(request.params)
    try:
        weight = 1 if method is None else weight_of(method.endpoint, parameters)
    except BinanceError:
        count(door, used, weight=1, now=now)
        raise
    count(door, used, weight=weight, cancels=method is not None and method.cancels, now=now)
    if method is None:
        raise errors.not_supported()
    endpoint = method.endpoint
    check_known(request, endpoint.accepts)
    call = Call(parameters, door.clock, now, used.headers)
    if endpoint.security is not Security.NONE:
        call.validity, call.name = Validity.of(parameters), request.name
        call.caller = caller_of(request, call.validity, endpoint.security, door, now=now)
        used.tier_id = call.caller.tier_id
    try:
        return endpoint.handler(call)
    finally:
        used.note_orders()


def finish(later: Later, used: Used) -> Any:
    """Wait for the rest of an answer. Raises as `perform`."""
    try:
        return later.finish()
    finally:
        used.note_orders()


def count(door: Door, used: Used, *, weight: int, now: int, cancels: bool = False) -> None:
    """Count a request by its address. Raises -1003."""
    used.weight = limits.use_weight(door.address or "unknown", weight, cancels=cancels, now=now / 1_000_000)


def check_known(request: Request, accepts: Collection[str]) -> None:
    """Refuse what the method does not know, beside what each request may have. Raises -1104."""
    Parameters(request.params).check_known(_ANY_REQUEST.union(accepts))


def caller_of(
    request: Request, validity: Validity, security: Security, door: Door, *, now: int
) -> ApiKeyCaller:
    """Who asks: whose key signed the request, or is the one that the socket is logged on with."""
    if door.key_id and not any(name in request.params for name in _SIGNED):
        caller = known(door.key_id, address=door.address, security=security, validity=validity, now=now)
        return door.require_same(caller)
    key_id = request.params.get("apiKey")
    if not key_id:
        raise errors.mandatory("apiKey")
    return let_in(
        key_id,
        address=door.address,
        security=security,
        signed=list(request.signed()),
        validity=validity,
        now=now,
    )


def wants_limits(request: Request, door: Door) -> bool:
    """Whether the answer is to say what was used of the limits. Raises -1130, -1105."""
    parameters = Parameters(request.params)
    return parameters.flag(_SHOWN) if parameters.has(_SHOWN) else door.shows_limits
