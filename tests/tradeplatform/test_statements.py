"""Statements that are sent together are run in order, and those that insert a few rows do what COPY does."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import DataError, IntegrityError, connection, transaction

from accounts.models import FundingRequest
from audit.models import AuditRecord
from orders.models import Liquidity
from tests.factories import ACTOR, NOW, tag
from tests.tradeplatform.test_packed_rows import COLUMNS, ROW, TYPES
from tradeplatform.common.db import execute, fetch
from tradeplatform.common.statements import (
    Insertion,
    Rows,
    Statement,
    creating,
    insert_all,
    known,
    numbers,
    reading,
    run_each,
)

pytestmark = pytest.mark.django_db(transaction=True)

INSERT = "INSERT INTO noted (number) VALUES (%s::int)"
NUMBERS = "SELECT array_agg(number ORDER BY number) FROM noted"
FEW, MANY = 3, 500


def first(rows: Rows) -> Any:
    return rows[0][0]


def noting(number: int) -> Statement[None]:
    return Statement(INSERT, [number], lambda _rows: None)


@pytest.fixture(autouse=True)
def _tables(transactional_db: None) -> Any:
    execute("CREATE TEMPORARY TABLE noted (number integer UNIQUE)")
    execute(
        "CREATE TEMPORARY TABLE packed (small smallint, whole integer, big bigint, amount numeric,"
        " words varchar(20), at timestamptz, yes boolean, terms jsonb)"
    )
    yield
    execute("DROP TABLE noted, packed")


def test_each_sees_what_those_before_it_did() -> None:
    found = run_each(
        Statement(NUMBERS, [], first),
        noting(1),
        known("told before"),
        noting(2),
        Statement(NUMBERS, [], first),
    )

    assert found == (None, None, "told before", None, [1, 2])


def test_after_one_that_fails_none_is_run() -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        run_each(noting(1), noting(1), noting(2))

    assert Statement(NUMBERS, [], first).run() is None
    # The connection goes on as if nothing had been.
    assert run_each(noting(3), Statement(NUMBERS, [], first)) == (None, [3])


def test_what_is_known_asks_nobody() -> None:
    with connection.execute_wrapper(_nobody):
        assert run_each(known(1), known(None)) == (1, None)
        assert known(2).run() == 2
        assert run_each() == ()


def _nobody(*_: object) -> None:
    raise AssertionError


def test_numbers_come_in_order_and_once() -> None:
    one, other = run_each(numbers("orders_order_id_seq", 3), numbers("orders_order_id_seq", 2))

    assert one == [one[0], one[0] + 1, one[0] + 2]
    assert other == [one[2] + 1, one[2] + 2]


def test_of_an_answer_something_else_is_made() -> None:
    assert Statement("SELECT 20", [], first).then(lambda number: number + 1).run() == 21
    assert known(20).then(str).run() == "20"


def test_rows_of_a_model_are_read() -> None:
    name = tag()
    FundingRequest.objects.create(request_id=name, fingerprint="f", at=NOW)

    (found,) = reading(FundingRequest, "WHERE request_id = %s::text", [name]).run()

    assert (found, found.fingerprint, found.transfer_id, found.at) == (
        FundingRequest(request_id=name),
        "f",
        None,
        NOW,
    )


@pytest.mark.parametrize("count", [FEW, MANY])
def test_few_rows_and_many_arrive_as_they_were(count: int) -> None:
    rows = [
        (None,) * 8,
        (-(2**15), -(2**31), -(2**63), Decimal(-1), "", datetime(1969, 1, 1, 0, 0, 0, 6, UTC), False, "1"),
        (0, 0, 0, Decimal("0E-18"), Liquidity.MAKER, datetime(1, 1, 1, tzinfo=UTC), False, "null"),
        (1, 1, 1, Decimal(1), 'na"ïve\\N\t{,}€', datetime(2000, 1, 1, tzinfo=UTC), True, '{"a": "\\"b"}'),
    ]  # fmt: skip
    rows += [ROW] * (count - FEW)

    found = insert_all([Insertion("packed", COLUMNS, TYPES, rows), Insertion("packed", COLUMNS, TYPES, [])],
                       Statement("SELECT count(*) FROM packed", [], first))  # fmt: skip

    assert found == len(rows)
    assert fetch("SELECT * FROM packed")[: len(rows)] == rows


@pytest.mark.parametrize("count", [FEW, MANY])
def test_what_is_too_long_is_refused_and_not_cut_off(count: int) -> None:
    rows = [ROW] * (count - 1) + [(*ROW[:4], "x" * 21, *ROW[5:])]

    with pytest.raises(DataError), transaction.atomic():
        insert_all([Insertion("packed", COLUMNS, TYPES, rows)], known(None))

    assert fetch("SELECT count(*) FROM packed") == [(0,)]


def record(label: str, **changes: Any) -> AuditRecord:
    usual: dict[str, Any] = {
        "at": NOW, "actor_kind": ACTOR.kind, "actor_label": label, "action": "a.b.c", "target_type": "t.t",
        "target_id": "1", "target_label": "", "before": {}, "after": {"é": [1, "\"'{"]},
    }  # fmt: skip
    return AuditRecord(**usual | changes)


def test_models_are_stored_as_a_queryset_stores_them() -> None:
    one, other = tag(), tag()
    AuditRecord.objects.bulk_create([record(one, ip="2001:db8::1", actor_id=5), record(one)])

    creating([record(other, ip="2001:db8::1", actor_id=5), record(other)]).run()

    columns = [field.attname for field in AuditRecord._meta.concrete_fields]
    columns = [name for name in columns if name not in {"id", "actor_label"}]
    of = [
        list(AuditRecord.objects.filter(actor_label=label).order_by("id").values(*columns))
        for label in (one, other)
    ]
    assert of[0] == of[1]
    assert len(of[0]) == 2


def test_a_model_that_does_not_fit_is_refused_and_not_cut_off() -> None:
    with pytest.raises(DataError), transaction.atomic():
        creating([FundingRequest(request_id="x" * 65, fingerprint="", at=NOW)]).run()

    assert creating([]).run() is None
    assert not FundingRequest.objects.filter(request_id__startswith="xxxx").exists()
