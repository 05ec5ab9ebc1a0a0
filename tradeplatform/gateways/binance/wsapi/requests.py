"""Requests as clients send them: JSON whose parameters are read as the text they are written in.

Numbers stay as they came: `0.10` is signed as `0.10`, and no price ever is a float.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from tradeplatform.common import json_codec
from tradeplatform.gateways.binance import errors
from tradeplatform.gateways.binance.errors import BinanceError
from tradeplatform.gateways.binance.signing import Signed
from tradeplatform.gateways.binance.sockets import RequestId, request_id

_SIGNATURE = "signature"
_KEYS = frozenset({"id", "method", "params"})


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for: a method, and its parameters by name, each as text."""

    id: RequestId
    method: str
    params: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The same for a copy of the request, and for nothing else; as Signed.name."""
        return Signed(urlencode(self._pairs()).encode(), "").name

    def signed(self) -> Iterator[Signed]:
        """What the client may have signed: parameters sorted by name, as they are, or percent-encoded.

        Both are read: the document has changed from the one to the other. Text that could be taken apart in
        two ways is read encoded alone. Raises -1102 where there is no signature.
        """
        signature = self.params.get(_SIGNATURE)
        if not signature:
            raise errors.mandatory(_SIGNATURE)
        pairs = self._pairs()
        plain, encoded = "&".join(f"{name}={value}" for name, value in pairs), urlencode(pairs)
        if not any("&" in text or "=" in text for pair in pairs for text in pair):
            yield Signed(plain.encode(), signature)
        if encoded != plain:
            yield Signed(encoded.encode(), signature)

    def _pairs(self) -> list[tuple[str, str]]:
        return sorted((name, value) for name, value in self.params.items() if name != _SIGNATURE)


class _Number(str):
    """A number of JSON, as it was written."""

    __slots__ = ()


def read(text: str) -> Request:
    """A message as a request. Raises Unreadable."""
    try:
        found = json_codec.read(text, parse_int=_Number, parse_float=_Number)
    except json_codec.RepeatedKeyError:
        raise Unreadable(errors.given_twice()) from None
    except ValueError:
        raise Unreadable(errors.bad_request()) from None
    if not isinstance(found, dict):
        raise Unreadable(errors.bad_request())
    number = _id(found)
    method, params = found.get("method"), found.get("params", {})
    if not isinstance(method, str) or isinstance(method, _Number):
        raise Unreadable(errors.mandatory("method"), number)
    if not isinstance(params, dict):
        raise Unreadable(errors.mandatory("params"), number)
    if not found.keys() <= _KEYS:
        raise Unreadable(errors.too_many_parameters(), number)
    try:
        return Request(number, method, {name: _text(name, value) for name, value in params.items()})
    except BinanceError as error:
        raise Unreadable(error, number) from None


class Unreadable(Exception):  # noqa: N818 - a state of affairs
    """A message is no request; what is answered, to the id it has if that could be read."""

    def __init__(self, error: BinanceError, number: RequestId = None) -> None:
        super().__init__(error.msg)
        self.error = error
        self.number = number


def _id(message: Mapping[str, Any]) -> RequestId:
    found = message.get("id")
    try:
        return request_id({"id": int(found) if isinstance(found, _Number) else found})
    except ValueError:
        raise Unreadable(errors.invalid("id")) from None


def _text(name: str, value: Any) -> str:
    """A parameter as text: of a list, its JSON. Raises -1102 for null, -1130 for an object."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        raise errors.mandatory(name)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    raise errors.invalid(name)
