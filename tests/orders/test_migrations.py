"""What orders/0004 makes of the rows that were there before it, and what going back makes of them again.

It all happens within the transaction of a test, whose end takes the tables back to what they are today.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.apps import apps as django_apps
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.utils import DatabaseError

from accounts.models import TradingAccount
from django_partition import services
from orders.models import Command, CommandKind, Event, EventKind, Shard
from tests.factories import NOW, make_account, make_asset, make_instrument

OLD, NEW = "0003_exact_fees_and_fixed_identities", "0004_order_types_and_phases"
SHARD = 1
LONG_AGO = NOW - timedelta(days=400)

# Whether a book was halted, and its phase then.
BOOKS = [(True, 2), (False, 1), (False, 1)]
# The kind of a command, and its (kind, phase) then. 0003 knew halts (4) and resumptions (5).
COMMANDS = {1: (1, 0), 2: (2, 0), 3: (3, 0), 4: (4, 2), 5: (4, 1)}
# The (kind, reason, flags) of an event, and what they are then. 0003 knew Halted (9) and Resumed (10), and
# why nothing came of one: already halted (18), not halted (19). Both are "already in this phase" (18) now.
EVENTS = {
    (1, 0, 1): (1, 0, 1),
    (2, 7, 0): (2, 7, 0),
    (3, 0, 0): (3, 0, 0),
    (4, 16, 0): (4, 16, 0),
    (5, 0, 2): (5, 0, 2),
    (6, 8, 0): (6, 8, 0),
    (7, 11, 0): (7, 11, 0),
    (8, 6, 0): (8, 6, 0),
    (9, 0, 0): (9, 0, 2),
    (9, 18, 0): (9, 18, 2),
    (9, 20, 0): (9, 20, 2),
    (10, 0, 0): (9, 0, 1),
    (10, 19, 0): (9, 18, 1),
}
# The (type, time in force, status, filled, leaves) of an order: nothing of it changes.
ORDERS = [
    ("limit", "gtc", "pending", 0, 3),
    ("limit", "gtc", "open", 0, 3),
    ("limit", "gtc", "partially_filled", 1, 2),
    ("limit", "fok", "filled", 3, 0),
    ("limit", "gtc", "cancelled", 1, 0),
    ("limit", "ioc", "expired", 1, 0),
    ("limit", "fok", "rejected", 0, 0),
    ("market", "ioc", "pending", 0, 3),
    ("market", "ioc", "filled", 3, 0),
    ("market", "ioc", "cancelled", 1, 0),
    ("market", "fok", "rejected", 0, 0),
]
#: What an order without conditions says in the columns that 0004 brings.
NO_CONDITIONS = {
    "credential": "",
    "display_quantity": None,
    "expires_at": None,
    "link": "",
    "list_id": 0,
    "min_quantity": None,
    "parent_id": 0,
    "partner_id": 0,
    "quote_quantity": None,
    "reduce_only": False,
    "shown": Decimal(0),
    "trail_amount": None,
    "trail_bps": None,
    "trail_step": None,
    "trigger_by": "",
    "trigger_price": None,
    "triggered_at": None,
}

Rows = dict[str, list[dict[str, Any]]]


def migrate(name: str) -> Any:
    """Bring the app to this migration; its models as they are then."""
    return MigrationExecutor(connection).migrate([("orders", name)]).apps


def rows(apps: Any) -> Rows:
    """Everything in the tables that 0004 touches, column by column."""
    models = ("Book", "Command", "Event", "Order")
    return {name: list(apps.get_model("orders", name).objects.order_by("pk").values()) for name in models}


@pytest.fixture
def old(db: None) -> Any:
    """The models of 0003, and rows of everything that it knew."""
    instruments = [make_instrument().id for _ in BOOKS]
    account = make_account(currency=make_asset())
    services.apply_plan(Event, today=NOW.date())
    with connection.cursor() as cursor:
        # As at the end of a transaction: a table with checks still to come cannot be altered.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    apps = migrate(OLD)
    shard = apps.get_model("orders", "Shard").objects.create(id=SHARD)
    for instrument, (halted, _phase) in zip(instruments, BOOKS, strict=True):
        apps.get_model("orders", "Book").objects.create(
            instrument_id=instrument,
            shard=shard,
            seq=7,
            last_time=8,
            last_price_ticks=9,
            halted=halted,
            state_hash="a" * 32,
        )
    for kind in COMMANDS:
        insert_command(apps, instruments[0], kind=kind, status="done", position=kind)
        insert_command(apps, instruments[0], kind=kind, status="pending", position=None)
    for kind, reason, flags in EVENTS:
        for at in (NOW, LONG_AGO):
            insert_event(apps, instruments[0], at=at, kind=kind, reason_code=reason, flags=flags)
    insert_orders(apps, instruments[0], account)
    return apps


def insert_command(apps: Any, instrument: int, **fields: Any) -> None:
    apps.get_model("orders", "Command").objects.create(
        at=NOW, shard_id=SHARD, instrument_id=instrument, time_us=1, flags=2, reason_code=20, **fields
    )


def insert_event(apps: Any, instrument: int, **fields: Any) -> None:
    """The next event of a book, each of its other numbers another one."""
    events = apps.get_model("orders", "Event").objects
    seq = events.count() + 1
    others = ("side", "order_id", "account_id", "maker_order_id", "maker_account_id", "price_ticks",
              "quantity_lots", "leaves_lots", "maker_leaves_lots", "priority", "epoch")  # fmt: skip
    numbers = {name: 100 + number for number, name in enumerate(others)}
    events.create(
        id=instrument << 40 | seq, instrument_id=instrument, seq=seq, command_id=seq, **numbers, **fields
    )


def insert_orders(apps: Any, instrument: int, account: TradingAccount) -> None:
    for number, (kind, tif, status, filled, leaves) in enumerate(ORDERS):
        apps.get_model("orders", "Order").objects.create(
            created_at=NOW,
            updated_at=NOW,
            client_order_id=f"order {number}",
            account_id=account.id,
            instrument_id=instrument,
            side="buy" if number % 2 else "sell",
            type=kind,
            time_in_force=tif,
            status=status,
            price=Decimal("50000.01") if kind == "limit" else None,
            protection_price=Decimal("55000.02") if kind == "market" else None,
            quantity=3,
            filled=filled,
            leaves=leaves,
            held=leaves,
            maker_fee_rate=Decimal("0.0005"),
            taker_fee_rate=Decimal("0.001"),
            priority=number,
            source="api",
        )


def refuses_changes(apps: Any) -> bool:
    """Whether no event can be changed, neither one in the partition of its day nor one in the DEFAULT one."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT tableoid::regclass::text FROM orders_event ORDER BY 1")
        assert cursor.fetchall() == [("orders_event_2026_03_02",), ("orders_event_default",)]
    for at in (NOW, LONG_AGO):
        with pytest.raises(DatabaseError, match="Cannot update or delete rows"):
            change_events(apps, at)
    return True


