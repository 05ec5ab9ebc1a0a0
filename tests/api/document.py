"""The committed OpenAPI document as a judge of live answers: nothing undocumented, nothing missing."""

from __future__ import annotations

import copy
import re
from functools import cache
from typing import Any

import yaml
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # comes with drf-spectacular

from tradeplatform.config import BASE_DIR

PATH = BASE_DIR / "docs" / "openapi.yaml"
_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")


@cache
def document() -> dict[str, Any]:
    """The document, with every object closed: a field that it does not name is a fault of the answer."""
    parsed: dict[str, Any] = yaml.safe_load(PATH.read_text())
    for schema in parsed["components"]["schemas"].values():
        if "properties" in schema:
            schema["additionalProperties"] = False
    return parsed


def validate(value: Any, schema: dict[str, Any]) -> None:
    """Fail unless the value fits the schema."""
    whole = copy.copy(schema) | {"components": document()["components"]}
    Draft202012Validator(whole).validate(value)


def operation(route: str, method: str) -> dict[str, Any]:
    """What the document says of a Django route and a method; fails when it says nothing."""
    path = "/" + _PARAMETER.sub(r"{\1}", route)
    found: dict[str, Any] = document()["paths"][path][method.lower()]
    return found


def check(response: Any, route: str, method: str) -> None:
    """Fail unless the answer has a documented status, media type and body."""
    responses = operation(route, method)["responses"]
    described = responses.get(str(response.status_code), responses["default"])
    content = described.get("content")
    if content is None:
        assert not response.content
        return
    ((media_type, body),) = content.items()
    assert response["Content-Type"].partition(";")[0] == media_type, response["Content-Type"]
    if media_type == "text/csv":
        return
    validate(response.json(), body["schema"])
