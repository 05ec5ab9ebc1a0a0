"""Tables are stored by what becomes of their rows: facts are frozen once, queues are vacuumed soon."""

from __future__ import annotations

import pytest

from django_partition import APPEND_ONLY, QUEUE, catalog, services
from orders.models import Command, Order, OrderIdentity
from tests.factories import NOW
from tradeplatform.common.db import fetch

pytestmark = pytest.mark.django_db


def test_facts_are_stored_as_rows_that_never_change_and_nothing_else_is() -> None:
    stored = {model: model.partitioning.storage == APPEND_ONLY for model in catalog.partitioned_models()}

    append_only = {
        model: any(trigger.name == "append_only" for trigger in getattr(model._meta, "triggers", ()))
        for model in stored
        # The package's own tests have theirs.
        if model._meta.app_label != "partition_testapp"
    }

    assert {model: stored[model] for model in append_only} == append_only
    assert sum(append_only.values()) == 9


@pytest.mark.parametrize(("model", "storage"), [(Command, QUEUE), (Order, QUEUE | {"fillfactor": "50"})])
def test_what_waits_and_is_done_is_stored_as_a_queue(
    model: type[Command | Order], storage: dict[str, str]
) -> None:
    """Orders with room on each page for what becomes of them."""
    services.apply_plan(model, today=NOW.date())

    found = [piece.storage for piece in catalog.read(model, "default").partitions]

    assert found == [storage] * len(found)
    assert found


def test_the_identities_of_orders_which_are_one_table_are_stored_as_facts() -> None:
    [(options,)] = fetch("SELECT reloptions FROM pg_class WHERE relname = %s", [OrderIdentity._meta.db_table])

    assert dict(option.split("=") for option in options) == APPEND_ONLY
