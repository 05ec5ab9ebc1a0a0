"""One id follows a request: taken from the caller or made, given back, handed to the task it causes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog
from django.db import OperationalError
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.utils.functional import SimpleLazyObject
from django_structlog.celery.receivers import CeleryReceiver
from django_structlog.celery.steps import DjangoStructLogInitStep

from accounts.models import User
from tradeplatform.celery import app
from tradeplatform.common.correlation import bind, correlation_id
from tradeplatform.middleware import RequestLogMiddleware


@pytest.fixture(autouse=True)
def nothing_bound() -> Iterator[None]:
    """No id from another test, none for the next."""
    structlog.contextvars.clear_contextvars()
    yield
    structlog.contextvars.clear_contextvars()


def test_the_callers_id_comes_back(client: Client) -> None:
    answer = client.get("/api/schema", headers={"x-correlation-id": "desk-7:order.41_x"})
    assert answer.headers["X-Correlation-ID"] == "desk-7:order.41_x"


@pytest.mark.parametrize("offered", ["", "with space", "x" * 65, "line\nbreak", "ünï", "<script>"])
def test_an_id_that_could_hurt_a_log_is_replaced(client: Client, offered: str) -> None:
    given = client.get("/api/schema", HTTP_X_CORRELATION_ID=offered).headers["X-Correlation-ID"]
    assert given != offered
    assert len(given) == 32
    assert given.isalnum()


def test_two_requests_have_two_ids(client: Client) -> None:
    first, second = (client.get("/api/schema").headers["X-Correlation-ID"] for _ in range(2))
    assert first != second


def test_nothing_is_left_bound_after_a_request(client: Client) -> None:
    client.get("/api/schema", headers={"x-correlation-id": "desk-7"})
    assert correlation_id() == ""


def test_a_task_carries_the_id_of_what_caused_it() -> None:
    """Out through the broker, back from it, and into what a worker does before it runs a task."""
    bind("desk-7:order-41")
    app.send_task("orders.drain_shard", kwargs={"shard_id": 1}, queue="test-correlation")
    structlog.contextvars.clear_contextvars()
    with app.connection_for_read() as connection, connection.SimpleQueue("test-correlation") as queue:
        message = queue.get(timeout=10)
        message.ack()

    class Running:
        name = "orders.drain_shard"
        request = type("Request", (), dict(message.headers))()

    CeleryReceiver().receiver_task_prerun(message.headers["id"], Running)
    assert correlation_id() == "desk-7:order-41"


def test_workers_bind_the_id_when_they_start_a_task() -> None:
    assert DjangoStructLogInitStep in app.steps["worker"]


def test_an_answer_stays_what_it_is_when_its_user_cannot_be_looked_up() -> None:
    def lost() -> User:
        raise OperationalError("the connection is closed")

    request = RequestFactory().get("/api/v1/orders")
    request.user = SimpleLazyObject(lost)  # type: ignore[assignment]  # as Django's own middleware sets it
    answer = HttpResponse(status=503)

    given = RequestLogMiddleware(lambda _request: answer)(request)

    assert given is answer