def change_events(apps: Any, at: datetime) -> None:
    with transaction.atomic():
        apps.get_model("orders", "Event").objects.filter(at=at).update(flags=7)


def test_halts_and_resumptions_become_phases(old: Any) -> None:
    before = rows(old)
    assert {name: len(found) for name, found in before.items()} == {
        "Book": 3,
        "Command": 10,
        "Event": 26,
        "Order": 11,
    }

    new = migrate(NEW)

    after = rows(new)
    for row, (_halted, phase) in zip(before["Book"], BOOKS, strict=True):
        del row["halted"]
        row.update(phase=phase, state_hash="")
    for row in before["Command"]:
        row["kind"], row["phase"] = COMMANDS[row["kind"]]
        row["terms"] = None
    for row in before["Event"]:
        row["kind"], row["reason_code"], row["flags"] = EVENTS[row["kind"], row["reason_code"], row["flags"]]
    for row in before["Order"]:
        row.update(NO_CONDITIONS)
    assert after["Book"] == before["Book"]
    assert after["Command"] == before["Command"]
    assert after["Event"] == before["Event"]
    assert after["Order"] == before["Order"]
    assert refuses_changes(new)


def test_going_back_makes_halts_and_resumptions_of_them_again(old: Any) -> None:
    """And halts of the phases that 0003 did not know: of a book that was closed since, here."""
    before = rows(old)
    new = migrate(NEW)
    closed = before["Book"][-1]["instrument_id"]
    new.get_model("orders", "Book").objects.update(state_hash="b" * 32)
    new.get_model("orders", "Book").objects.filter(instrument_id=closed).update(phase=6)
    insert_command(new, closed, kind=4, phase=6, status="pending")
    insert_event(new, closed, at=NOW, kind=9, reason_code=0, flags=6)

    again = migrate(OLD)

    after = rows(again)
    for row in before["Book"]:
        row["state_hash"] = ""
    before["Book"][-1]["halted"] = True
    assert after["Book"] == before["Book"]
    *commands, command = after["Command"]
    assert commands == before["Command"]
    assert (command["instrument_id"], command["kind"]) == (closed, 4)
    *events, event = after["Event"]
    assert events == before["Event"]
    assert (event["instrument_id"], event["kind"], event["reason_code"], event["flags"]) == (closed, 9, 0, 0)
    assert after["Order"] == before["Order"]
    assert refuses_changes(again)


def insert_words_of_today(status: str) -> None:
    """A command and an event for each number that 0003 had no word for, or another one."""
    instrument = make_instrument()
    account = make_account(currency=make_asset())
    Shard.objects.get_or_create(id=SHARD)
    for position, kind in enumerate((CommandKind.TIME, CommandKind.MASS_CANCEL), start=1):
        Command.objects.create(
            at=NOW,
            shard_id=SHARD,
            instrument_id=instrument.pk,
            kind=kind,
            account_id=account.pk,
            status=status,
            position=position if status == "done" else None,
            time_us=1,
        )
    for event in (EventKind.MASS_CANCELLED, EventKind.TRIGGERED, EventKind.TIME):
        insert_event(django_apps, instrument.pk, at=NOW, kind=event, reason_code=0, flags=0)


def words() -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    commands = Command.objects.order_by("id").values_list("kind", "phase", "status")
    return [*commands, *Event.objects.order_by("id").values_list("kind", "flags", "reason_code")]


def test_what_0003_did_not_know_is_the_same_after_going_back_and_forth(db: None) -> None:
    insert_words_of_today("done")
    before = words()

    old = migrate(OLD)
    kinds = old.get_model("orders", "Command").objects.order_by("id").values_list("kind", flat=True)
    assert list(kinds) == [105, 106]
    latest = MigrationExecutor(connection).loader.graph.leaf_nodes("orders")
    MigrationExecutor(connection).migrate(latest)

    assert words() == before


def test_what_waits_is_drained_before_going_back(db: None) -> None:
    insert_words_of_today("pending")
    words()

    with pytest.raises(DatabaseError, match="drain them"):
        migrate(OLD)
