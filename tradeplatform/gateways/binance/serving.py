"""From a request to an answer: a plain view, because this is the path of every order.

What an endpoint is, and who is let in to it, is the same over sockets: wsapi/performing.py.

An endpoint says which parameters it takes, what it weighs, and what a key must be allowed to; it is a
function from a `Call` to what is sent as JSON, or to its bytes. What can be refused is refused in this order:
weight, shape, key, scope, time, signature; then the endpoint's own checks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any

import orjson
import structlog
from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from psycopg_pool import PoolTimeout

from accounts.services.api_keys import ApiKeyCaller
from audit.actor import Actor
from orders.services.journal import moment
from tradeplatform.common.addresses import client_address
from tradeplatform.common.errors import Refusal
from tradeplatform.gateways.binance import errors, limits
from tradeplatform.gateways.binance.errors import BinanceError
from tradeplatform.gateways.binance.keys import Security, let_in
from tradeplatform.gateways.binance.parameters import Parameters, read_pairs
from tradeplatform.gateways.binance.refusals import Asked, translated
from tradeplatform.gateways.binance.shapes import Clock
from tradeplatform.gateways.binance.signing import Validity, microseconds_now, signed

logger = structlog.get_logger(__name__)

_WEIGHT = "X-MBX-USED-WEIGHT-1M"
_SIGNED = frozenset({"timestamp", "recvWindow", "signature"})


@dataclass(slots=True)
class Call:
    """One request, as far as an endpoint has to do with it. `now` is in microseconds since 1970."""

    parameters: Parameters
    clock: Clock
    now: int
    headers: dict[str, str] = field(default_factory=dict)
    caller: ApiKeyCaller | None = None
    validity: Validity | None = None
    #: Of the signed request; see Signed.name.
    name: str = ""

    @property
    def at(self) -> datetime:
        """When it came."""
        return moment(self.now)

    @property
    def account_id(self) -> int:
        """Whose key it came with."""
        return self._known.account_id

    @property
    def actor(self) -> Actor:
        """The key's owner."""
        return self._known.actor

    @property
    def orders(self) -> limits.Orders:
        """The count of the account's unfilled orders."""
        return limits.Orders(self.account_id, self._known.tier_id, self.now / 1_000_000)

    @property
    def _known(self) -> ApiKeyCaller:
        if self.caller is None:
            raise errors.key_refused()
        return self.caller

    def check_fresh(self) -> None:
        """Refuse what has become too old while it was looked at. Raises -1021."""
        if self.validity is not None:
            self.validity.check_fresh(microseconds_now())


@dataclass(frozen=True, slots=True)
class Later:
    """What is left of an act once it is committed: wait for the book, then say what became of it."""

    finish: Callable[[], Any]


#: Returns what is sent as JSON, or its bytes; or a Later that does.
Handler = Callable[[Call], Any]
Weight = int | Callable[[Parameters], int]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A function with what must be known before it is called."""

    handler: Handler
    accepts: frozenset[str]
    weight: Weight
    security: Security
    asked: Asked


def endpoint(
    *names: str,
    weight: Weight = 1,
    security: Security = Security.NONE,
    asked: Asked = Asked.LOOK,
    more: Iterable[str] = (),
) -> Callable[[Handler], Endpoint]:
    """Make a function an endpoint that takes the parameters `names` and `more`."""
    accepts = frozenset((*names, *more))
    if security is not Security.NONE:
        accepts |= _SIGNED

    def make(handler: Handler) -> Endpoint:
        return Endpoint(handler, accepts, weight, security, asked)

    return make


def serve(**methods: Endpoint) -> Callable[[HttpRequest], HttpResponse]:
    """A view that answers these methods."""

    def view(request: HttpRequest) -> HttpResponse:
        found = methods.get(request.method or "")
        headers: dict[str, str] = {}
        try:
            answer = finished(_answer(request, found, headers))
            body = answer if isinstance(answer, bytes) else orjson.dumps(answer)
            status = int(HTTPStatus.OK)
        except Exception as error:  # noqa: BLE001 - each has an answer
            failed = failure(error, found.asked if found else Asked.LOOK)
            headers |= failed.headers
            body, status = orjson.dumps(failed.body()), failed.status
        return HttpResponse(body, status=status, headers=headers, content_type="application/json")

    return csrf_exempt(view)


def _answer(request: HttpRequest, found: Endpoint | None, headers: dict[str, str]) -> Any:
    now = microseconds_now()
    address = client_address(request) or "unknown"
    query = request.META.get("QUERY_STRING", "")
    try:
        body = b"" if request.method == "GET" else request.body
        parameters = Parameters(read_pairs(query, body))
        weight = _weight(found, parameters)
    except BinanceError:
        _count(headers, address, request, 1, now)
        raise
    _count(headers, address, request, weight, now)
    if found is None:
        raise errors.not_supported()
    parameters.check_known(found.accepts)
    call = Call(parameters, _clock(request), now, headers)
    if found.security is not Security.NONE:
        request_signed = signed(query.encode("latin-1"), body)
        call.validity, call.name = Validity.of(parameters), request_signed.name
        call.caller = let_in(
            request.META.get("HTTP_X_MBX_APIKEY", ""),
            address=client_address(request),
            security=found.security,
            signed=[request_signed],
            validity=call.validity,
            now=now,
        )
    return found.handler(call)


def finished(answer: Any) -> Any:
    """What is sent, after whatever waiting is left."""
    return answer.finish() if isinstance(answer, Later) else answer


def _count(headers: dict[str, str], address: str, request: HttpRequest, weight: int, now: int) -> None:
    used = limits.use_weight(address, weight, cancels=request.method == "DELETE", now=now / 1_000_000)
    headers[_WEIGHT] = str(used)


def _weight(found: Endpoint | None, parameters: Parameters) -> int:
    return 1 if found is None else weight_of(found, parameters)


def weight_of(found: Endpoint, parameters: Parameters) -> int:
    """What a request weighs. Raises BinanceError where a parameter that says so cannot be read."""
    return found.weight if isinstance(found.weight, int) else found.weight(parameters)


def _clock(request: HttpRequest) -> Clock:
    return Clock.named(request.META.get("HTTP_X_MBX_TIME_UNIT", Clock.MILLISECOND))


def failure(error: Exception, asked: Asked) -> BinanceError:
    """Whatever was raised, as an answer."""
    failed = _translated(error, asked)
    logger.info("refused", code=failed.code, msg=failed.msg, status=failed.status)
    return failed


def _translated(error: Exception, asked: Asked) -> BinanceError:
    if isinstance(error, BinanceError):
        return error
    if isinstance(error, Refusal):
        return translated(error, asked)
    if isinstance(error, RequestDataTooBig):
        return errors.too_many_parameters()
    if isinstance(error, OperationalError | InterfaceError):
        logger.warning("database unavailable", error=str(error).strip())
        # Without a connection nothing was begun; a lost one says nothing about a commit under way.
        return errors.overloaded() if isinstance(error.__cause__, PoolTimeout) else errors.timed_out()
    logger.error("gateway failed", exc_info=error)
    return errors.unknown_error()
