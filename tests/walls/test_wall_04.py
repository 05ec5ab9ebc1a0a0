"""Wall 4: the engine is a pure function of (state, command)."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from tradeengine import Engine, codec

from instruments.models import InstrumentStatus
from orders.models import Command, Event, OrderType, Side, StpMode, TimeInForce, TriggerBy
from orders.services import books
from orders.services.pending import COLUMNS, PendingCommand
from orders.services.phases import halt_instrument, resume_instrument
from orders.services.requests import ListKind
from tests.factories import ACTOR, NOW, Market, make_market

pytestmark = pytest.mark.django_db

# Reads the journal of some books and writes what the engine says of it, a batch at a time.
REPLAY = """
import sys
from tradeengine import Engine
commands, books, batch = sys.stdin.read().split(), sys.argv[1].split(","), int(sys.argv[2])
engine = Engine()
for book in books:
    engine.add_book(int(book))
for start in range(0, len(commands), batch):
    sys.stdout.buffer.write(engine.apply(bytes.fromhex("".join(commands[start : start + batch]))))
sys.stderr.write(",".join(engine.state_hash(int(book)) for book in books))
"""


@pytest.fixture
def markets() -> list[Market]:
    """Two books of one shard with a bit of everything in their history."""
    first = make_market()
    found = [first, make_market(shard=first.shard)]
    for market in found:
        seller, buyer = market.trader(trade_group=5), market.trader(trade_group=5)
        stranger = market.trader()
        asks = [market.sell(seller, 2, 50000 + number) for number in range(5)]
        market.buy(buyer, 1, 50000, stp=StpMode.DECREMENT)
        market.buy(stranger, 3, 50001)
        market.buy(stranger, 50, tif=TimeInForce.FOK)
        market.drain()
        market.amend(asks[4], seller, price="50003.50", quantity=3)
        market.amend(asks[3], seller, quantity=1)
        market.cancel(asks[2], seller)
        market.cancel(asks[2], seller)
        market.buy(stranger, 1, 49000, post_only=True)
        halt_instrument(symbol=market.symbol, actor=ACTOR, now=NOW, reason="news")
        market.drain()
        market.cancel(asks[3])
        resume_instrument(symbol=market.symbol, actor=ACTOR, now=NOW, reason="over")
        market.drain()
        market.buy(stranger, "1.5", 50004, tif=TimeInForce.IOC)
        with_conditions(market)
    first.drain()
    return found


def with_conditions(market: Market) -> None:
    """What waits, follows, hides, depends on others, or is collected for an auction."""
    trader, other = market.trader(), market.trader()
    market.sell(trader, 5, 50100, display=1)
    market.sell(trader, 1, kind=OrderType.TRAILING_STOP, trail=10)
    market.buy(trader, 1, kind=OrderType.STOP, trigger=50090, by=TriggerBy.QUOTE)
    market.buy(other, 0, amount=70_000)
    market.send_list(
        ListKind.BRACKET,
        market.request(other, Side.BUY, 2, 50050),
        market.request(other, Side.SELL, 2, kind=OrderType.TAKE_PROFIT, trigger=50100),
        market.request(other, Side.SELL, 2, kind=OrderType.STOP, trigger=50000),
    )
    market.sell(trader, 1, 50050, tif=TimeInForce.GTD, expires_at=NOW + timedelta(hours=1))
    market.phase(InstrumentStatus.AUCTION)
    market.drain()
    market.buy(other, 1, 50200)
    market.sell(trader, 2, 49990)
    market.phase(InstrumentStatus.ACTIVE)


def journal(shard_id: int) -> list[bytes]:
    """The commands of a shard as the engine saw them, in the order of application."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {COLUMNS} FROM orders_command WHERE shard_id = %s ORDER BY position",  # noqa: S608
            [shard_id],
        )
        return [PendingCommand(*row).encode() for row in cursor.fetchall()]


