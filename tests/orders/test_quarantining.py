"""One command that cannot be applied is set aside; what it held is given back, and the rest goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, OperationalError
from pytest_django import Settings
from tradeengine.codec import EngineEvent

from accounts.models import TradingAccount
from audit.models import AuditRecord
from instruments.models import Instrument, InstrumentStatus
from orders.models import Command, CommandStatus, Event, EventKind, Quarantine, Shard, ShardStatus
from orders.services.awaiting import require_done
from orders.services.drain import ShardStopped
from orders.services.projecting import Projection
from orders.services.quarantining import MOST
from orders.services.requests import Requested
from tests.factories import NOW, Market, make_market, money, stored
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.invariants import check_all

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def seen_from_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Invariants are read through the connection of the test's own transaction."""
    monkeypatch.setattr("tradeplatform.common.invariants.READ_ONLY", "default")
    monkeypatch.setattr("orders.invariants.READ_ONLY", "default")


@pytest.fixture
def buyer(market: Market) -> TradingAccount:
    """Somebody with enough for all that is bought here."""
    return market.trader(base=0, quote=1_000_000)


@pytest.fixture
def poisonous(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[EngineEvent], bool]], None]:
    """Let the projection fail at events of a kind, as a fault of ours would."""

    def poison(bad: Callable[[EngineEvent], bool]) -> None:
        honest = Projection.apply

        def apply(self: Projection, events: Iterable[EngineEvent]) -> None:
            listed = list(events)
            if any(bad(event) for event in listed):
                raise ZeroDivisionError("a fault of ours")
            honest(self, listed)

        monkeypatch.setattr(Projection, "apply", apply)

    return poison


def all_hold() -> None:
    """Every invariant, the replay of the journal among them."""
    assert [found for found in check_all() if not found.holds] == []


def spoil(order_id: int, **columns: Any) -> None:
    """Give the pending command of an order values that mean nothing to the engine."""
    assert Command.objects.filter(order_id=order_id, status=CommandStatus.PENDING).update(**columns) == 1


def status_of(order_id: int) -> tuple[str, str]:
    order = stored(order_id)
    return order.status, order.reason


def answer_to(command: int, order: int) -> Code:
    """What a client hears who waited for this cancel or amend."""
    with pytest.raises(Refusal) as refused:
        require_done(Requested(command, order, NOW))
    return refused.value.code


@pytest.mark.parametrize("size", [1, 2, 7, 1_000])
def test_a_new_order_is_rejected_and_those_around_it_trade(
    market: Market, buyer: TradingAccount, seller: TradingAccount, size: int
) -> None:
    asks = [market.sell(seller, 1, 50000) for _ in range(3)]
    bad = market.buy(buyer, 1, 49000)
    bids = [market.buy(buyer, 1, 50000) for _ in range(3)]
    spoil(bad, side=7)

    market.drain(batch=size)

    assert [status_of(order) for order in (*asks, *bids)] == [("filled", "")] * 6
    assert status_of(bad) == ("rejected", "quarantined")
    assert money(buyer, market.instrument.quote)[1] == "0"
    assert Shard.objects.get(pk=market.shard.pk).status == ShardStatus.RUNNING
    aside = Quarantine.objects.get()
    assert (aside.order_id, aside.shard_id, aside.original["side"]) == (bad, market.shard.pk, 7)
    assert "side may not be 7" in aside.error
    record = AuditRecord.objects.get(action="orders.command.quarantine")
    assert (record.actor_label, record.target_id) == ("quarantine", str(aside.command_id))
    all_hold()


def test_one_that_trips_over_a_fault_of_ours_is_rejected_as_it_came(
    market: Market, buyer: TradingAccount, seller: TradingAccount, poisonous: Any
) -> None:
    ask = market.sell(seller, 2, 50000)
    market.drain()
    bad, good = market.buy(buyer, 1, 50000), market.buy(buyer, 2, 50000)
    poisonous(lambda event: event.kind == EventKind.TRADE and event.order_id == bad)

    market.drain()

    assert status_of(bad) == ("rejected", "quarantined")
    assert [status_of(order) for order in (ask, good)] == [("filled", "")] * 2
    command = Command.objects.get(order_id=bad)
    assert (command.price_ticks, command.side) == (5_000_000, 1)
    all_hold()


def test_an_amend_leaves_the_order_as_it_is_and_gives_back_what_it_held(
    market: Market, buyer: TradingAccount
) -> None:
    order = market.buy(buyer, 1, 49000)
    market.drain()
    held = money(buyer, market.instrument.quote)[1]
    command = market.amend(order, buyer, quantity=3)
    assert Decimal(money(buyer, market.instrument.quote)[1]) > Decimal(held)
    spoil(order, flags=64)

    market.drain()

    assert money(buyer, market.instrument.quote)[1] == held
    assert (stored(order).quantity, stored(order).status) == (Decimal(1), "open")
    assert answer_to(command, order) == Code.QUARANTINED
    all_hold()


