"""How answers look, for the API's document: pages, decimal strings, and the one shape of every refusal.

These serializers describe; the answers themselves are made by each app's rendering and checked against
the document in the tests.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from tradeplatform.common.errors import Code

ERROR_CODES = [(code.value, code.value) for code in Code]


@extend_schema_field({"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$", "examples": ["50000.00"]})
class DecimalText(serializers.CharField):
    """A decimal as fixed-point text."""


@extend_schema_field(
    {"type": ["string", "null"], "pattern": r"^-?[0-9]+(\.[0-9]+)?$", "examples": ["50000.00"]}
)
class DecimalTextOrNull(serializers.CharField):
    """A decimal as fixed-point text, or null."""


@extend_schema_field({"type": "string", "pattern": r"^[0-9]+$", "examples": ["1024"]})
class IdText(serializers.CharField):
    """An id as text: ids may need more bits than a JavaScript number has."""


class ProblemShape(serializers.Serializer[Any]):
    """Every refusal (RFC 9457). `code` is stable; `context` holds the numbers that explain it."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    code = serializers.ChoiceField(choices=ERROR_CODES)
    detail = serializers.CharField(help_text="A sentence for people; it may change.")
    context = serializers.DictField()  # type: ignore[assignment]  # the stubs' own attribute of that name
    correlation_id = serializers.CharField(help_text="Also the header X-Correlation-ID: quote it to support.")


@cache
def page_of(shape: type[serializers.Serializer[Any]]) -> type[serializers.Serializer[Any]]:
    """A page of rows of this shape."""
    fields = {
        "results": shape(many=True),
        "next_cursor": serializers.CharField(
            allow_null=True, help_text="Pass it as `cursor` to read on; null at the end."
        ),
    }
    return type(_name(shape, "Page"), (serializers.Serializer,), {"__doc__": "One page of a list.", **fields})


@cache
def list_of(shape: type[serializers.Serializer[Any]]) -> type[serializers.Serializer[Any]]:
    """A list that is short by nature and comes whole."""
    fields = {"__doc__": "A whole list.", "results": shape(many=True)}
    return type(_name(shape, "List"), (serializers.Serializer,), fields)


def _name(shape: type[serializers.Serializer[Any]], suffix: str) -> str:
    return f"{shape.__name__.removesuffix('Shape')}{suffix}"
