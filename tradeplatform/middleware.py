"""At the HTTP door: whole bodies, the correlation id, what the log says, how often an address may call."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable

import uuid_utils
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django_structlog.middlewares import RequestMiddleware

from tradeplatform.common.api_errors import refused
from tradeplatform.common.correlation import bind
from tradeplatform.common.errors import Refusal
from tradeplatform.common.throttling import count_address

_HEADER = "X-Correlation-ID"
_SANE = re.compile(r"[A-Za-z0-9._:-]{1,64}")

# Of a body that nobody wanted, this much is read and thrown away.
_MOST_DISCARDED = 16 * 2**20
_CHUNK = 2**16


class WholeBodyMiddleware:
    """Takes what no view has read of a request off the line, so that the connection can carry the next one.

    A body is refused unread for an expired token, a bad signature or its size. The web server itself throws
    away 64 kB, then closes, without a word that would keep a client from sending its next request there.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        """Keep the next handler."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Let the request through, then read its rest."""
        response = self.get_response(request)
        # A caller that is gone meanwhile has no next request.
        with contextlib.suppress(UnreadablePostError):
            for _chunk in range(_MOST_DISCARDED // _CHUNK):
                if not request.read(_CHUNK):
                    break
        return response


def correlation_id_of(request: HttpRequest) -> str:
    """The caller's id of a request, where it is one we may write down; else a fresh one."""
    # Not through request.headers, which would be remembered without what is added to them.
    offered = request.META.get("HTTP_X_CORRELATION_ID", "")
    return offered if _SANE.fullmatch(offered) else uuid_utils.uuid7().hex


class CorrelationMiddleware:
    """Hands django-structlog an id it may trust and puts the same id on the answer."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        """Keep the next handler."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Check or make the id, then let the request through."""
        chosen = correlation_id_of(request)
        request.META["HTTP_X_REQUEST_ID"] = chosen
        # For the answers of those who stand before the log, which starts a context of its own.
        bind(chosen)
        response = self.get_response(request)
        response[_HEADER] = chosen
        return response


class RequestLogMiddleware(RequestMiddleware):
    """django-structlog's, for which a request need not have a known user, and whose line is the only one."""

    def handle_response(self, request: HttpRequest, response: HttpResponse) -> None:
        """As it does; Django writes no second line, as it would of each answer from 500 on."""
        super().handle_response(request, response)
        response._has_been_logged = True  # type: ignore[attr-defined]  # noqa: SLF001 - as its `log_response`

    @staticmethod
    def bind_user_id(request: HttpRequest) -> None:
        """Note whose request it is, if that can be told: looking it up must not undo the answer it had."""
        try:
            RequestMiddleware.bind_user_id(request)
        except DatabaseError:
            return


class AddressLimitMiddleware:
    """Counts what an address asks of API v1, whoever it is, and shuts out one that ignores refusals."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        """Keep the next handler."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Count, then let it through or answer 429 or 418."""
        if request.path.startswith("/api/v1/"):
            try:
                count_address(request)
            except Refusal as refusal:
                return refused(refusal)
        return self.get_response(request)
