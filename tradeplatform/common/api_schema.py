"""How the OpenAPI document is made from the views: component names, and what every operation may answer."""

from __future__ import annotations

from typing import Any

from drf_spectacular.openapi import AutoSchema

from tradeplatform.common.api_shapes import ProblemShape

_REFUSAL = "A refusal: nothing was stored. `code` is stable and explained in docs/api-errors.md."


class Schema(AutoSchema):
    """Names components by what they are, and adds the one shape of every refusal to every operation."""

    def _get_serializer_name(self, *args: Any, **kwargs: Any) -> str:
        return str(super()._get_serializer_name(*args, **kwargs)).removesuffix("Shape")

    def _get_response_bodies(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        problem = self.resolve_serializer(ProblemShape(), "response")
        content = {"application/problem+json": {"schema": problem.ref}}
        bodies: dict[str, Any] = super()._get_response_bodies(*args, **kwargs)
        return bodies | {"default": {"description": _REFUSAL, "content": content}}
