"""A statement that may be prepared gives what it gives otherwise, is planned once, and is seen by tests."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from tradeplatform.common.db import array, execute, fetch
from tradeplatform.settings.database import PREPARE_AFTER

pytestmark = pytest.mark.django_db

SQL = "SELECT k.n, k.n::text FROM unnest(%s::bigint[]) AS k(n) ORDER BY k.n"


def prepared() -> list[str]:
    """What the server has planned once, of this test."""
    rows = fetch("SELECT statement FROM pg_prepared_statements WHERE statement LIKE '%%AS k(n) ORDER%%'")
    return [statement for (statement,) in rows]


def test_gives_the_same_as_another() -> None:
    for numbers in ([3, 1, 2], array([2**40, -1]), []):
        assert fetch(SQL, [numbers], prepared=True) == fetch(SQL, [numbers])


def test_is_planned_once_after_it_came_a_few_times() -> None:
    for _ in range(PREPARE_AFTER):
        fetch(SQL, [array([1])], prepared=True)
    assert prepared() == []

    for numbers in ([1], [2, 3], range(1_000)):
        assert len(fetch(SQL, [array(numbers)], prepared=True)) == len(numbers)

    assert prepared() == [SQL.replace("%s", "$1")]


def test_others_are_not() -> None:
    for _ in range(3 * PREPARE_AFTER):
        fetch(SQL, [[1]])

    assert prepared() == []


def test_goes_on_after_the_table_has_changed() -> None:
    execute("CREATE TEMPORARY TABLE changing (a int) ON COMMIT DROP")
    for a in range(2 * PREPARE_AFTER):
        assert execute("INSERT INTO changing (a) VALUES (%s)", [a], prepared=True) == 1
    execute("ALTER TABLE changing ADD COLUMN b int DEFAULT 7")

    assert execute("INSERT INTO changing (a) VALUES (%s)", [-1], prepared=True) == 1
    assert fetch("SELECT a, b FROM changing WHERE a < %s", [0], prepared=True) == [(-1, 7)]


def test_is_counted_where_queries_are_counted() -> None:
    with CaptureQueriesContext(connection) as seen:
        fetch(SQL, [[1]], prepared=True)

    assert [query["sql"] for query in seen] == [SQL.replace("%s", "$1")]


def test_fails_as_another() -> None:
    with pytest.raises(DatabaseError, match="division by zero"), transaction.atomic():
        fetch("SELECT 1 / %s::int", [0], prepared=True)
    assert fetch(SQL, [[1]], prepared=True) == [(1, "1")]
