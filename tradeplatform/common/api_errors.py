"""Every "no" of the API in one shape: RFC 9457 problem details with a stable code and the correlation id."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404, JsonResponse
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from tradeplatform.common.correlation import correlation_id
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.wording import in_words

CONTENT_TYPE = "application/problem+json"

_log = structlog.get_logger(__name__)

_NO_CREDENTIALS = "Log in (POST /api/v1/auth/login) and send its access token, or sign with an API key."

#: What the framework itself raises, as a code of ours; the sentence is the framework's.
_FRAMEWORK: dict[type[Exception], Code] = {
    exceptions.ParseError: Code.MALFORMED_JSON,
    exceptions.UnsupportedMediaType: Code.UNSUPPORTED_MEDIA_TYPE,
    exceptions.NotAcceptable: Code.NOT_ACCEPTABLE,
    exceptions.NotAuthenticated: Code.NOT_AUTHENTICATED,
    exceptions.AuthenticationFailed: Code.NOT_AUTHENTICATED,
    exceptions.PermissionDenied: Code.PERMISSION_DENIED,
    exceptions.NotFound: Code.NOT_FOUND,
    exceptions.MethodNotAllowed: Code.METHOD_NOT_ALLOWED,
    exceptions.Throttled: Code.THROTTLED,
}


def problem(refusal: Refusal, *, status: int | None = None) -> dict[str, Any]:
    """The body of a refusal. `detail` is for people, `code` and `context` are for programs."""
    return {
        "type": f"urn:tradeplatform:problem:{refusal.code}",
        "title": in_words(refusal.code),
        "status": status or refusal.status,
        "code": str(refusal.code),
        "detail": refusal.message,
        "context": refusal.context,
        "correlation_id": correlation_id(),
    }


def problem_response(refusal: Refusal) -> JsonResponse:
    """The same outside of DRF, where there is no renderer."""
    return JsonResponse(problem(refusal), status=refusal.status, content_type=CONTENT_TYPE)


def problem_details_handler(exc: Exception, context: Mapping[str, Any]) -> Response | None:
    """DRF's exception hook. None means a fault of ours, which Django's 500 handler reports."""
    refusal, headers = as_refusal(exc)
    if refusal is None:
        return None
    set_rollback()
    body = problem(refusal)
    view = context.get("view")
    _log.info("refused", code=body["code"], status=body["status"], view=type(view).__name__)
    return Response(body, status=body["status"], headers=headers, content_type=CONTENT_TYPE)


def refused(refusal: Refusal) -> JsonResponse:
    """The answer of a door that stands before the views."""
    body = problem(refusal)
    return JsonResponse(body, status=body["status"], content_type=CONTENT_TYPE, headers=headers_of(refusal))


def headers_of(refusal: Refusal) -> dict[str, str]:
    """What a refusal says in headers as well: how to authenticate, when to come back."""
    headers: dict[str, str] = {}
    if refusal.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="api"'
    if "retry_after" in refusal.context:
        headers["Retry-After"] = str(refusal.context["retry_after"])
    return headers


def failed() -> Refusal:
    """The refusal of what failed by a fault of ours, which the log knows by the correlation id."""
    message = "Something failed on our side and the outcome is unknown: ask again by your own id."
    return Refusal(Code.INTERNAL_ERROR, message)


def as_refusal(exc: BaseException) -> tuple[Refusal | None, dict[str, str]]:
    """What an exception means to the caller, and headers that say it as well; None: a fault of ours."""
    if isinstance(exc, Refusal):
        return exc, headers_of(exc)
    if isinstance(exc, Http404):
        return Refusal(Code.NOT_FOUND, "There is nothing here, or it is not yours."), {}
    if isinstance(exc, PermissionDenied):
        return Refusal(Code.PERMISSION_DENIED, "You may not do this."), {}
    if isinstance(exc, exceptions.ValidationError):
        return Refusal(Code.INVALID_FIELD, _first_sentence(exc.detail), fields=exc.get_full_details()), {}
    if isinstance(exc, OperationalError | InterfaceError):
        # A lost connection says nothing about a commit that was under way.
        _log.warning("database unavailable", error=str(exc).strip())
        sentence = "The outcome is unknown because the database did not answer: ask again by your own id."
        return Refusal(Code.UNAVAILABLE, sentence), {"Retry-After": "1"}
    if isinstance(exc, exceptions.NotAuthenticated):
        return Refusal(Code.NOT_AUTHENTICATED, _NO_CREDENTIALS), _headers(exc)
    for kind, code in _FRAMEWORK.items():
        if isinstance(exc, exceptions.APIException) and isinstance(exc, kind):
            return Refusal(code, _first_sentence(exc.detail)), _headers(exc)
    return None, {}


def _headers(exc: exceptions.APIException) -> dict[str, str]:
    headers: dict[str, str] = {}
    if exc.status_code == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = getattr(exc, "auth_header", None) or "Bearer"
    wait = getattr(exc, "wait", None)
    if wait is not None:
        headers["Retry-After"] = str(int(wait) + 1)
    return headers


def _first_sentence(detail: Any, path: str = "") -> str:
    """The first message in a nest of lists and dicts, with the path of the field it is about."""
    if isinstance(detail, Mapping):
        if isinstance(detail.get("detail"), str):
            return str(detail["detail"])
        name, inner = next(iter(detail.items()))
        return _first_sentence(inner, f"{path}.{name}" if path else str(name))
    if isinstance(detail, list):
        index, inner = next((pair for pair in enumerate(detail) if pair[1]), (0, "Invalid."))
        nested = isinstance(inner, Mapping | list)
        return _first_sentence(inner, f"{path}[{index}]" if nested else path)
    return f"{path}: {detail}" if path else str(detail)