def test_a_cancel_is_refused_and_the_order_stays(
    market: Market, buyer: TradingAccount, poisonous: Any
) -> None:
    order = market.buy(buyer, 1, 49000)
    market.drain()
    command = market.cancel(order, buyer)
    poisonous(lambda event: event.kind == EventKind.CANCELLED and event.order_id == order)

    market.drain()

    assert stored(order).status == "open"
    assert answer_to(command, order) == Code.ORDER_NOT_OPEN
    assert Quarantine.objects.get().command_id == command
    all_hold()


def test_a_change_of_phase_becomes_a_mark_and_the_market_goes_on(
    market: Market, seller: TradingAccount, poisonous: Any
) -> None:
    ask = market.sell(seller, 1, 50000)
    market.drain()
    command = market.phase(InstrumentStatus.HALTED)
    poisonous(lambda event: event.kind == EventKind.PHASE_CHANGED)

    market.drain()

    assert Quarantine.objects.get().command_id == command
    assert Event.objects.filter(command_id=command, kind=EventKind.PHASE_CHANGED).count() == 0
    assert status_of(ask) == ("open", "")
    assert Shard.objects.get(pk=market.shard.pk).status == ShardStatus.RUNNING


def test_what_fails_again_and_again_is_not_the_commands(
    market: Market, buyer: TradingAccount, poisonous: Any
) -> None:
    orders = [market.buy(buyer, 1, 49000) for _ in range(MOST + 3)]
    poisonous(lambda event: event.kind == EventKind.ACCEPTED)

    with pytest.raises(ShardStopped, match=r"It is not the commands\."):
        market.drain()

    rejected, waiting = orders[:MOST], orders[MOST:]
    assert [status_of(order) for order in rejected] == [("rejected", "quarantined")] * MOST
    assert [stored(order).status for order in waiting] == ["pending"] * 3
    shard = Shard.objects.get(pk=market.shard.pk)
    assert (shard.status, Quarantine.objects.count()) == (ShardStatus.STOPPED, MOST)
    assert "5 commands were set aside within 10 minutes" in shard.stop_reason


def test_one_that_cannot_even_be_refused_stops_the_shard_and_loses_nothing(
    market: Market, buyer: TradingAccount, poisonous: Any
) -> None:
    order = market.buy(buyer, 1, 49000)
    held = money(buyer, market.instrument.quote)
    poisonous(lambda event: event.order_id == order)

    with pytest.raises(ShardStopped, match="can neither be applied nor set aside"):
        market.drain()

    assert stored(order).status == "pending"
    assert money(buyer, market.instrument.quote) == held


def test_trouble_of_the_database_is_no_commands_fault(
    market: Market, buyer: TradingAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = market.buy(buyer, 1, 49000)

    def lost(*_args: Any) -> None:
        raise OperationalError("the connection is gone")

    with monkeypatch.context() as patched:
        patched.setattr(Projection, "apply", lost)
        with pytest.raises(OperationalError):
            market.drain()
    assert (stored(order).status, Quarantine.objects.count()) == ("pending", 0)

    market.drain()
    assert stored(order).status == "open"


def test_other_books_of_the_shard_never_notice(market: Market, buyer: TradingAccount) -> None:
    other = make_market(shard=market.shard)
    bad, good = market.buy(buyer, 1, 49000), other.buy(other.trader(), 1, 49000)
    spoil(bad, order_type=9)

    market.drain()

    assert status_of(bad) == ("rejected", "quarantined")
    assert status_of(good) == ("open", "")
    all_hold()


def test_by_policy_the_instrument_is_halted_and_others_go_on(
    market: Market, buyer: TradingAccount, settings: Settings
) -> None:
    settings.HALT_ON_QUARANTINE = True
    other = make_market(shard=market.shard)
    bad = market.buy(buyer, 1, 49000)
    spoil(bad, side=7)

    market.drain()

    assert status_of(bad) == ("rejected", "quarantined")
    statuses = dict(Instrument.objects.values_list("id", "status"))
    assert statuses[market.instrument.pk] == InstrumentStatus.HALTED
    assert statuses[other.instrument.pk] == InstrumentStatus.ACTIVE
    record = AuditRecord.objects.get(action="instruments.trading.halt")
    assert record.reason == f"command {Quarantine.objects.get().command_id} was quarantined"
    all_hold()


def test_what_was_set_aside_is_a_fact(market: Market, buyer: TradingAccount) -> None:
    spoil(market.buy(buyer, 1, 49000), side=7)
    market.drain()

    with pytest.raises(DatabaseError, match="Cannot update or delete"):
        Quarantine.objects.update(error="nothing")
