"""`manage.py clock`: what is due is asked for, once, and nothing else."""

from __future__ import annotations

import io
import json
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from audit.models import AuditRecord
from instruments.models import Instrument, InstrumentStatus
from orders.models import Command, CommandKind, TimeInForce
from tests.factories import make_market, stored

pytestmark = pytest.mark.django_db


def clock(*options: str) -> str:
    out = io.StringIO()
    call_command("clock", *options, stdout=out)
    return out.getvalue().strip()


def test_with_nothing_due_it_asks_nothing() -> None:
    assert clock() == "books asked to end expired orders: 0, auctions asked to end: 0, cancel timers fired: 0"
    assert not Command.objects.exists()


def test_ends_what_is_due_once() -> None:
    now = timezone.now()
    market = make_market(auction_seconds=1)
    market.phase(InstrumentStatus.AUCTION)
    order = market.buy(
        market.trader(),
        1,
        49000,
        tif=TimeInForce.GTD,
        expires_at=now + timedelta(milliseconds=1),
    )
    market.drain(now=now - timedelta(seconds=2))

    before = Command.objects.count(), AuditRecord.objects.count()
    dry = "books to ask to end expired orders: 1, auctions to ask to end: 1, cancel timers to fire: 0"
    assert clock("--dry-run") == dry
    assert (Command.objects.count(), AuditRecord.objects.count()) == before
    counts = {"books": 1, "auctions": 1, "timers": 0}
    assert json.loads(clock("--dry-run", "--json")) == counts | {"dry_run": True}
    assert clock() == "books asked to end expired orders: 1, auctions asked to end: 1, cancel timers fired: 0"
    assert clock() == "books asked to end expired orders: 0, auctions asked to end: 0, cancel timers fired: 0"
    market.drain()

    assert stored(order).status == "expired"
    assert Instrument.objects.get(id=market.instrument.id).status == "active"
    kinds = Command.objects.order_by("id").values_list("kind", flat=True)
    assert list(kinds) == [CommandKind.PHASE, CommandKind.NEW, CommandKind.TIME, CommandKind.PHASE]
