"""Requests and answers of doors that are asked by many at once, and answer them in lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import structlog
from django.http import HttpRequest

from tradeplatform.common.api_errors import CONTENT_TYPE, as_refusal, failed, problem
from tradeplatform.common.json_codec import encode

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it was sent, its body read; `http` knows its address, headers and caller's address."""

    http: HttpRequest
    body: bytes
    correlation_id: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


class Prepared(Protocol):
    """A request that a door has looked at, and the person it comes from."""

    asked: Asked

    @property
    def user_id(self) -> int | None:
        """Theirs."""


Ready = TypeVar("Ready", bound=Prepared)
Tell = Callable[[Ready, Answer], None]


class ListDoor(Protocol[Ready]):
    """Answers requests of many callers in lists."""

    def prepare(self, asked: Sequence[Asked]) -> list[Ready | None]:
        """Look at each, without doing anything that counts. None: it is for the view, which knows the rest.

        That is everything but what will be done: also what is wrong with a request is said by the view.
        """

    def perform(self, ready: Sequence[Ready], tell: Tell[Ready]) -> None:
        """Do it, and tell each its answer, once; some later, from another thread."""


def answer_of(error: BaseException) -> Answer:
    """The answer to a request that ended with this, as a view's would be; its correlation id is bound."""
    refusal, headers = as_refusal(error)
    if refusal is None:
        _log.error("request_failed", exc_info=error)
        refusal = failed()
    else:
        _log.info("refused", code=refusal.code.value, status=refusal.status)
    return Answer(refusal.status, encode(problem(refusal)), CONTENT_TYPE, headers)
