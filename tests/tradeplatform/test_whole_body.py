"""What nobody has read of a request is taken off the line, for the next request comes after it."""

from __future__ import annotations

from io import BytesIO

from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from tradeplatform.middleware import WholeBodyMiddleware

_BODY = b"x" * 1_500_000


def _refuses(request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=401)


def _post() -> HttpRequest:
    return RequestFactory().post("/", _BODY, content_type="application/json")


def test_a_body_that_was_refused_unread_is_read_to_its_end() -> None:
    request = _post()

    assert WholeBodyMiddleware(_refuses)(request).status_code == 401
    assert request.read() == b""


def test_a_body_that_was_read_in_part_is_read_to_its_end() -> None:
    def reads_a_little(request: HttpRequest) -> HttpResponse:
        return HttpResponse(request.read(10))

    request = _post()

    assert WholeBodyMiddleware(reads_a_little)(request).content == _BODY[:10]
    assert request.read() == b""


def test_a_view_gets_the_body_first() -> None:
    request = RequestFactory().post("/", b"abc", content_type="application/json")

    assert WholeBodyMiddleware(lambda request: HttpResponse(request.body))(request).content == b"abc"


def test_a_caller_that_is_gone_costs_no_answer() -> None:
    class BrokenLine(BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError

    request = _post()
    request._stream = BrokenLine()

    assert WholeBodyMiddleware(_refuses)(request).status_code == 401
