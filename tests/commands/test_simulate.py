"""`manage.py simulate`: a seed repeats decisions, habits differ, and nobody spends what they do not have."""

from __future__ import annotations

import io
import random
import threading
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.db.models import Count, F, Max, Min, Q, Sum

from accounts.models import FundingRequest, LedgerAccount, TradingAccount, User
from instruments.models import Instrument, InstrumentStatus
from liquidity.participants.desk import open_desk
from liquidity.participants.simulating import Simulation
from orders.models import Book, Command, CommandKind, Fill, Link, Order, Source, Trade
from orders.services import books
from orders.services.seeding import SHARDS, Seeded
from orders.services.sending import Drain, Sender
from tests.factories import ACTOR, NOW

pytestmark = pytest.mark.django_db

CAST = {
    "sim-maker-1", "sim-maker-2", "sim-taker-1", "sim-taker-2", "sim-patient-1", "sim-whale-1",
    "sim-guarded-1",
}  # fmt: skip


def simulate(**options: Any) -> str:
    out = io.StringIO()
    call_command("simulate", drain=Drain.INLINE, stdout=out, **options)
    return out.getvalue()


def decisions() -> list[tuple[Any, ...]]:
    """What was decided, and what came of it, without ids and times."""
    return list(
        Order.objects.filter(source=Source.SIMULATION)
        .order_by("id")
        .values_list(
            "account__account_number", "instrument__symbol", "side", "type", "time_in_force", "post_only",
            "price", "quantity", "filled", "status",
        )
    )  # fmt: skip


def decisions_of_a_fresh_run(seed: int) -> list[tuple[Any, ...]]:
    """Run, look, and take everything back."""
    with transaction.atomic():
        simulate(orders=300, seed=seed)
        made = decisions()
        transaction.set_rollback(True)
    for shard_id in SHARDS:
        books.forget(shard_id)
    return made


def test_a_seed_repeats_every_decision(seeded: Seeded) -> None:
    first, again, other = (decisions_of_a_fresh_run(seed) for seed in (7, 7, 8))

    assert len(first) == 300
    assert first == again
    assert first != other


def test_money_is_conserved_and_nobody_overspends(seeded: Seeded) -> None:
    table = simulate(orders=300, seed=7)

    assert "denied" not in table
    sums = (
        LedgerAccount.objects.values("asset").annotate(total=Sum("balance")).values_list("total", flat=True)
    )
    assert set(sums) == {Decimal(0)}
    assert not LedgerAccount.objects.filter(
        Q(account__isnull=False) & (Q(balance__lt=F("held")) | Q(held__lt=0))
    ).exists()


def test_the_table_counts_what_happened(seeded: Seeded) -> None:
    table = simulate(orders=120, seed=3)
    rows = dict(line.strip("│ ").split("│") for line in table.splitlines() if line.startswith("│"))
    shown = {name.strip(): int(count.strip().replace(",", "")) for name, count in rows.items()}

    assert shown["orders sent"] == shown["accepted"] == Order.objects.count() == 120
    assert shown["trades"] == Trade.objects.count() > 0


def test_habits_differ(seeded: Seeded) -> None:
    simulate(orders=900, seed=11, symbols=["BTCUSDT", "ETHUSDT", "SOLUSDT", "BTCUSD"])

    fills = Fill.objects.values_list("account__user__username", "liquidity").distinct()
    placed = Order.objects.values_list("account__user__username").annotate(count=Count("id")).order_by()
    assert dict(placed) == {
        "sim-guarded-1": 69,
        "sim-maker-1": 473,
        "sim-maker-2": 199,
        "sim-patient-1": 39,
        "sim-taker-1": 96,
        "sim-taker-2": 11,
        "sim-whale-1": 13,
    }
    assert set(fills) == {
        ("sim-guarded-1", "maker"),
        ("sim-guarded-1", "taker"),
        ("sim-maker-1", "maker"),
        ("sim-maker-2", "maker"),
        ("sim-patient-1", "maker"),
        ("sim-taker-1", "taker"),
        ("sim-taker-2", "taker"),
        ("sim-whale-1", "maker"),
    }
    assert not Order.objects.live().filter(account__user__username__startswith="sim-taker").exists()


def test_demo_data_has_orders_with_conditions(seeded: Seeded) -> None:
    simulate(orders=900, seed=11, symbols=["BTCUSDT", "ETHUSDT", "SOLUSDT", "BTCUSD"])

    of_lists = Order.objects.filter(link=Link.ATTACHED)
    assert set(of_lists.values_list("status", "reason")) == {
        ("waiting", ""), ("pending_trigger", ""), ("filled", ""), ("cancelled", "linked"),
        ("cancelled", "parent_ended"),
    }  # fmt: skip
    icebergs = Order.objects.filter(display_quantity__gt=0)
    assert set(icebergs.values_list("account__user__username", flat=True)) == {"sim-whale-1"}
    assert icebergs.filter(filled__gt=0, shown__gt=0).exists()
    assert not Order.objects.filter(status="rejected", reason="would_take").exists()


