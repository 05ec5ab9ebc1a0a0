"""Several connections at once: two runs, a row that comes too early, a table that is in use."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime

import pytest
from django.db import connection, transaction
from pytest_django import Settings

from django_partition import catalog, services
from django_partition.errors import PartitionLockedError
from django_partition.planning import Action, Create
from tests.django_partition.app.models import Reading, Statement
from tests.django_partition.conftest import homes, names

pytestmark = pytest.mark.usefixtures("committed", "today")

LEAP_DAY = datetime(2028, 2, 29, 12, tzinfo=UTC)
WAITING = (
    "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"
)


def apply_elsewhere() -> list[Action]:
    """Apply the plan of Statement on a connection of the thread's own."""
    try:
        return services.apply_plan(Statement)
    finally:
        connection.close()


@contextmanager
def elsewhere() -> Iterator[Callable[[], Future[list[Action]]]]:
    """Starts `apply_elsewhere` in threads; all have ended on the way out."""
    with ThreadPoolExecutor(4) as pool:
        yield lambda: pool.submit(apply_elsewhere)


def wait_until_someone_waits() -> None:
    """Until another connection waits for a lock."""
    deadline = time.monotonic() + 10
    with connection.cursor() as cursor:
        while time.monotonic() < deadline:
            cursor.execute(WAITING)
            if cursor.fetchone() == (True,):
                return
    pytest.fail("Nobody waited for a lock.")


def test_two_runs_at_once_do_the_work_once() -> None:
    barrier = threading.Barrier(4)

    def run() -> list[Action]:
        barrier.wait(10)
        return apply_elsewhere()

    with ThreadPoolExecutor(4) as pool:
        done = [each.result() for each in [pool.submit(run) for _ in range(4)]]
    assert sorted(map(len, done)) == [0, 0, 0, 3]
    assert names(Statement) == ["2028_02", "2028_03", "2028_04"]


def test_the_second_run_waits_for_the_first_and_finds_nothing_to_do() -> None:
    with elsewhere() as start:
        with transaction.atomic():
            assert len(services.apply_plan(Statement)) == 3
            second = start()
            wait_until_someone_waits()
        assert second.result() == []


def test_a_row_that_comes_between_the_plan_and_the_attach_is_moved() -> None:
    with elsewhere() as start:
        with transaction.atomic():
            Statement.objects.create(id=1, closed_at=LEAP_DAY, text="not seen by the plan")
            run = start()
            wait_until_someone_waits()
        done = run.result()
    assert done[0] == Create(
        datetime(2028, 2, 1, tzinfo=UTC), datetime(2028, 3, 1, tzinfo=UTC), moves_rows=False
    )
    assert homes(Statement) == {1: "partition_testapp_statement_2028_02"}
    assert not catalog.read(Statement, "default").default_has_rows


def test_other_partitions_are_read_and_written_while_one_is_created() -> None:
    services.apply_plan(Statement)

    def use() -> int:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '50ms'")
                Statement.objects.create(id=1, closed_at=LEAP_DAY, text="not kept waiting")
                month = (datetime(2028, 2, 1, tzinfo=UTC), datetime(2028, 3, 1, tzinfo=UTC))
                return Statement.objects.filter(closed_at__gte=month[0], closed_at__lt=month[1]).count()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        assert len(services.apply_plan(Statement, today=date(2028, 3, 1))) == 1
        assert pool.submit(use).result() == 1
    assert names(Statement) == ["2028_02", "2028_03", "2028_04", "2028_05"]


def test_a_table_in_use_is_a_named_error_and_nothing_changes(settings: Settings) -> None:
    settings.PARTITION_LOCK_TIMEOUT_MS = 50
    Statement.objects.create(id=1, closed_at=LEAP_DAY, text="waits")
    before = catalog.read(Statement, "default")
    with elsewhere() as start, transaction.atomic():
        assert Statement.objects.count() == 1  # holds a lock until the end
        with pytest.raises(PartitionLockedError, match=r"partition_testapp_statement is in use.* 50 ms"):
            start().result()
    assert catalog.read(Statement, "default") == before
    assert homes(Statement) == {1: "partition_testapp_statement_default"}


def test_one_table_in_use_does_not_stop_the_others(settings: Settings) -> None:
    settings.PARTITION_LOCK_TIMEOUT_MS = 50

    def everything() -> None:
        try:
            services.apply_all([Reading, Statement])
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("LOCK TABLE partition_testapp_reading IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(ExceptionGroup) as caught:
            pool.submit(everything).result()
    (failure,) = caught.value.exceptions
    assert isinstance(failure, PartitionLockedError)
    assert failure.__notes__ == ["while partitioning partition_testapp_reading"]
    assert names(Reading) == []
    assert names(Statement) == ["2028_02", "2028_03", "2028_04"]


def test_the_lock_timeout_of_the_caller_comes_back() -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '1234ms'")
        services.apply_plan(Statement)
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("1234ms",)
