"""Beat's own scheduler: cheap while nothing happens, and brief about a broker that is away."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from celery import current_app
from celery.beat import ScheduleEntry
from celery.schedules import schedule
from django.conf import settings
from kombu import Queue

from tests.factories import tag
from tests.simulation.faults.link import Link
from tradeplatform.beat import CodeScheduler


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[CodeScheduler]:
    made = CodeScheduler(current_app, schedule_filename=str(tmp_path / "schedule"))
    yield made
    made.close()


class Compared(ScheduleEntry):
    """Counts how often one is compared with another."""

    times = 0

    def __eq__(self, other: object) -> bool:
        Compared.times += 1
        return super().__eq__(other)

    __hash__ = None  # type: ignore[assignment]


def test_beat_runs_it() -> None:
    assert current_app.conf.beat_scheduler == "tradeplatform.beat:CodeScheduler"


def test_a_schedule_that_is_code_is_not_looked_through_for_changes(
    scheduler: CodeScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Compared, "times", 0)
    scheduler.schedule.clear()
    for name in ("one", "other"):
        scheduler.schedule[name] = Compared(name=name, task="none", schedule=schedule(1_000), app=current_app)

    waits = [scheduler.tick() for _ in range(5)]

    assert set(waits) == {scheduler.max_interval}
    assert Compared.times == 0


def test_it_wakes_a_little_early_once_and_then_when_it_is_time(scheduler: CodeScheduler) -> None:
    assert [scheduler.adjust(wait) for wait in (None, 0, 0.004, 1.0)] == [None, 0, 0.004, 0.99]


def test_a_broker_that_is_away_is_said_in_a_line_and_once_until_it_is_back(
    scheduler: CodeScheduler, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="tradeplatform.beat")
    valkey = urlsplit(settings.CELERY_BROKER_URL)
    server = (str(valkey.hostname), int(valkey.port or 6379))
    link = Link(server)
    port, queue = link.port, f"beat-{tag()}"
    url = valkey._replace(netloc=valkey.netloc.replace(f":{valkey.port}", f":{port}")).geturl()
    connect = current_app.connection_for_write
    monkeypatch.setattr(current_app, "connection_for_write", lambda **how: connect(url, **how))
    tasks = [
        scheduler.Entry(name=name, task=name, schedule=schedule(1), options={"queue": queue}, app=current_app)
        for name in ("orders.expire_due", "orders.end_due_auctions")
    ]

    def send() -> list[tuple[str, bool]]:
        """What is said when both are sent: the line's level, and whether there is a trace."""
        caplog.clear()
        for task in tasks:
            scheduler.apply_entry(task, producer=scheduler.producer)
        return [(record.levelname, bool(record.exc_info)) for record in caplog.records]

    assert send() == []
    try:
        link.close()
        assert send() == [("WARNING", False)]
        assert "broker_away" in caplog.text
        assert len(caplog.records[0].getMessage().splitlines()) == 1
        assert send() == []

        link = Link(server, _listener=socket.create_server(("127.0.0.1", port)))
        assert send() == [("INFO", False)]
        assert "broker_back" in caplog.text
        assert send() == []
    finally:
        Queue(queue, channel=scheduler.connection.default_channel).delete()
        link.close()


def test_a_task_that_cannot_be_sent_for_another_reason_is_a_fault_of_ours(
    scheduler: CodeScheduler, caplog: pytest.LogCaptureFixture
) -> None:
    unfit = scheduler.Entry(
        name="unfit",
        task="orders.expire_due",
        schedule=schedule(1),
        kwargs={"now": object()},
        app=current_app,
    )

    scheduler.apply_entry(unfit, producer=scheduler.producer)

    (said,) = caplog.records
    assert (said.levelno, bool(said.exc_info)) == (logging.ERROR, True)
