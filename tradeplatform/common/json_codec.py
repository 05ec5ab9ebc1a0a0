"""JSON at the API's edge: exact numbers in, exact strings out, and no body that could hurt the process."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import IO, Any, NoReturn

import orjson
from django.conf import settings
from django.utils.functional import Promise
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer

from tradeplatform.common.errors import Code, Refusal

MAX_DEPTH = 32

_HALF_CHARACTER = re.compile(rb"\\u[dD][89a-fA-F]")


def decode(body: bytes) -> Any:
    """Parse UTF-8 JSON; a number with a fraction becomes a Decimal. Raises Refusal.

    malformed_json: not JSON, NaN or an infinity, a key given twice in one object, half of a character, or
    nesting deeper than MAX_DEPTH. invalid_number: a number with an exponent (1e5 is written 100000).
    """
    try:
        value = json.loads(
            body.decode("utf-8"),
            parse_float=_number,
            parse_constant=_no_constant,
            object_pairs_hook=_no_repeats,
        )
        if _HALF_CHARACTER.search(body):
            # An escape can name half of a pair, which no database column and no answer can hold.
            json.dumps(value, ensure_ascii=False, default=str).encode()
    except RecursionError:
        _too_deep()
    except ValueError as error:
        message = f"The body is not JSON: {error}."
        raise Refusal(Code.MALFORMED_JSON, message) from None
    _check_depth(value)
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


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        msg = "a key is given twice"
        raise ValueError(msg)
    return found


def _check_depth(value: Any) -> None:
    level, depth = [value], 0
    while level := [node for node in level if isinstance(node, dict | list)]:
        depth += 1
        if depth > MAX_DEPTH:
            _too_deep()
        level = [child for node in level for child in (node.values() if isinstance(node, dict) else node)]


def _too_deep() -> NoReturn:
    raise Refusal(Code.MALFORMED_JSON, f"The body is nested deeper than {MAX_DEPTH} levels.", limit=MAX_DEPTH)
