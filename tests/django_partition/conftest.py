"""Rows and looks at the catalog that the tests of this package share."""

from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from django_partition import catalog, services
from tests.django_partition.app.models import Reading, Source, Statement

TODAY = date(2028, 2, 29)


@pytest.fixture
def today(monkeypatch: pytest.MonkeyPatch) -> date:
    """A leap day for everything that asks for the date."""
    monkeypatch.setattr(services, "today_utc", lambda: TODAY)
    return TODAY


@pytest.fixture
def reading(db: None) -> Callable[..., Reading]:
    """Inserts an append-only row; its foreign key is checked at once, as at the end of a transaction."""
    source = Source.objects.create(code="probe")

    def insert(at: datetime, **values: Any) -> Reading:
        row = Reading.objects.create(at=at, source=source, **{"value": Decimal("1.5"), **values})
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        return row

    return insert


@pytest.fixture
def committed(transactional_db: None) -> Iterator[None]:
    """For tests that commit: afterwards the tables have no partitions again but the DEFAULT ones."""
    yield
    with connection.cursor() as cursor:
        pieces = [
            each for model in (Reading, Statement) for each in catalog.read(model, "default").partitions
        ]
        pieces += [each for _, each in catalog.detached("default")]
        for each in pieces:
            cursor.execute(f'DROP TABLE "{each.name}"')


def homes(model: type[Any]) -> dict[int, str]:
    """The partition that each row lives in, by id."""
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT id, tableoid::regclass::text FROM "{model._meta.db_table}"')  # noqa: S608
        return dict(cursor.fetchall())


def names(model: type[Any]) -> list[str]:
    """How the names of the attached partitions end, in order."""
    prefix = f"{model._meta.db_table}_"
    return [each.name.removeprefix(prefix) for each in catalog.read(model, "default").partitions]
