"""A statement that may be prepared gives what it gives otherwise, is planned once, and is seen by tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, DataError, connection, transaction
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


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("text", ['a "b" \\ c', "NULL", "null", "", "{1,2}", " , ", "é\n\t", None, "\\", '"']),
        ("bigint", [2**62, None, -1]),
        ("numeric", [Decimal("1.10"), Decimal("1E-8")]),
        ("boolean", [True, False, None]),
        ("timestamptz", [datetime(2026, 1, 31, 23, 59, 59, 1, tzinfo=UTC), None]),
    ],
)
def test_a_list_comes_as_it_was(kind: str, values: list[Any]) -> None:
    assert fetch(f"SELECT %s::{kind}[]", [values], prepared=True) == [(values,)]


def test_text_with_a_zero_byte_is_refused() -> None:
    with pytest.raises(DataError, match="NUL"), transaction.atomic():
        fetch("SELECT %s::text[]", [["a\0b"]], prepared=True)


def test_moments_are_in_utc() -> None:
    moment = datetime(2026, 7, 1, 12, 30, 0, 5, tzinfo=timezone(timedelta(hours=2)))
    for prepared_ in (True, False):
        ((found,),) = fetch("SELECT %s::timestamptz", [moment], prepared=prepared_)
        assert (found, found.tzinfo, found.isoformat()) == (moment, UTC, "2026-07-01T10:30:00.000005+00:00")


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
