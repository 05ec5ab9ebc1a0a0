"""An answer's bytes, as if Django had served the request; then its line in the log, and its count."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from functools import cache
from http import HTTPStatus

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import resolve
from django.utils.module_loading import import_string
from gunicorn.http.wsgi import SERVER
from gunicorn.util import http_date

from tradeplatform.common.addresses import client_address
from tradeplatform.common.asked import Answer, Asked
from tradeplatform.system.requests import count

#: Of all middleware, what adds to an answer that is no page, without looking at who asked.
_ADDING = frozenset(
    {
        "django.middleware.security.SecurityMiddleware",
        "corsheaders.middleware.CorsMiddleware",
        "csp.middleware.CSPMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    }
)
_NOT_SENT = frozenset({"Content-Type", "Content-Length"})

_log = structlog.get_logger(__name__)


def encoded(asked: Asked, answer: Answer, *, close: bool) -> bytes:
    """The whole of an answer; `close`: the connection ends with it."""
    status = HTTPStatus(answer.status)
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nServer: {SERVER}\r\nDate: {http_date()}\r\n"
        f"Connection: {'close' if close else 'keep-alive'}\r\nContent-Type: {answer.content_type}\r\n"
        f"Content-Length: {len(answer.body)}\r\nX-Correlation-ID: {asked.correlation_id}\r\n"
    )
    more = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
    standing = _standing(_form_of(asked.http.path), asked.http.scheme or "")
    return f"{head}{more}{standing}\r\n".encode("latin-1") + answer.body


_NUMBER = re.compile("[0-9]+$")


def _form_of(path: str) -> str:
    """A path that stands for all that name another order."""
    return _NUMBER.sub("1", path)


@cache
def _standing(path: str, scheme: str) -> str:
    """The headers that every answer of a door has, from the middleware and the view that add them."""
    request = HttpRequest()
    request.method, request.path, request.path_info = "POST", path, path
    request.META = {"HTTP_HOST": "localhost"}
    if scheme == "https" and (header := settings.SECURE_PROXY_SSL_HEADER):
        request.META[header[0]] = header[1]
    view = resolve(path).func.view_class()  # type: ignore[attr-defined]
    view.setup(request)
    answer: Callable[[HttpRequest], HttpResponse] = lambda _request: HttpResponse(  # noqa: E731
        headers={"Allow": ", ".join(view.allowed_methods)}
    )
    for name in reversed(settings.MIDDLEWARE):
        if name in _ADDING:
            answer = import_string(name)(answer)
    headers = answer(request).items()
    return "".join(f"{name}: {value}\r\n" for name, value in headers if name not in _NOT_SENT)


def note(asked: Asked, answer: Answer, user_id: int | None, *, began: float, began_at: int) -> None:
    """Log and count a request that was answered; `began` is a perf_counter, `began_at` a time_ns."""
    http = asked.http
    _log.info(
        "request_finished",
        code=answer.status,
        request=f"{http.method} {http.META['RAW_URI']}",
        request_id=asked.correlation_id,
        user_id=user_id,
        ip=client_address(http),
    )
    count(
        http,
        answer.status,
        route=_route(_form_of(http.path)),
        seconds=time.perf_counter() - began,
        began_at=began_at,
        correlation_id=asked.correlation_id,
    )


@cache
def _route(path: str) -> str:
    return str(resolve(path).route)
