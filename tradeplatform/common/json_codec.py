"""JSON at the API's edge: exact numbers in, exact strings out, and no body that could hurt the process."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import IO, Any, NoReturn

import orjson
from django.conf import settings
from django.utils.functional import Promise
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer

from tradeplatform.common.errors import Code, Refusal

MAX_DEPTH = 32

_HALF_CHARACTER = re.compile(r"\\u[dD][89a-fA-F]")


class RepeatedKeyError(ValueError):
    """An object has a key twice: nobody can tell which was meant."""


def read(
    text: str,
    *,
    parse_int: Callable[[str], Any] = int,
    parse_float: Callable[[str], Any] = Decimal,
) -> Any:
    """Parse JSON as every door takes it, whatever it says of what is none.

    Raises ValueError: json.JSONDecodeError, which knows the place; RepeatedKeyError; and for NaN and the
    infinities, half of a character, and nesting that is too deep to be read.
    """
    try:
        value = json.loads(
            text,
            parse_int=parse_int,
            parse_float=parse_float,
            parse_constant=_no_constant,
            object_pairs_hook=_once,
        )
        if _HALF_CHARACTER.search(text):
            # An escape can name half of a pair, which no database column and no answer can hold.
            json.dumps(value, ensure_ascii=False, default=str).encode()
    except RecursionError:
        msg = "it is nested too deeply"
        raise ValueError(msg) from None
    return value


def decode(body: bytes, *, what: str = "body") -> Any:
    """Parse UTF-8 JSON; a number with a fraction becomes a Decimal. Raises Refusal.

    malformed_json: not JSON, NaN or an infinity, a key given twice in one object, half of a character, or
    nesting deeper than MAX_DEPTH. invalid_number: a number with an exponent (1e5 is written 100000).
    `what` the sentence calls it.
    """
    try:
        value = read(body.decode("utf-8"), parse_float=_number)
    except ValueError as error:
        message = f"The {what} is not JSON: {error}."
        raise Refusal(Code.MALFORMED_JSON, message) from None
    if _is_too_deep(value):
        message = f"The {what} is nested deeper than {MAX_DEPTH} levels."
        raise Refusal(Code.MALFORMED_JSON, message, limit=MAX_DEPTH)
    return value


def encode(data: Any) -> bytes:
    """Render to JSON; decimals become fixed-point strings, never exponents."""
    return orjson.dumps(data, default=_plain, option=orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS)


class JSONParser(BaseParser):
    """Reads at most DATA_UPLOAD_MAX_MEMORY_SIZE bytes."""

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """Return the parsed body; raises Refusal BODY_TOO_LARGE or MALFORMED_JSON."""
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        body = stream.read(limit + 1)
        if len(body) > limit:
            message = f"The body is larger than {limit} bytes: send it in parts."
            raise Refusal(Code.BODY_TOO_LARGE, message, limit=limit)
        return decode(body)


class JSONRenderer(BaseRenderer):
    """Writes with orjson."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Return the body; empty for None."""
        return b"" if data is None else encode(data)


def _plain(value: object) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, Promise):
        return str(value)
    raise TypeError(type(value).__name__)


def _number(text: str) -> Decimal:
    if "e" in text or "E" in text:
        sentence = "Numbers are written out, without an exponent."
        raise Refusal(Code.INVALID_NUMBER, sentence, number=text[:64])
    return Decimal(text)


def _no_constant(name: str) -> NoReturn:
    msg = f"{name} is not a number"
    raise ValueError(msg)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        msg = "a key is given twice"
        raise RepeatedKeyError(msg)
    return found


def _is_too_deep(value: Any) -> bool:
    level, depth = [value], 0
    while level := [node for node in level if isinstance(node, dict | list)]:
        depth += 1
        if depth > MAX_DEPTH:
            return True
        level = [child for node in level for child in (node.values() if isinstance(node, dict) else node)]
    return False