def test_makers_quote_both_sides_without_crossing(seeded: Seeded) -> None:
    simulate(orders=200, seed=5, symbols=["BTCUSDT"])

    resting = Order.objects.resting().filter(account__user__username="sim-maker-1")
    bids = [order.price for order in resting if order.side == "buy"]
    asks = [order.price for order in resting if order.side == "sell"]
    assert len(bids) >= 2
    assert len(asks) >= 2
    assert max(price for price in bids if price) < min(price for price in asks if price)


def test_participants_are_opened_and_funded_once(seeded: Seeded) -> None:
    simulate(orders=10, seed=1)
    before = (User.objects.count(), TradingAccount.objects.count(), FundingRequest.objects.count())

    simulate(orders=10, seed=2)

    assert (User.objects.count(), TradingAccount.objects.count(), FundingRequest.objects.count()) == before
    people = User.objects.filter(username__startswith="sim-")
    assert set(people.values_list("username", flat=True)) == CAST
    assert not any(user.has_usable_password() for user in people)


def test_a_closed_market_is_counted_and_survived(seeded: Seeded) -> None:
    Instrument.objects.filter(symbol="BTCUSDT").update(status=InstrumentStatus.HALTED)

    table = simulate(orders=20, seed=7, symbols=["BTCUSDT"])

    assert "denied: instrument_halted" in table
    assert not Order.objects.exists()


def test_participants_quote_again_after_a_stranger_moved_the_market(seeded: Seeded) -> None:
    instrument = Instrument.objects.get(symbol="BTCUSDT")
    Book.objects.filter(instrument=instrument).update(
        last_price_ticks=int(Decimal(40_000) / instrument.tick_size), seq=1
    )

    table = simulate(orders=40, seed=7, symbols=["BTCUSDT"])

    assert "denied" not in table
    prices = Order.objects.filter(price__isnull=False).aggregate(low=Min("price"), high=Max("price"))
    assert Decimal(36_000) < prices["low"] < prices["high"] < Decimal(44_000)


def test_an_unknown_symbol_is_refused(seeded: Seeded) -> None:
    with pytest.raises(CommandError, match="No such instrument: NOPE"):
        simulate(orders=1, symbols=["BTCUSDT", "NOPE"])

    assert not User.objects.filter(username__startswith="sim-").exists()


@pytest.mark.parametrize("symbol", ["EURUSD", "USDJPY", "XAGUSD", "US30USD", "DOGEUSDT", "MATICUSDT"])
def test_any_seeded_instrument_can_be_quoted(seeded: Seeded, symbol: str) -> None:
    table = simulate(orders=30, seed=7, symbols=[symbol])

    assert "denied" not in table
    assert Order.objects.filter(instrument__symbol=symbol).count() == 30


def test_told_to_stop_it_stops(seeded: Seeded) -> None:
    stop = threading.Event()
    desk = open_desk(symbols=["BTCUSDT"], actor=ACTOR, now=NOW)
    sender = Sender(desk.shard_ids, Drain.INLINE, ACTOR, Source.SIMULATION, clock=lambda: NOW, stop=stop)
    simulation = Simulation(desk, sender, random.Random(7), stop)

    tally = simulation.run(
        orders=None, rate=None, each=lambda tally: stop.set() if tally.orders > 20 else None
    )

    assert 20 < tally.orders < 40
    assert Order.objects.count() == tally.orders


def test_what_was_cancelled_is_not_cancelled_again_before_the_answer(seeded: Seeded) -> None:
    stop, looks = threading.Event(), iter(range(200))
    desk = open_desk(symbols=["BTCUSDT"], actor=ACTOR, now=NOW)
    # Nobody drains: every cancel waits.
    sender = Sender(desk.shard_ids, Drain.WORKER, ACTOR, Source.SIMULATION, clock=lambda: NOW, stop=stop)
    simulation = Simulation(desk, sender, random.Random(7), stop)

    tally = simulation.run(orders=None, rate=None, each=lambda _: None if next(looks) < 199 else stop.set())

    asked = list(Command.objects.filter(kind=CommandKind.CANCEL).values_list("order_id", flat=True))
    assert len(asked) == tally.cancels > 10
    assert len(set(asked)) == len(asked)


def test_without_workers_it_says_so_at_once_and_sends_nothing(seeded: Seeded) -> None:
    with pytest.raises(CommandError, match=r"No worker answers: start the platform, or .*--drain inline"):
        call_command("simulate", orders=5, stdout=io.StringIO())

    assert not Order.objects.exists()
    assert not User.objects.filter(username__startswith="sim-").exists()
