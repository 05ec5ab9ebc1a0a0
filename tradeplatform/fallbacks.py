"""Answers to what no view answered: the API's in its error format, the desk's in its look, others bare."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views import defaults

from tradeplatform.common.api_errors import CONTENT_TYPE, failed, headers_of, problem
from tradeplatform.common.correlation import bind
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.gateways.binance.refusals import translated


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400: the request was refused before a view saw it."""
    return _answer(request, _unreadable(), HTTPStatus.BAD_REQUEST, defaults.bad_request, exception)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403."""
    refusal = Refusal(Code.PERMISSION_DENIED, "You may not do this.")
    return _answer(request, refusal, HTTPStatus.FORBIDDEN, _page_denied, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404: no such address."""
    refusal = Refusal(Code.NOT_FOUND, "There is nothing at this address: /api/docs lists those there are.")
    return _answer(request, refusal, HTTPStatus.NOT_FOUND, _page_not_found, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """500: a fault of ours, which the log knows by the correlation id."""
    return _answer(request, failed(), HTTPStatus.INTERNAL_SERVER_ERROR, defaults.server_error)


def unreadable(status: HTTPStatus) -> HttpResponse:
    """400, 414, 431: what was sent is no request, or its head is too long; nobody has looked at it."""
    return _unseen(_unreadable(), status)


def no_room(path: str, refusal: Refusal) -> HttpResponse:
    """503: there was no room for the request, which nobody has looked at."""
    return _unseen(refusal, refusal.status, as_binance=path.startswith(("/api/v3/", "/sapi/")))


def _unseen(refusal: Refusal, status: int, *, as_binance: bool = False) -> HttpResponse:
    """The whole answer to what no middleware has seen, which would have added an id and a length."""
    headers = headers_of(refusal) | {"X-Correlation-ID": bind()}
    if as_binance:
        response = JsonResponse(translated(refusal).body(), status=status, headers=headers)
    else:
        body = problem(refusal, status=status)
        response = JsonResponse(body, status=status, headers=headers, content_type=CONTENT_TYPE)
    response["Content-Length"] = str(len(response.content))
    return response


def _page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if not _at_the_desk(request):
        return defaults.page_not_found(request, exception)
    advice = "The address is mistyped, or the row is not there. Look for it by its number or its name."
    words = {"title": "There is nothing at this address", "advice": advice, "icon": "search_off"}
    return _desk_page(request, words, HTTPStatus.NOT_FOUND)


def _page_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    if not _at_the_desk(request):
        return defaults.permission_denied(request, exception)
    advice = "None of your roles has the right to it. An administrator can grant you one that has."
    words = {"title": "You may not open this page", "advice": advice, "icon": "lock"}
    return _desk_page(request, words, HTTPStatus.FORBIDDEN)


def _at_the_desk(request: HttpRequest) -> bool:
    """Whether the page is asked for by somebody who is signed in to the back office."""
    # What is refused before the sessions are read has no user.
    return (
        request.path.startswith("/admin/") and hasattr(request, "user") and admin.site.has_permission(request)
    )


def _desk_page(request: HttpRequest, words: dict[str, str], status: HTTPStatus) -> HttpResponse:
    return render(request, "backoffice/refused.html", admin.site.each_context(request) | words, status=status)


def _unreadable() -> Refusal:
    return Refusal(Code.INVALID_FIELD, "The request cannot be read: check its headers and its address.")


def _answer(
    request: HttpRequest,
    refusal: Refusal,
    status: HTTPStatus,
    page: Callable[..., HttpResponse],
    *arguments: Any,
) -> HttpResponse:
    if not request.path.startswith("/api/"):
        return page(request, *arguments)
    return JsonResponse(problem(refusal, status=status), status=status, content_type=CONTENT_TYPE)
