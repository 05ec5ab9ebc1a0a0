"""Midnight without a partition: nobody has made one for days, and the clock passes the bound of the last.

Orders are neither refused nor lost; the rows wait in the DEFAULT partitions until the command moves them,
while trading goes on.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from django.core.management import call_command
from django.db import transaction

from accounts.models import Transfer
from django_partition import catalog
from django_partition.checks import table_messages
from django_partition.errors import PartitionLockedError
from django_partition.headroom import headroom
from django_partition.models import PartitionedModel
from django_partition.services import apply_all, apply_plan
from orders.market.services.following import follow
from orders.models import Command, Event, Fill, Order, PrivateEvent, Side, Trade
from orders.private_selectors import private_events
from orders.services.private_events import begin, number
from tests.factories import Market, fund, make_market, stored
from tests.partitions import homes, partitions_put_back
from tests.threads import PATIENCE, start_elsewhere
from tradeplatform.common.invariants import check_all

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "readonly"])

#: The last day of a month: tables cut by day and those cut by month end together.
LAST_DAY = date(2028, 2, 29)
BEFORE = datetime(2028, 2, 29, 23, 59, 59, 900_000, tzinfo=UTC)
AFTER = BEFORE + timedelta(milliseconds=200)
TRADING: list[type[PartitionedModel]] = [Order, Command, Event, Trade, Fill, Transfer, PrivateEvent]


@pytest.fixture(autouse=True)
def ends_at_midnight() -> Iterator[None]:
    """Every table has partitions up to this midnight, and none beyond."""
    with partitions_put_back():
        for model in catalog.partitioned_models():
            policy = model.partitioning
            start = policy.period.floor(BEFORE)
            apply_plan(model, today=policy.period.shift(start, -policy.ahead).date())
        yield


@pytest.fixture
def market() -> Market:
    """With nobody in it yet."""
    return make_market()


def send(market: Market, side: Side, quantity: int, now: datetime, price: int = 50000) -> int:
    """An order of a new trader."""
    trader = market.trader(base=0, quote=0)
    fund(trader, market.instrument.base, 100, now=now)
    fund(trader, market.instrument.quote, 10_000_000, now=now)
    begin(trader.pk, None, now=now)
    return market.send(market.request(trader, side, quantity, price), now=now).order_id


def trade_past_midnight(market: Market) -> tuple[int, int, int]:
    """An ask before midnight; a bid taken in before it and applied after; a bid after."""
    ask = send(market, Side.SELL, 3, BEFORE)
    market.drain(now=BEFORE)
    bid = send(market, Side.BUY, 1, BEFORE)
    market.drain(now=AFTER)
    later = send(market, Side.BUY, 1, AFTER)
    market.drain(now=AFTER)
    number([stored(order).account_id for order in (ask, bid, later)], now=AFTER)
    follow(now=AFTER)
    return ask, bid, later


def in_default() -> Counter[str]:
    """Rows of each table of trading in its DEFAULT partition."""
    return Counter({model._meta.db_table: homes(model)["default"] for model in TRADING})


def test_orders_are_taken_and_traded_across_it(market: Market) -> None:
    ask, bid, later = trade_past_midnight(market)

    assert [stored(order).status for order in (ask, bid, later)] == ["partially_filled", "filled", "filled"]
    assert market.trades() == [("1", "50000"), ("1", "50000")]
    # A command keeps the time it came in at, and the book has its time from that.
    assert (homes(Order)["default"], homes(Command)["default"]) == (1, 1)
    assert (homes(Trade), homes(Fill)) == (
        Counter({"2028_02_29": 1, "default": 1}),
        Counter({"2028_02_29": 2, "default": 2}),
    )
    assert [finding for finding in check_all() if not finding.holds] == []


def test_it_is_seen_before_and_after(market: Market) -> None:
    """By the metric that the alert watches, and by the check."""
    tables = [model._meta.db_table for model in TRADING]
    before = headroom(BEFORE, "default")
    assert {before[table] for table in tables} == {timedelta(milliseconds=100)}

    trade_past_midnight(market)

    after = headroom(AFTER, "default")
    assert {after[table] for table in tables} == {timedelta(0)}
    assert {
        model.__name__: next(message.id for message in table_messages(model, "default")) for model in TRADING
    } == {model.__name__: "django_partition.W001" for model in TRADING}


def test_the_command_moves_what_waits_and_loses_nothing(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask, bid, later = trade_past_midnight(market)
    told = {
        order: private_events(stored(order).account_id, after=0, limit=100) for order in (ask, bid, later)
    }
    rows = {model: model._default_manager.count() for model in TRADING}
    assert all(in_default().values())
    monkeypatch.setattr("django_partition.services.today_utc", AFTER.date)

    call_command("partition", "apply", verbosity=0)

    assert not any(in_default().values())
    assert {model: model._default_manager.count() for model in TRADING} == rows
    assert headroom(AFTER, "default")["orders_event"] == timedelta(days=8) - timedelta(milliseconds=100)
    assert {order: private_events(stored(order).account_id, after=0, limit=100) for order in told} == told
    market.cancel(ask, now=AFTER)
    market.drain(now=AFTER)
    assert stored(ask).status == "cancelled"
    assert [finding for finding in check_all() if not finding.holds] == []


def test_an_intake_and_the_command_take_turns(market: Market, settings: object) -> None:
    """An intake that is open holds it up: it gives up, changes nothing, and the next run does it."""
    trade_past_midnight(market)
    settings.PARTITION_LOCK_TIMEOUT_MS = 100  # type: ignore[attr-defined]
    waiting = in_default()
    written, commit = threading.Event(), threading.Event()

    def intake() -> int:
        with transaction.atomic():
            order_id = send(market, Side.SELL, 1, AFTER)
            written.set()
            assert commit.wait(PATIENCE)
        return order_id

    outcome = start_elsewhere(intake)
    assert written.wait(PATIENCE)
    with pytest.raises(ExceptionGroup) as failed:
        apply_all(TRADING, today=AFTER.date())
    assert {type(error) for error in failed.value.exceptions} == {PartitionLockedError}
    assert in_default()["orders_order"] == waiting["orders_order"]

    commit.set()
    order_id = outcome.result(PATIENCE)
    apply_all(TRADING, today=AFTER.date())
    market.drain(now=AFTER)

    assert stored(order_id).status == "open"
    assert not any(in_default().values())
    assert [finding for finding in check_all() if not finding.holds] == []


def test_an_order_sent_while_rows_are_moved_waits_and_is_taken(market: Market) -> None:
    ask, *_ = trade_past_midnight(market)
    moved, sent = threading.Event(), threading.Event()

    def move() -> None:
        with transaction.atomic():
            for model in TRADING:
                apply_plan(model, today=AFTER.date())
            moved.set()
            # It has all the locks: the intake below can only wait for it.
            assert sent.wait(PATIENCE)

    trader = stored(ask).account
    moving = start_elsewhere(move)
    assert moved.wait(PATIENCE)

    def intake() -> int:
        sent.set()
        return market.send(market.request(trader, Side.SELL, 1, 50001), now=AFTER).order_id

    outcome = start_elsewhere(intake)
    order_id = outcome.result(PATIENCE)
    moving.result(PATIENCE)
    market.drain(now=AFTER)

    assert stored(order_id).status == "open"
    assert homes(Order)["2028_03"] == 2
