"""What clients may say on a stream connection, and the answers. docs/binance.md is the contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from json import JSONDecodeError
from typing import Any

from tradeplatform.common import json_codec
from tradeplatform.gateways.binance.sockets import RequestId, request_id
from tradeplatform.gateways.binance.streams.stream import encode

MAX_STREAMS = 1_024
_COMBINED = "combined"


class Method(StrEnum):
    """What can be asked."""

    SUBSCRIBE = "SUBSCRIBE"
    UNSUBSCRIBE = "UNSUBSCRIBE"
    LIST_SUBSCRIPTIONS = "LIST_SUBSCRIPTIONS"
    SET_PROPERTY = "SET_PROPERTY"
    GET_PROPERTY = "GET_PROPERTY"


class StreamError(Exception):
    """An answer that is no answer, with the code that the document has for it."""

    def __init__(self, code: int, msg: str, request: RequestId = None) -> None:
        super().__init__(msg)
        self.code = code
        self.msg = msg
        self.request = request


@dataclass(frozen=True, slots=True)
class Request:
    """A request that was understood. `streams` of the first two methods, `combined` of SET_PROPERTY."""

    method: Method
    id: RequestId
    streams: tuple[str, ...] = ()
    combined: bool = False


def parse(text: str) -> Request:
    """What the message asks for. Raises StreamError."""
    try:
        message = json_codec.read(text)
    except json_codec.RepeatedKeyError:
        raise _invalid("duplicate field") from None
    except JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise StreamError(3, f"Invalid JSON: expected value at {where}") from None
    except ValueError as error:
        raise StreamError(3, f"Invalid JSON: {error}") from None
    if not isinstance(message, dict):
        raise _invalid("expected an object")
    try:
        request = request_id(message)
    except ValueError:
        raise _invalid("request ID must be an unsigned integer") from None
    try:
        return _request(message, request, text)
    except StreamError as error:
        error.request = request
        raise


def _request(message: Mapping[str, Any], request: RequestId, text: str) -> Request:
    if message.keys() - {"method", "params", "id"}:
        raise _invalid("too many parameters")
    if "method" not in message:
        raise _invalid(f"missing field `method` at line 1 column {len(text)}")
    word = message["method"]
    if not isinstance(word, str) or word not in list(Method):
        known = ", ".join(f"`{method}`" for method in Method)
        column = text.find(":", text.find('"method"')) + 1
        raise _invalid(f"unknown variant `{word}`, expected one of {known} at line 1 column {column}")
    method, params = Method(word), message.get("params", [])
    if not isinstance(params, list):
        raise _invalid("params must be a list")
    if method in {Method.SUBSCRIBE, Method.UNSUBSCRIBE}:
        return Request(method, request, streams=_names(params))
    if method is Method.LIST_SUBSCRIPTIONS:
        _at_most(params, 0)
        return Request(method, request)
    return Request(method, request, combined=_combined(params, with_value=method is Method.SET_PROPERTY))


def _combined(params: Sequence[Any], *, with_value: bool) -> bool:
    """The value for the one property that there is, where one is given."""
    _at_most(params, 1 + with_value)
    if not params or not isinstance(params[0], str):
        raise _invalid("property name must be a string")
    if params[0] != _COMBINED:
        raise StreamError(0, "Unknown property")
    value = params[-1] if with_value else False
    if not isinstance(value, bool):
        raise StreamError(1, "Invalid value type: expected Boolean")
    return value


def _names(params: Sequence[Any]) -> tuple[str, ...]:
    for name in params:
        if not isinstance(name, str):
            raise _invalid("stream name must be a string")
    return tuple(dict.fromkeys(params))


def _at_most(params: Sequence[Any], most: int) -> None:
    if len(params) > most:
        raise _invalid("too many parameters")


def unknown_stream(name: str) -> StreamError:
    """Nothing is called so."""
    return _invalid(f"invalid stream `{name[:64]}`")


def too_many_streams() -> StreamError:
    """More than a connection may have."""
    return _invalid(f"at most {MAX_STREAMS} streams a connection")


def unavailable() -> StreamError:
    """The database, or the market's publisher, does not answer: try again."""
    return StreamError(-1008, "Server is currently overloaded with other requests. Please try again later.")


def _invalid(why: str) -> StreamError:
    return StreamError(2, f"Invalid request: {why}")


def answer(request: RequestId, result: Any = None) -> str:
    """What was asked is done, or told."""
    return encode({"result": result, "id": request})


def refusal(error: StreamError) -> str:
    """What was asked is not done."""
    return encode({"error": {"code": error.code, "msg": error.msg}, "id": error.request})
