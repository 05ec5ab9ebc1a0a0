"""Wall 6: facts are never updated or deleted: the database refuses, whoever asks and by whatever road."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.db import DatabaseError, connection, models, transaction
from pytest_django import DjangoDbBlocker

from accounts.models import (
    ClosedMonth,
    ClosingBalance,
    Deal,
    DealRequest,
    FundingRequest,
    ProofRun,
    Role,
    SwapCharge,
    Transfer,
)
from accounts.reconciliation.models import (
    ImportedStatement,
    Match,
    ReconciliationRun,
    StatementBalance,
    StatementLine,
    Undoing,
)
from accounts.services.closing import close_months
from audit.models import ApprovalDecision, AuditRecord
from instruments.models import DatedQuote
from orders.history.models import Correction, ExternalTrade, ExternalTradeIdentity, FrozenPeriod, RefusedTrade
from orders.models import Command, Event, Fill, OrderIdentity, PrivateEvent, Quarantine, Trade
from orders.services.phases import halt_instrument
from orders.services.private_events import begin, number
from orders.services.quoting import quote_books
from risk.models import KillAct
from tests.audit.naming import approved_by
from tests.factories import ACTOR, NOW, make_market, make_user
from tests.history.telling import lived_history
from tests.liquidity.living import lived_dealing
from tests.orders.killing import press
from tests.reconciliation.banking import lived_bank
from tests.worlds import shared_world

pytestmark = pytest.mark.django_db

FACTS: list[tuple[type[models.Model], str]] = [
    (Event, "quantity_lots = quantity_lots + 1"),
    (Trade, "price = price + 1, notional = (price + 1) * quantity"),
    (Fill, "fee = fee + 1"),
    (PrivateEvent, "number = number + 1"),
    (Transfer, "amount = amount + 1"),
    (AuditRecord, "reason = 'nothing happened'"),
    (OrderIdentity, "client_order_id = 'another'"),
    (FundingRequest, "fingerprint = ''"),
    (ClosedMonth, "closed_at = now()"),
    (ClosingBalance, "credited = credited + 1, closing = closing + 1"),
    (ProofRun, "holds = NOT holds"),
    (DatedQuote, "bid = bid / 2"),
    (Deal, "reason = 'nothing happened'"),
    (DealRequest, "fingerprint = ''"),
    (SwapCharge, "date = date + 1"),
    (ApprovalDecision, "approved = NOT approved"),
    (ExternalTrade, "quantity = quantity + 1"),
    (ExternalTradeIdentity, "fingerprint = ''"),
    (RefusedTrade, "code = ''"),
    (Correction, "quantity = quantity + 1"),
    (FrozenPeriod, "until = until - interval '1 second'"),
    (ImportedStatement, "sha256 = ''"),
    (StatementBalance, "theirs = theirs + 1"),
    (StatementLine, "amount = amount + 1"),
    (Match, "reason = 'nothing happened'"),
    (Undoing, "reason = 'nothing happened'"),
    (ReconciliationRun, "breaks = breaks + 1"),
    (KillAct, "reason = 'nothing happened'"),
    (Quarantine, "error = 'nothing happened'"),
]


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Some rows of each, made once: what one test would change, its end undoes."""
    with shared_world(django_db_blocker):
        _live()
        yield


@pytest.fixture(autouse=True)
def facts(db: None, world: None) -> None:
    """They are there in each test."""


def _live() -> None:
    market = make_market()
    seller = market.trader()
    begin(seller.pk, None, now=NOW)
    market.sell(seller, 2, 50000)
    Command.objects.filter(order_id=market.buy(seller, 1, 48000)).update(side=7)
    market.drain()
    market.buy(market.trader(), 1, 50000)
    market.buy(market.trader(), 1, 49000)
    market.drain()
    number(now=NOW)
    quote_books(now=NOW)
    halt_instrument(symbol=market.symbol, actor=ACTOR, now=NOW, reason="news")
    market.drain()
    ProofRun.objects.create(at=NOW, seconds=1, holds=True, actor_label="beat", findings=[], balances={})
    close_months(now=NOW + timedelta(days=40))
    approved_by(make_user(Role.COMPLIANCE_OFFICER))
    lived_history(market)
    lived_dealing()
    lived_bank()
    press()


def rows(model: type[models.Model]) -> list[dict[str, Any]]:
    return list(model._default_manager.order_by("pk").values())


def execute(sql: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)


def tables(model: type[models.Model]) -> list[str]:
    """The table, and each of its partitions by its own name."""
    name = model._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute("SELECT relid::regclass::text FROM pg_partition_tree(%s)", [name])
        return [row[0] for row in cursor.fetchall()] or [name]


@pytest.mark.parametrize(("model", "change"), FACTS, ids=[model.__name__ for model, _ in FACTS])
def test_wall_06_the_database_refuses_to_change_or_delete_a_fact(
    model: type[models.Model], change: str
) -> None:
    before = rows(model)
    assert before

    for table in tables(model):
        for sql in (f"UPDATE {table} SET {change}", f"DELETE FROM {table}"):  # noqa: S608 - our own names
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT count(*) FROM ONLY {table}")  # noqa: S608
                (here,) = cursor.fetchone()
            if here or (len(tables(model)) > 1 and table == model._meta.db_table):
                with pytest.raises(DatabaseError, match="Cannot update or delete rows"):
                    execute(sql)

    assert rows(model) == before


@pytest.mark.parametrize("model", [model for model, _ in FACTS])
def test_wall_06_nor_through_the_orm(model: type[models.Model]) -> None:
    before = rows(model)

    # Where another row refers to it, Django says no before it asks the database.
    refused = "Cannot (update or delete rows|delete some instances)"
    with pytest.raises(DatabaseError, match=refused), transaction.atomic():
        model._default_manager.all().delete()
    with pytest.raises(DatabaseError, match="Cannot update or delete rows"), transaction.atomic():
        model._default_manager.all()[0].save()

    assert rows(model) == before


def test_wall_06_every_append_only_table_says_so_in_its_model() -> None:
    """A new kind of fact must not be forgotten here."""
    declared = {
        model
        for model in apps.get_models()
        if not model.__module__.startswith("tests.")
        and any(trigger.name == "append_only" for trigger in getattr(model._meta, "triggers", []))
    }

    assert declared == {model for model, _ in FACTS}
