"""The OpenAPI document: committed, true, complete, with a page; and the list of refusal codes beside it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiYamlRenderer
from drf_spectacular.validation import validate_schema

from tests.api.document import PATH, document, validate
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.config import BASE_DIR


def _generated() -> dict[str, Any]:
    generator: Any = SchemaGenerator  # drf-spectacular has no annotations
    schema: dict[str, Any] = generator().get_schema(request=None, public=True)
    return schema


def _routes(patterns: list[URLPattern | URLResolver], prefix: str = "") -> list[str]:
    found: list[str] = []
    for pattern in patterns:
        path = prefix + str(pattern.pattern)
        found += _routes(pattern.url_patterns, path) if isinstance(pattern, URLResolver) else [path]
    return found


class TestDocument:
    def test_is_what_the_code_says(self) -> None:
        renderer: Any = OpenApiYamlRenderer()
        generated = renderer.render(_generated(), renderer_context={}).decode()

        assert PATH.read_text() == generated, "run `manage.py spectacular --file docs/openapi.yaml`"

    def test_is_valid_openapi(self) -> None:
        validate_schema(_generated())  # type: ignore[no-untyped-call]

    def test_names_every_route(self) -> None:
        routes = [route for route in _routes(get_resolver().url_patterns) if route.startswith("api/v1/")]

        documented = set(document()["paths"])

        assert {"/" + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route) for route in routes} == documented

    def test_gives_every_operation_a_name_of_its_own_a_tag_and_a_sentence(self) -> None:
        operations = [one for path in document()["paths"].values() for one in path.values()]

        names = [operation["operationId"] for operation in operations]

        assert len(set(names)) == len(names)
        assert all(re.fullmatch(r"[a-z]+(_[a-z]+)+", name) for name in names)
        assert all(operation["tags"] and operation["description"] for operation in operations)

    def test_names_the_problem_answer_everywhere(self) -> None:
        operations = [one for path in document()["paths"].values() for one in path.values()]

        assert all("application/problem+json" in one["responses"]["default"]["content"] for one in operations)

    def test_has_examples_that_fit(self) -> None:
        bodies = [
            body
            for path in document()["paths"].values()
            for operation in path.values()
            for part in (operation.get("requestBody", {}), *operation["responses"].values())
            for body in part.get("content", {}).values()
        ]
        examples = [
            (one["value"], body["schema"]) for body in bodies for one in body.get("examples", {}).values()
        ]

        assert len(examples) == 20
        for value, schema in examples:
            validate(value, schema)

    def test_is_served_with_a_page(self, client: Client) -> None:
        page = client.get("/api/docs")
        script = client.get("/api/docs?script=")

        assert page.status_code == script.status_code == 200
        assert "swagger-ui" in page.content.decode()
        # The content security policy lets no inline script run, so there must be none.
        assert not re.search(r"<script>", page.content.decode())


class TestRefusals:
    @pytest.mark.parametrize("code", list(Code))
    def test_each_code_is_explained_with_its_status(self, code: Code) -> None:
        rows = re.findall(
            r"^\| `(\w+)` \| (\d+) \| (.+) \|$", (BASE_DIR / "docs/api-errors.md").read_text(), re.MULTILINE
        )

        explained = [(status, sentence) for name, status, sentence in rows if name == code]

        assert len(explained) == 1
        assert explained[0][0] == str(Refusal(code, "").status)

    def test_no_code_is_explained_that_does_not_exist(self) -> None:
        text = (BASE_DIR / "docs/api-errors.md").read_text()

        assert set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) == set(Code)
