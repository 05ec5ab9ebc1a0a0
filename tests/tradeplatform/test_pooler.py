"""Behind a pooler that hands sessions on between transactions nothing is left on a session of others'."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import connection, connections, transaction

from tests.tradeplatform.test_settings import databases
from tradeplatform.common.db import fetch, one_snapshot, patient_for
from tradeplatform.common.statements import Statement, run_each

pytestmark = pytest.mark.django_db(transaction=True)

_SHOW = "SELECT current_setting('lock_timeout'), current_setting('statement_timeout')"
_USUAL = ("1min", "0")


@pytest.fixture
def pooled() -> Iterator[None]:
    """This test's session, as behind a pooler."""
    usual = {"lock_timeout": 2_000, "statement_timeout": 7_000}
    connection.ensure_connection()
    connection.settings_dict["OPTIONS"]["in_each_transaction"] = usual
    connection.connection.in_each_transaction = usual
    yield
    del connection.settings_dict["OPTIONS"]["in_each_transaction"]
    connections.close_all()


@pytest.mark.parametrize("role", ["web", "shard", "worker", "command"])
def test_time_outs_go_with_each_transaction_and_not_with_the_session(role: str) -> None:
    usual, found = databases(role), databases(role, TRADEPLATFORM_TRANSACTION_POOLER="true")
    for alias in ("default", "readonly"):
        options: dict[str, Any] = found[alias]["OPTIONS"]
        assert "options" not in options
        values = options["in_each_transaction"]
        for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
            assert f"{name}={values[name]}" in usual[alias]["OPTIONS"]["options"]
        assert values.get("transaction_read_only") == ("on" if alias == "readonly" else None)


@pytest.mark.usefixtures("pooled")
def test_they_hold_in_a_transaction_and_no_longer() -> None:
    for _ in range(2):
        with transaction.atomic():
            assert fetch(_SHOW) == [("2s", "7s")]
        assert fetch(_SHOW) == [_USUAL]


@pytest.mark.usefixtures("pooled")
def test_a_snapshot_and_its_time_outs_go_together() -> None:
    """The isolation level must come before any query."""
    with one_snapshot():
        assert fetch(f"{_SHOW}, current_setting('transaction_isolation')") == [
            ("2s", "7s", "repeatable read")
        ]


@pytest.mark.usefixtures("pooled")
def test_less_patience_is_given_with_the_transaction_too() -> None:
    with patient_for(500):
        assert fetch(_SHOW) == [_USUAL]
        with transaction.atomic():
            assert fetch(_SHOW) == [("500ms", "7s")]
    with transaction.atomic():
        assert fetch(_SHOW) == [("2s", "7s")]


@pytest.mark.usefixtures("pooled")
def test_no_cursor_outlives_its_transaction() -> None:
    cursors = "SELECT count(*) FROM pg_cursors WHERE name LIKE '_django_curs%%'"
    wanted = list(ContentType.objects.order_by("id"))
    outside = ContentType.objects.order_by("id").iterator(chunk_size=2)
    first = next(outside)
    assert fetch(cursors) == [(0,)]
    assert [first, *outside] == wanted
    with transaction.atomic():
        inside = ContentType.objects.order_by("id").iterator(chunk_size=2)
        first = next(inside)
        assert fetch(cursors) == [(1,)]
        assert [first, *inside] == wanted


@pytest.mark.usefixtures("pooled")
def test_they_come_before_statements_that_are_sent_together() -> None:
    show = Statement(_SHOW, [], lambda rows: rows[0])
    for _ in range(7):  # prepared or not
        with transaction.atomic():
            assert run_each(show, show) == (("2s", "7s"), ("2s", "7s"))
            assert run_each(show, show) == (("2s", "7s"), ("2s", "7s"))
    assert run_each(show, show) == (_USUAL, _USUAL)
