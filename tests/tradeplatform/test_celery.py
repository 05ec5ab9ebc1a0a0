"""What workers do with a database that is away: they say so in a line, and the next beat tries again."""

from __future__ import annotations

import logging
from collections.abc import Callable
from logging.config import DictConfigurator

import pytest
from celery.signals import worker_ready
from django.conf import settings
from django.db import OperationalError
from redis.exceptions import TimeoutError as TimedOut

from orders import tasks
from orders.tasks import expire_due_orders


@pytest.mark.django_db  # a task gives back its thread's connection, if an earlier test left one
@pytest.mark.parametrize(
    ("error", "graver"),
    [(OperationalError("the database system is starting up"), False), (ValueError("2"), True)],
)
def test_an_unreachable_database_is_no_fault_of_a_task(
    error: Exception, graver: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(**_how: object) -> None:
        raise error

    monkeypatch.setattr(tasks, "expire_due", fail)
    result = expire_due_orders.apply()

    (said,) = [record for record in caplog.records if str(error) in record.getMessage()]
    assert (result.failed(), said.levelno >= logging.ERROR, bool(said.exc_info)) == (True, graver, graver)


def test_a_worker_that_starts_before_its_database_says_so_in_a_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(**_how: object) -> None:
        raise OperationalError("the database system is starting up")

    # This process is no worker: a thread that tells its counts would outlive the test.
    monkeypatch.setattr("tradeplatform.celery.PUBLISHER.keep_on", lambda: False)
    monkeypatch.setattr(tasks, "waiting_shards", fail)

    worker_ready.send(sender=None)

    (said,) = [record for record in caplog.records if "starting up" in record.getMessage()]
    assert (said.levelno, bool(said.exc_info)) == (logging.WARNING, False)


@pytest.fixture
def written(caplog: pytest.LogCaptureFixture) -> Callable[[], str]:
    """The last record as it stands in a log."""
    # Whoever configures it takes parts out of the dictionary.
    described = dict(settings.LOGGING["formatters"]["structured"])
    formatter = DictConfigurator(settings.LOGGING).configure_formatter(described)
    return lambda: formatter.format(caplog.records[-1])


@pytest.mark.parametrize("logger", ["celery.worker.consumer.consumer", "kombu.transport.redis"])
def test_what_celery_says_of_a_lost_connection_is_one_line(logger: str, written: Callable[[], str]) -> None:
    error = TimedOut("Timeout reading from socket")

    logging.getLogger(logger).error("Lost: %s.\nTrying again in %s...\n", error, 2, exc_info=error)

    assert len(written().splitlines()) == 1
    assert "Lost: Timeout reading from socket. Trying again in 2..." in written()


@pytest.mark.parametrize(
    ("logger", "error"), [("celery.beat", KeyError("odd")), ("orders.tasks", OSError("odd"))]
)
def test_any_other_fault_keeps_its_trace(logger: str, error: Exception, written: Callable[[], str]) -> None:
    logging.getLogger(logger).error("failed", exc_info=error)

    assert [line for line in written().splitlines() if "odd" in line]
