"""Orders whose time is over: who notices, what is asked of the book, and what it frees."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest
from django.db import connection

from accounts.models import TradingAccount
from instruments.models import InstrumentStatus
from orders.models import Command, CommandKind, CommandStatus, Event, EventKind, Order, OrderType, TimeInForce
from orders.services.expiring import _DUE, expire_due
from orders.services.phases import request_phase
from orders.tasks import expire_due_orders
from tests.factories import ACTOR, NOW, Market, everything_stored, make_market, money, stored
from tests.threads import all_at_once

pytestmark = pytest.mark.django_db

SOON = NOW + timedelta(seconds=60)


@pytest.fixture
def market() -> Market:
    return make_market()


@pytest.fixture
def trader(market: Market) -> TradingAccount:
    return market.trader()


def dated(market: Market, trader: TradingAccount, *, until: datetime = SOON) -> int:
    """A bid of 1 at 49000, good till `until`; in the book."""
    order_id = market.buy(trader, 1, 49000, tif=TimeInForce.GTD, expires_at=until)
    market.drain()
    return order_id


def day_order(market: Market, trader: TradingAccount) -> int:
    order_id = market.buy(trader, 1, 49000, tif=TimeInForce.DAY)
    market.drain()
    return order_id


def times_waiting() -> int:
    return Command.objects.filter(kind=CommandKind.TIME, status=CommandStatus.PENDING).count()


def test_nothing_is_asked_before_its_time(market: Market, trader: TradingAccount) -> None:
    dated(market, trader)
    before = everything_stored()

    assert expire_due(now=SOON - timedelta(microseconds=1)) == []
    assert (everything_stored(), times_waiting()) == (before, 0)


def test_its_time_ends_it_and_frees_its_funds(market: Market, trader: TradingAccount) -> None:
    order_id = dated(market, trader)
    assert money(trader, market.instrument.quote)[1] == "49049"

    assert expire_due(now=SOON) == [market.instrument.id]
    market.drain(now=SOON)

    order = stored(order_id)
    assert (order.status, order.reason, order.leaves, order.held) == ("expired", "expired", 0, 0)
    assert money(trader, market.instrument.quote) == ("10000000", "0")
    assert market.events() == [EventKind.ACCEPTED, EventKind.CANCELLED, EventKind.TIME]
    command = Command.objects.get(kind=CommandKind.TIME)
    assert (command.actor_id, command.actor_label) == (None, "expiry")
    assert Event.objects.get(kind=EventKind.CANCELLED).at == SOON


def test_one_command_for_a_book_however_many_are_due(market: Market, trader: TradingAccount) -> None:
    orders = [dated(market, trader, until=SOON + timedelta(seconds=n)) for n in range(3)]
    kept = dated(market, trader, until=SOON + timedelta(hours=1))

    expire_due(now=SOON + timedelta(seconds=2))
    market.drain(now=SOON + timedelta(seconds=2))

    assert Command.objects.filter(kind=CommandKind.TIME).count() == 1
    assert [stored(number).status for number in (*orders, kept)] == ["expired"] * 3 + ["open"]


def test_while_one_waits_none_is_added(market: Market, trader: TradingAccount) -> None:
    dated(market, trader)
    expire_due(now=SOON)

    assert expire_due(now=SOON + timedelta(seconds=1)) == []
    assert times_waiting() == 1


def test_what_fell_due_behind_the_waiting_one_is_seen_to_afterwards(
    market: Market, trader: TradingAccount
) -> None:
    dated(market, trader)
    later = dated(market, trader, until=SOON + timedelta(seconds=1))
    expire_due(now=SOON)
    assert expire_due(now=SOON + timedelta(seconds=1)) == []
    market.drain(now=SOON)
    assert stored(later).status == "open"

    assert expire_due(now=SOON + timedelta(seconds=1)) == [market.instrument.id]
    market.drain(now=SOON + timedelta(seconds=1))

    assert stored(later).status == "expired"


def test_only_books_with_something_due_are_asked(market: Market, trader: TradingAccount) -> None:
    other = make_market(shard=market.shard)
    dated(other, other.trader(), until=SOON + timedelta(days=1))
    dated(market, trader)

    assert expire_due(now=SOON) == [market.instrument.id]


def test_an_order_the_book_has_not_seen_yet_is_due_too(market: Market, trader: TradingAccount) -> None:
    order_id = market.buy(trader, 1, 49000, tif=TimeInForce.GTD, expires_at=SOON)

    expire_due(now=SOON)
    market.drain(now=SOON)

    assert (stored(order_id).status, stored(order_id).held) == ("expired", 0)


def test_a_parked_order_expires_like_any_other(market: Market, trader: TradingAccount) -> None:
    order_id = market.buy(
        trader, 1, 51000, kind=OrderType.STOP_LIMIT, trigger=51000, tif=TimeInForce.GTD, expires_at=SOON
    )
    market.drain()
    assert stored(order_id).status == "pending_trigger"

    expire_due(now=SOON)
    market.drain(now=SOON)

    assert (stored(order_id).status, money(trader, market.instrument.quote)[1]) == ("expired", "0")


def test_an_ended_order_is_due_no_more(market: Market, trader: TradingAccount) -> None:
    market.cancel(dated(market, trader), trader)
    market.drain()

    assert expire_due(now=SOON) == []


class TestDayOrders:
    """Those that end with the day, or with the session."""

    def test_the_day_ends_at_the_instruments_own_hour(self) -> None:
        market = make_market(day_ends_at=time(17, 30))
        trader = market.trader()
        order_id = day_order(market, trader)
        end = datetime(2026, 3, 2, 17, 30, tzinfo=UTC)
        assert stored(order_id).expires_at == end

        assert expire_due(now=end - timedelta(seconds=1)) == []
        assert expire_due(now=end) == [market.instrument.id]
        market.drain(now=end)

        assert stored(order_id).status == "expired"

    def test_closing_the_market_ends_them_and_nothing_else(
        self, market: Market, trader: TradingAccount
    ) -> None:
        day, kept = day_order(market, trader), dated(market, trader)

        request_phase(
            symbol=market.symbol, to=InstrumentStatus.CLOSED, actor=ACTOR, now=NOW, reason="evening"
        )
        market.drain()

        assert (stored(day).status, stored(day).reason, stored(day).held) == ("expired", "session_end", 0)
        assert stored(kept).status == "open"


def test_the_task_uses_this_moment(market: Market, trader: TradingAccount) -> None:
    # By the clock of the machine this was long ago.
    order_id = dated(market, trader)

    expire_due_orders()
    market.drain(now=SOON)

    assert stored(order_id).status == "expired"


def test_due_orders_are_found_by_their_index(market: Market, trader: TradingAccount) -> None:
    """Among many live orders that never expire, which is what a venue holds."""
    dated(market, trader)
    columns = [str(field.column) for field in Order._meta.concrete_fields if not field.generated]
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO orders_order ({', '.join(columns)}) SELECT"  # noqa: S608 - our own words
            f" {', '.join(f'copied.{column}' for column in columns)}"
            " FROM orders_order o, generate_series(1, 2000) n, jsonb_populate_record(o, jsonb_build_object("
            "'id', o.id + n, 'expires_at', NULL, 'time_in_force', 'gtc')) AS copied"
        )
        cursor.execute("ANALYZE orders_order")
        cursor.execute("SET LOCAL enable_seqscan = off")  # other partitions are too small for an index
        cursor.execute(f"EXPLAIN {_DUE}", [SOON, CommandKind.TIME.value])
        plan = "\n".join(row[0] for row in cursor.fetchall())

    assert "expires_at_idx" in plan or "order_expiring" in plan
    assert "Seq Scan on orders_order" not in plan


@pytest.mark.django_db(transaction=True)
def test_many_at_once_ask_once() -> None:
    market = make_market()
    dated(market, market.trader())

    results = all_at_once([lambda: expire_due(now=SOON)] * 8, threads=8)

    assert sorted(results, key=len) == [[]] * 7 + [[market.instrument.id]]  # type: ignore[arg-type]
    assert times_waiting() == 1
