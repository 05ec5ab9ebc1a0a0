"""The checks of invariants look through a connection that cannot write: only a test that commits has it."""

from __future__ import annotations

import pytest
from django.db import connections, transaction
from django.db.utils import DatabaseError

from tradeplatform.common.invariants import READ_ONLY


@pytest.mark.django_db(transaction=True, databases=["default", "readonly"])
def test_the_checks_cannot_write() -> None:
    def write() -> None:
        with transaction.atomic(using=READ_ONLY), connections[READ_ONLY].cursor() as cursor:
            cursor.execute("INSERT INTO orders_shard (id, status) VALUES (9, 'running')")

    with pytest.raises(DatabaseError, match="read-only"):
        write()