def replayed(records: list[bytes], markets: list[Market], *, batch: int, hash_seed: str) -> tuple[bytes, str]:
    """What a process of its own says: events, and the state hash of each book."""
    numbers = ",".join(str(market.instrument.id) for market in markets)
    done = subprocess.run(
        [sys.executable, "-c", REPLAY, numbers, str(batch)],
        input=" ".join(record.hex() for record in records).encode(),
        capture_output=True,
        check=True,
        timeout=60,
        env={
            "PYTHONHASHSEED": hash_seed,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "TZ": "Pacific/Kiritimati" if batch == 1 else "UTC",
            "PATH": os.environ["PATH"],
        },
    )
    return done.stdout, done.stderr.decode()


def test_wall_04_the_journal_replayed_anywhere_gives_the_same_bytes(markets: list[Market]) -> None:
    records = journal(markets[0].shard.id)

    first = replayed(records, markets, batch=1_000, hash_seed="1")
    second = replayed(records, markets, batch=1, hash_seed="2")

    assert first == second
    assert len(first[0]) % codec.EVENT.size == 0
    assert first[1] == ",".join(market.book().state_hash for market in markets)


def test_wall_04_the_stored_events_are_those_of_a_replay(markets: list[Market]) -> None:
    records = journal(markets[0].shard.id)
    engine = Engine()
    for market in markets:
        engine.add_book(market.instrument.id)

    events = list(codec.iter_events(engine.apply(b"".join(records))))

    stored = Event.objects.order_by("instrument_id", "seq")
    assert [
        (
            row.kind, row.reason_code, row.side, row.flags, row.instrument_id, row.seq, row.command_id,
            row.order_id, row.account_id, row.maker_order_id, row.maker_account_id, row.price_ticks,
            row.quantity_lots, row.leaves_lots, row.maker_leaves_lots, row.priority,
        )
        for row in stored
    ] == [tuple(event)[:-1] for event in sorted(events, key=place)]  # fmt: skip
    assert len(events) > 80


def place(event: codec.EngineEvent) -> tuple[int, int]:
    return event.instrument, event.seq


def test_wall_04_going_on_from_a_restored_book_is_going_on(markets: list[Market]) -> None:
    """From any point on, a book restored from its open orders says what the one that lived says."""
    market = markets[1]
    records = [
        record
        for record in journal(market.shard.id)
        if int.from_bytes(record[8:12], "little") == market.instrument.id
    ]
    for cut in range(len(records)):
        lived, restored = Engine(), Engine()
        for engine in (lived, restored):
            engine.add_book(market.instrument.id)
        lived.apply(b"".join(records[:cut]))
        restored.restore(
            market.instrument.id,
            lived.open_orders(market.instrument.id),
            seq=lived.seq(market.instrument.id),
            last_time=lived.last_time(market.instrument.id),
            last_price=lived.last_price(market.instrument.id),
            phase=lived.phase(market.instrument.id),
        )
        rest = b"".join(records[cut:])
        assert lived.apply(rest) == restored.apply(rest)
        assert lived.state_hash(market.instrument.id) == restored.state_hash(market.instrument.id)


def test_wall_04_time_is_a_field_of_the_command(markets: list[Market]) -> None:
    """Nothing in the engine's answers but what the commands brought along."""
    assert set(Event.objects.values_list("at", flat=True)) == {NOW}
    assert set(Command.objects.values_list("time_us", flat=True)) == {1_772_452_800_000_000}


def test_wall_04_the_engine_has_no_clock_no_randomness_no_hash_order_no_float_no_io() -> None:
    """Its sources name none of what would make two runs differ."""
    forbidden = [
        "std::time", "SystemTime", "Instant", "rand", "HashMap", "HashSet", "f32", "f64", "std::fs",
        "std::io", "std::net", "std::env", "unsafe",
    ]  # fmt: skip
    folder = Path(books.__file__).parents[2] / "engine" / "src"
    found = {
        f"{path.name}: {word}"
        for path in folder.glob("*.rs")
        # Tests stand at the end of each file, and may compare with anything.
        for line in path.read_text().split("\n#[cfg(test)]\nmod ")[0].splitlines()
        for word in forbidden
        if word in line.split("//")[0] and "forbid(unsafe_code)" not in line
    }

    # The index of orders by id is looked up in, never walked, and hashed without a random key.
    assert found == {"orders.rs: HashMap"}
