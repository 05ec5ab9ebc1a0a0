"""Rows packed for COPY's binary form arrive as the values they were, or are refused before they are sent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from hypothesis import given, settings
from hypothesis import strategies as st
from tradeengine import EngineError, event_rows, pack_rows

from orders.models import Liquidity
from tradeplatform.common.db import copy_packed, copying, execute, fetch

pytestmark = pytest.mark.django_db

COLUMNS = ("small", "whole", "big", "amount", "words", "at", "yes", "terms")
TYPES = "hiqnstbj"
ROW = (1, 2, 3, Decimal("4.50"), "five", datetime(2026, 1, 2, 3, 4, 5, 6, UTC), True, "{}")


@pytest.fixture(autouse=True)
def _table(db: None) -> None:
    execute(
        "CREATE TEMPORARY TABLE packed (small smallint, whole integer, big bigint, amount numeric,"
        " words text, at timestamptz, yes boolean, terms jsonb) ON COMMIT DROP"
    )


def copied(*rows: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    """What the database has after these rows, and only these."""
    execute("TRUNCATE packed")
    copy_packed("packed", COLUMNS, pack_rows(TYPES, rows))
    return fetch("SELECT * FROM packed")


def test_every_type_arrives_as_it_was() -> None:
    east = timezone(timedelta(hours=5, minutes=30))
    rows = [
        ROW,
        (None,) * 8,
        (
            -(2**15),
            -(2**31),
            -(2**63),
            Decimal(-1),
            "",
            datetime(1969, 12, 31, 23, 59, 59, 999999, UTC),
            False,
            '{"a": 1}',
        ),
        (2**15 - 1, 2**31 - 1, 2**63 - 1, 7, "naïve \\N\t\n€", datetime(2000, 1, 1, tzinfo=east), True, "[]"),
        (0, 0, 0, Decimal("0E-18"), Liquidity.MAKER, datetime(1, 1, 1, tzinfo=UTC), False, "null"),
    ]

    assert copied(*rows) == rows


def test_a_numeric_keeps_the_digits_it_was_printed_with() -> None:
    assert [str(row[3]) for row in copied((*ROW[:3], Decimal("1.500"), *ROW[4:]))] == ["1.500"]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.decimals(allow_nan=False, allow_infinity=False), min_size=1, max_size=50))
def test_any_finite_decimal_arrives_as_it_was(amounts: list[Decimal]) -> None:
    amounts = [amount for amount in amounts if abs(amount.adjusted()) < 900]

    arrived = copied(*((*ROW[:3], amount, *ROW[4:]) for amount in amounts))

    assert [row[3] for row in arrived] == amounts


@pytest.mark.parametrize(
    ("place", "value", "error"),
    [
        (0, 2**15, OverflowError),
        (1, -(2**31) - 1, OverflowError),
        (2, 2**63, OverflowError),
        (2, "3", TypeError),
        (2, 3.0, TypeError),
        (3, Decimal("NaN"), ValueError),
        (3, Decimal("-Infinity"), ValueError),
        (3, Decimal("1E+2000"), ValueError),
        (4, 5, TypeError),
        (4, "\ud800", UnicodeEncodeError),
        (5, datetime(2026, 1, 2), TypeError),  # noqa: DTZ001 - naive on purpose
        (5, "2026-01-02", TypeError),
        (6, 1, TypeError),
        (6, "true", TypeError),
        (7, {}, TypeError),
    ],
)
def test_what_does_not_fit_its_column_is_refused(place: int, value: Any, error: type[Exception]) -> None:
    row = list(ROW)
    row[place] = value

    with pytest.raises(error):
        pack_rows(TYPES, [ROW, tuple(row)])


@pytest.mark.parametrize(("types", "row"), [("hi", (1,)), ("h", (1, 2)), ("x", (1,)), ("h", [1])])
def test_a_row_that_is_not_of_these_columns_is_refused(types: str, row: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        pack_rows(types, [row])


def test_events_that_are_not_whole_records_are_refused() -> None:
    with pytest.raises(EngineError, match="103 bytes are not a whole number of 104-byte records"):
        event_rows(bytes(103), 1)


def test_a_column_of_another_type_is_refused_by_the_database() -> None:
    with pytest.raises(DatabaseError), transaction.atomic():
        copy_packed("packed", ("big",), pack_rows("h", [(1,)]))

    assert fetch("SELECT * FROM packed") == []


def test_a_block_that_raises_leaves_no_row() -> None:
    def fail() -> None:
        with transaction.atomic(), copying("packed", COLUMNS, pack_rows(TYPES, [ROW] * 1_000)):
            raise LookupError("half-way")

    with pytest.raises(LookupError, match="half-way"):
        fail()

    assert fetch("SELECT * FROM packed") == []
