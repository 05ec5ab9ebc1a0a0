"""Partitions in tests that commit: what one makes is gone after it, and who asks where a row is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

from django_partition import catalog
from django_partition.models import PartitionedModel


@contextmanager
def partitions_put_back() -> Iterator[None]:
    """Afterwards no table has a partition that it did not have before."""
    before = _names()
    yield
    with connection.cursor() as cursor:
        for name in _names() - before:
            cursor.execute(f'DROP TABLE "{name}"')


def homes(model: type[PartitionedModel]) -> Counter[str]:
    """How many rows each partition has, by the end of its name."""
    table = model._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT tableoid::regclass::text, count(*) FROM "{table}" GROUP BY 1')  # noqa: S608
        return Counter({name.removeprefix(f"{table}_"): count for name, count in cursor.fetchall()})


def _names() -> set[str]:
    return {
        piece.name
        for model in catalog.partitioned_models()
        for piece in catalog.read(model, "default").partitions
    }
