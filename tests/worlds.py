"""Worlds made once for a module, because making them costs more than most tests that look at them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction
from pytest_django import DjangoDbBlocker


@contextmanager
def shared_world(blocker: DjangoDbBlocker) -> Iterator[None]:
    """What is made inside stays for every test of the fixture's scope, and is undone when that ends.

    Each test undoes only what it did itself. Nothing undoes rows in memory, nor engines: the fixture that
    hands the world to a test gives a copy, and forgets the engine of its shard. Not for a module with
    tests that commit.
    """
    with blocker.unblock():
        assert not connection.in_atomic_block, "begins before a test's own transaction: make it an argument"
        outer = transaction.atomic()
        outer._from_testcase = True  # type: ignore[attr-defined]  # as in Django's own: durable blocks may open inside
        with outer:
            yield
            transaction.set_rollback(True)
