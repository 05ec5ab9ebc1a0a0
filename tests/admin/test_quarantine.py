"""What was set aside: the error in full, and columns that say what their numbers mean."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from orders.models import Command, Quarantine
from orders.services.pending import PendingCommand
from tests.admin.conftest import Lived
from tests.admin.registry import address
from tests.factories import NOW
from tradeplatform.common.admin import show


@pytest.fixture
def lived(lived_shared: Lived) -> Lived:
    """One market for all of this module; a test undoes what it did."""
    return lived_shared


def meanings(client: Client, lived: Lived, **wrong: Any) -> dict[str, str]:
    """Of each column of an order's command, after it was set aside with these values."""
    command = Command.objects.get(order_id=lived.resting, kind=1)
    columns = {name: getattr(command, name) for name in PendingCommand._fields}
    row = Quarantine.objects.create(
        at=NOW,
        command_id=command.pk,
        command_at=command.at,
        shard_id=command.shard_id,
        instrument_id=command.instrument_id,
        order_id=lived.resting,
        kind=command.kind,
        error="EngineError: record 0: side may not be 7" + " and more" * 20,
        original=columns | {"at": str(command.at), "held": str(command.held)} | wrong,
    )
    page = client.get(address(Quarantine, "change", row.pk))
    assert row.error in page.context["warning"]
    (table,) = [panel for panel in page.context["panels"] if panel.title == "What it was"]
    return {name: str(meaning) for name, _value, meaning in table.rows}


def test_a_columns_number_is_said_in_words(boss: Client, lived: Lived) -> None:
    found = meanings(boss, lived)

    said = {name: found[name] for name in ("kind", "order_type", "time_in_force", "stp_mode", "id", "phase")}
    assert said == {
        "kind": "New", "order_type": "Limit", "time_in_force": "GTC", "stp_mode": "Expire taker",
        "id": show.NOTHING, "phase": show.NOTHING,
    }  # fmt: skip
    assert "Buy" in found["side"]
    assert lived.market.symbol in found["instrument_id"]


def test_what_means_nothing_is_shown_all_the_same(boss: Client, lived: Lived) -> None:
    wrong = {
        "kind": 99, "side": 7, "order_type": 0, "time_in_force": -1, "stp_mode": 8, "phase": 70,
        "time_us": 2**63 - 1, "held": "much", "price_ticks": None,
    }  # fmt: skip

    found = meanings(boss, lived, **wrong)

    assert {found[name] for name in wrong} == {show.NOTHING}
