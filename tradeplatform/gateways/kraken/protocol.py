"""What clients may say on `/v2`, and the messages they are answered with. docs/kraken.md is the contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import orjson

from orders.feed.protocol import MAX_SUBSCRIPTIONS, Closing, now_text
from tradeplatform.common import json_codec
from tradeplatform.common.errors import Code, Refusal

DEPTHS = (10, 25, 100, 500, 1000)
HEARTBEAT_SECONDS = 1
API_VERSION = "v2"
VERSION = "2.0.0"

_MAX_NAME_LENGTH = 21
_I64_MAX = 2**63 - 1
_HEARTBEAT = '{"channel":"heartbeat"}'

RequestId = int | None


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Send the books of these pairs from now on, each side so deep; the whole at first if `snapshot`."""

    names: tuple[str, ...]
    depth: int
    snapshot: bool


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Send the books of these pairs no more."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ping:
    """Say that you are there."""


Request = Subscribe | Unsubscribe | Ping


def decode(text: str | None) -> dict[str, Any]:
    """The JSON object in a message. Raises Refusal malformed_json."""
    try:
        found = json_codec.read(text or "")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Refusal(Code.MALFORMED_JSON, "Malformed request")
    return found


def request_id(message: Mapping[str, Any]) -> RequestId:
    """The number to repeat in the answer. Raises Refusal invalid_field."""
    found = message.get("req_id")
    if found is not None and not (_is_number(found) and abs(found) <= _I64_MAX):
        _refuse("req_id")
    return found


def parse(message: Mapping[str, Any]) -> Request:
    """What the message asks for. Raises Refusal, whose sentence is the error that is sent."""
    method = message.get("method")
    _only(message, "method", "params", "req_id")
    if method == "ping":
        return Ping()
    if method not in ("subscribe", "unsubscribe"):
        raise Refusal(Code.UNKNOWN_OPERATION, "Unsupported method")
    params = message.get("params")
    if not isinstance(params, dict):
        _refuse("params")
    if params.get("channel") != "book":
        raise Refusal(Code.UNKNOWN_CHANNEL, "Unsupported channel: this server has the channel book")
    _only(params, "channel", "symbol", "depth", "snapshot")
    depth, snapshot = params.get("depth", DEPTHS[0]), params.get("snapshot", True)
    if not _is_number(depth) or depth not in DEPTHS:
        raise Refusal(Code.INVALID_FIELD, "Subscription depth not supported")
    if not isinstance(snapshot, bool):
        _refuse("snapshot")
    names = _names(params)
    return Subscribe(names, depth, snapshot) if method == "subscribe" else Unsubscribe(names)


def _names(params: Mapping[str, Any]) -> tuple[str, ...]:
    found = params.get("symbol")
    if not isinstance(found, list) or not 1 <= len(found) <= MAX_SUBSCRIPTIONS:
        _refuse("symbol")
    for name in found:
        if not isinstance(name, str) or not 0 < len(name) <= _MAX_NAME_LENGTH:
            _refuse("symbol")
    return tuple(dict.fromkeys(found))


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _only(given: Mapping[str, Any], *names: str) -> None:
    """Refuse fields that do not belong: a misspelt one must not pass for one left out."""
    for name in given:
        if name not in names:
            _refuse(name[:32])


def _refuse(field: str) -> NoReturn:
    raise Refusal(Code.INVALID_FIELD, f"Field is missing, unknown or of a wrong type: {field}")


def status(*, live: bool) -> str:
    """How this server is: the first message, and one more whenever it changes."""
    data = {"system": "online" if live else "maintenance", "api_version": API_VERSION, "version": VERSION}
    return _encode({"channel": "status", "type": "update", "data": [data]})


def heartbeat(*, live: bool) -> str:  # noqa: ARG001 - here `status` says it
    """Sign of life."""
    return _HEARTBEAT


def closing(why: Closing) -> None:
    """The close frame has the reason; here no message comes before it."""


def answer(method: str, request: RequestId, *, time_in: str, result: Mapping[str, Any] | None) -> str:
    """The answer to a message that was understood; a pong has no result."""
    done = {} if result is None else {"result": result, "success": True}
    return _encode({"method": method, **done, **_times(request, time_in)})


def error(method: Any, request: RequestId, *, time_in: str, sentence: str, name: str | None = None) -> str:
    """The answer to a message, or to a name in it, that was refused."""
    said = {"method": method} if isinstance(method, str) and len(method) <= _MAX_NAME_LENGTH else {}
    about = {} if name is None else {"symbol": name}
    return _encode({**said, "error": sentence, "success": False, **about, **_times(request, time_in)})


def _times(request: RequestId, time_in: str) -> dict[str, Any]:
    numbered = {} if request is None else {"req_id": request}
    return {**numbered, "time_in": time_in, "time_out": now_text()}


def _encode(message: Mapping[str, Any]) -> str:
    return orjson.dumps(message).decode()
