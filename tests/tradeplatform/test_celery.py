"""What workers do with a database that is away: they say so in a line, and the next beat tries again."""

from __future__ import annotations

import logging

import pytest
from django.db import OperationalError

from orders import tasks
from orders.tasks import expire_due_orders


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
