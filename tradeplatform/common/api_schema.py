"""Finishing touches on the OpenAPI document: what every operation may answer besides its own."""

from __future__ import annotations

from typing import Any

_REFUSAL = {
    "description": "A refusal: `code` is stable and listed in docs/api-errors.md. Nothing was stored.",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


def every_refusal(result: dict[str, Any], **_context: Any) -> dict[str, Any]:
    """Add the problem response, once, as the default of every operation."""
    for operations in result["paths"].values():
        for operation in operations.values():
            operation["responses"]["default"] = _REFUSAL
    return result
