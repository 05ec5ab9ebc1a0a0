"""Every way a call can fail is answered in one shape, with a stable code and the caller's correlation id."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from tradeplatform.common.api_errors import problem
from tradeplatform.common.errors import Code, Refusal

pytestmark = pytest.mark.urls("tests.tradeplatform.error_urls")

ID = "desk-7:order-41"


@pytest.fixture
def api(client: Client) -> Client:
    """A client that gets answers, not exceptions, as the world does."""
    client.raise_request_exception = False
    return client


def get(api: Client, path: str) -> tuple[int, dict[str, Any]]:
    """The status and the problem, after checking what is common to all."""
    answer = api.get(path, headers={"x-correlation-id": ID})
    body = json.loads(answer.content)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["X-Correlation-ID"] == ID
    assert set(body) == {"type", "title", "status", "code", "detail", "context", "correlation_id"}
    assert body["correlation_id"] == ID
    assert body["status"] == answer.status_code
    assert body["type"] == f"urn:tradeplatform:problem:{body['code']}"
    assert "secret" not in answer.content.decode()
    return answer.status_code, body


def test_a_refusal_tells_code_sentence_and_numbers(api: Client) -> None:
    status, body = get(api, "/api/v1/fail/refusal")
    assert status == 400
    assert body["code"] == "insufficient_funds"
    assert body["title"] == "Insufficient funds"
    assert body["detail"] == "You have 5 USD and need 7."
    assert body["context"] == {"available": "5", "required": "7"}


@pytest.mark.parametrize(
    ("code", "title"),
    [
        (Code.API_KEY_LABEL_TAKEN, "API key label taken"),
        (Code.TOO_MANY_API_KEYS, "Too many API keys"),
        (Code.API_KEY_WRONG_IP, "API key wrong IP"),
        (Code.MALFORMED_JSON, "Malformed JSON"),
        (Code.KYC_LIMIT_EXCEEDED, "KYC limit exceeded"),
        (Code.CLIENT_ORDER_ID_CONFLICT, "Client order id conflict"),
    ],
)
def test_a_title_writes_abbreviations_as_people_do(code: Code, title: str) -> None:
    assert problem(Refusal(code, "No."))["title"] == title


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/v1/fail/missing", 404, "not_found"),
        ("/api/v1/fail/forbidden", 403, "permission_denied"),
        ("/api/v1/fail/throttled", 429, "throttled"),
        ("/api/v1/fail/database", 503, "unavailable"),
        ("/api/v1/fail/fault", 500, "internal_error"),
        ("/api/v1/nothing-here", 404, "not_found"),
        ("/api/v1/echo", 405, "method_not_allowed"),
        ("/api/v1/closed", 401, "not_authenticated"),
    ],
)
def test_each_failure_has_its_status_and_code(api: Client, path: str, status: int, code: str) -> None:
    found, body = get(api, path)
    assert (found, body["code"]) == (status, code)


def test_a_lost_database_is_an_unknown_outcome_and_says_when_to_ask_again(api: Client) -> None:
    answer = api.get("/api/v1/fail/database")
    assert answer.headers["Retry-After"] == "1"
    assert "unknown" in answer.json()["detail"]
    assert "10.0.0.7" not in answer.content.decode()


def test_a_throttled_caller_learns_how_long_to_wait(api: Client) -> None:
    assert api.get("/api/v1/fail/throttled").headers["Retry-After"] == "5"


def test_who_is_not_logged_in_is_told_how(api: Client) -> None:
    answer = api.get("/api/v1/closed")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.json()["detail"] == (
        "Log in (POST /api/v1/auth/login) and send its access token, or sign with an API key."
    )


def test_a_wrong_field_is_named_with_its_path(api: Client) -> None:
    body = {"symbol": "BTCUSD", "legs": [{"quantity": "1.00"}, {"quantity": "lots"}]}
    answer = api.post("/api/v1/echo", body, content_type="application/json")
    assert answer.status_code == 400
    problem = answer.json()
    assert problem["code"] == "invalid_field"
    assert problem["detail"] == "legs.1.quantity: A valid number is required."
    assert problem["context"]["fields"]["legs"]["1"]["quantity"][0]["code"] == "invalid"


def test_a_host_that_is_not_ours_is_refused_in_the_same_shape(api: Client) -> None:
    answer = api.get("/api/v1/echo", headers={"host": "evil.example.com"})
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid_field"


def test_another_media_type_is_refused(api: Client) -> None:
    answer = api.post("/api/v1/echo", "symbol=BTCUSD", content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 415
    assert answer.json()["code"] == "unsupported_media_type"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "invalid_field"),
        (b"{", 400, "malformed_json"),
        (b"symbol: BTCUSD", 400, "malformed_json"),
        (b'{"symbol": NaN}', 400, "malformed_json"),
        (b'{"symbol": -Infinity}', 400, "malformed_json"),
        (b'{"symbol": "A", "symbol": "B"}', 400, "malformed_json"),
        (b'{"symbol": "\xff"}', 400, "malformed_json"),
        (b"[" * 33 + b"]" * 33, 400, "malformed_json"),
        (b"[" * 1_000 + b"]" * 1_000, 400, "malformed_json"),
        (b"[" * 400_000, 400, "malformed_json"),
        (b'{"n": ' + b"9" * 5_000 + b"}", 400, "malformed_json"),
        (b'"' + b"x" * 1_000_000 + b'"', 413, "body_too_large"),
        (b" " * 10_000_000, 413, "body_too_large"),
        (b'{"symbol": "\\u0000", "legs": []}', 400, "invalid_field"),
        (b'{"symbol": "\\ud800", "legs": []}', 400, "malformed_json"),
        (b'{"symbol": 1e5, "legs": []}', 400, "invalid_number"),
    ],
)
def test_a_bad_body_is_refused_with_its_code(api: Client, body: bytes, status: int, code: str) -> None:
    answer = api.post("/api/v1/echo", body, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    # The process is unharmed: the next call is answered.
    good = {"symbol": "BTCUSD", "legs": []}
    assert api.post("/api/v1/echo", good, content_type="application/json").json() == good
