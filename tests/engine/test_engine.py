"""The engine's boundary: batches all or nothing, restore, hashes, feeds, several books, several threads."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tradeengine import Engine, EngineError
from tradeengine.codec import (
    COMMAND,
    EVENT,
    LEVEL,
    RESTING,
    CommandKind,
    Level,
    OrderType,
    RestingOrder,
    Side,
    TimeInForce,
    encode_command,
    encode_resting,
    iter_events,
    iter_levels,
    iter_resting,
)

from tests.engine import naive_hash, workload
from tests.engine.desk import BOOK, Desk, trades

OTHER = 2


def limit(order_id: int, side: Side, quantity: int, price: int, *, instrument: int = BOOK) -> bytes:
    return encode_command(
        kind=CommandKind.NEW,
        instrument=instrument,
        command_id=order_id,
        time=order_id,
        order_id=order_id,
        account=order_id,
        side=side,
        order_type=OrderType.LIMIT,
        tif=TimeInForce.GTC,
        price=price,
        quantity=quantity,
    )


def resting(order_id: int, side: Side | int = Side.BUY, price: int = 100, **fields: Any) -> RestingOrder:
    order = RestingOrder(
        side=side, post_only=False, stp=0, order_id=order_id, account=9, stp_group=0, price=price, leaves=5,
        executed=0, priority=order_id, time=0,
    )  # fmt: skip
    return order._replace(**fields)


def snapshot(engine: Engine) -> dict[int, tuple[object, ...]]:
    """Everything that can be read of every book."""
    return {
        book: (
            engine.open_orders(book),
            engine.depth(book),
            engine.state_hash(book),
            engine.seq(book),
            engine.last_time(book),
            engine.last_price(book),
            engine.halted(book),
        )
        for book in engine.books()
    }


def rebuilt(engine: Engine) -> Engine:
    copy = Engine()
    for book in engine.books():
        copy.restore(
            book,
            engine.open_orders(book),
            seq=engine.seq(book),
            last_time=engine.last_time(book),
            last_price=engine.last_price(book),
            halted=engine.halted(book),
        )
    return copy


@pytest.fixture
def engine() -> Engine:
    """Two bids and an ask in the first book, an ask in the other."""
    engine = Engine()
    engine.add_book(BOOK)
    engine.add_book(OTHER)
    engine.apply(
        limit(1, Side.BUY, 10, 100)
        + limit(2, Side.BUY, 20, 100)
        + limit(3, Side.SELL, 30, 105)
        + limit(4, Side.SELL, 40, 90, instrument=OTHER)
    )
    engine.level_changes()
    return engine


def test_records_have_their_agreed_sizes() -> None:
    assert (COMMAND.size, EVENT.size, RESTING.size, LEVEL.size) == (72, 104, 80, 24)


class TestBatches:
    """A batch is applied whole or not at all."""

    @pytest.mark.parametrize(
        ("offset", "value", "field"),
        [
            (0, 0, "kind"),
            (0, 6, "kind"),
            (1, 0, "side"),
            (1, 3, "side"),
            (2, 0, "order_type"),
            (2, 3, "order_type"),
            (3, 0, "tif"),
            (3, 4, "tif"),
            (4, 2, "flags"),
            (4, 4, "flags"),
            (5, 5, "stp"),
            (6, 22, "reason"),
            (7, 1, "byte 7"),
            (12, 1, "bytes 12 to 15"),
            (16, 0, "command_id"),
            (23, 255, "command_id"),
            (24, 0, "order_id"),
            (32, 0, "account"),
            (47, 255, "stp_group"),
        ],
    )
    def test_a_malformed_record_anywhere_changes_nothing(
        self, engine: Engine, offset: int, value: int, field: str
    ) -> None:
        before = snapshot(engine)
        malformed = bytearray(limit(6, Side.SELL, 5, 100))
        malformed[offset] = value

        with pytest.raises(EngineError, match=f"record 1: {field} may not be"):
            engine.apply(limit(5, Side.SELL, 5, 100) + bytes(malformed))

        assert snapshot(engine) == before
        assert engine.level_changes() == b""

    @pytest.mark.parametrize("size", [1, 71, 73, 143])
    def test_half_a_record_changes_nothing(self, engine: Engine, size: int) -> None:
        before = snapshot(engine)

        with pytest.raises(EngineError, match=rf"^{size} bytes are not a whole number of 72-byte records$"):
            engine.apply((limit(5, Side.SELL, 5, 100) * 2)[:size])

        assert snapshot(engine) == before

    @pytest.mark.parametrize("instrument", [0, 3, 8191, 8192, 2**32 - 1])
    def test_an_unknown_instrument_changes_nothing(self, engine: Engine, instrument: int) -> None:
        before = snapshot(engine)

        with pytest.raises(EngineError, match=rf"^no book for instrument {instrument}$"):
            engine.apply(limit(5, Side.SELL, 5, 100) + limit(6, Side.SELL, 5, 100, instrument=instrument))

        assert snapshot(engine) == before

    def test_an_empty_batch_is_fine(self, engine: Engine) -> None:
        before = snapshot(engine)

        assert engine.apply(b"") == b""
        assert snapshot(engine) == before

    def test_only_bytes_are_taken(self, engine: Engine) -> None:
        with pytest.raises(TypeError):
            engine.apply(bytearray(limit(5, Side.SELL, 5, 100)))  # type: ignore[arg-type]

    def test_every_command_has_an_event_and_every_book_its_own_gapless_seq(self) -> None:
        engine, commands = workload.engine(), workload.commands(3_000, seed=11)

        events = list(iter_events(engine.apply(b"".join(commands))))

        assert {event.command_id for event in events} == set(range(1, 3_001))
        for book in workload.BOOKS:
            seqs = [event.seq for event in events if event.instrument == book]
            assert seqs == list(range(1, len(seqs) + 1))
            assert engine.seq(book) == len(seqs)
        engine.check()

    def test_the_cut_into_batches_does_not_matter(self) -> None:
        commands = workload.commands(2_000, seed=12)
        one_by_one, whole = workload.engine(), workload.engine()

        assert b"".join(map(one_by_one.apply, commands)) == whole.apply(b"".join(commands))
        assert snapshot(one_by_one) == snapshot(whole)


class TestRestore:
    """A book comes back from its open orders exactly, or not at all."""

    def test_a_restored_book_is_the_same_book(self) -> None:
        engine = workload.engine()
        engine.apply(b"".join(workload.commands(3_000, seed=13)))

        copy = rebuilt(engine)

        copy.check()
        assert snapshot(copy) == snapshot(engine)
        assert copy.level_changes() == b""
        rest = b"".join(workload.commands(1_000, seed=14, first=3_001))
        assert copy.apply(rest) == engine.apply(rest)
        assert snapshot(copy) == snapshot(engine)

    def test_priority_decides_not_the_order_of_records_or_ids(self) -> None:
        desk = Desk()
        records = [encode_resting(resting(n, priority=p)) for n, p in ((7, 3), (8, 1), (9, 2))]

        desk.engine.restore(BOOK, b"".join(records), seq=3, last_time=0, last_price=0, halted=False)

        assert desk.queue() == [(8, 5), (9, 5), (7, 5)]
        assert trades(desk.sell(12)) == [(8, 5, 100), (9, 5, 100), (7, 2, 100)]

    def test_a_restored_order_keeps_all_its_fields(self) -> None:
        order = RestingOrder(
            side=Side.SELL, post_only=True, stp=4, order_id=11, account=12, stp_group=13, price=14, leaves=15,
            executed=16, priority=17, time=18,
        )  # fmt: skip
        engine = Engine()

        engine.restore(3, encode_resting(order), seq=20, last_time=21, last_price=22, halted=True)

        assert list(iter_resting(engine.open_orders(3))) == [order]
        assert (engine.seq(3), engine.last_time(3), engine.last_price(3)) == (20, 21, 22)
        assert engine.halted(3)
        assert engine.order_count(3) == 1
        assert list(iter_levels(engine.depth(3))) == [Level(3, Side.SELL, 14, 15)]

    @pytest.mark.parametrize(
        ("orders", "complaint"),
        [
            ([resting(1), resting(2, Side.SELL, 100)], "crossed: best bid 100 is not below best ask 100"),
            ([resting(1), resting(2, Side.SELL, 99)], "crossed: best bid 100 is not below best ask 99"),
            ([resting(1), resting(1, priority=2)], "order 1 appears twice"),
            ([resting(1), resting(2, priority=1)], "two orders have priority 1"),
            ([resting(51)], "priority 51 is ahead of the book's seq"),
            ([resting(1, side=0)], "record 0: side may not be 0"),
            ([resting(1), resting(2, stp=5)], "record 1: stp may not be 5"),
            ([resting(0, priority=1)], "record 0: order_id may not be 0"),
            ([resting(1, account=0)], "record 0: account may not be 0"),
            ([resting(1, stp_group=-1)], "record 0: stp_group may not be"),
            ([resting(1, price=0)], "record 0: price may not be 0"),
            ([resting(1, leaves=0)], "record 0: leaves may not be 0"),
            ([resting(1, executed=-1)], "record 0: executed may not be"),
            ([resting(1, priority=0)], "record 0: priority may not be 0"),
            ([resting(1, leaves=2**63 - 1, executed=1)], "with order 1 the open lots exceed 64 bits"),
            ([resting(1), resting(2, leaves=2**63 - 1)], "with order 2 the open lots exceed 64 bits"),
        ],
    )
    def test_an_impossible_book_is_refused(
        self, engine: Engine, orders: list[RestingOrder], complaint: str
    ) -> None:
        before = snapshot(engine)

        with pytest.raises(EngineError, match=complaint):
            engine.restore(
                BOOK, b"".join(map(encode_resting, orders)), seq=50, last_time=0, last_price=0, halted=False
            )

        assert snapshot(engine) == before
        engine.check()

    @pytest.mark.parametrize(
        "state",
        [{"seq": -1}, {"seq": 2**62 + 1}, {"last_time": -1}, {"last_price": -1}],
        ids=lambda state: next(iter(state)),
    )
    def test_impossible_numbers_are_refused(self, engine: Engine, state: dict[str, int]) -> None:
        before = snapshot(engine)

        with pytest.raises(EngineError, match=f"{next(iter(state))} may not be"):
            engine.restore(BOOK, b"", halted=False, **{"seq": 50, "last_time": 0, "last_price": 0, **state})

        assert snapshot(engine) == before

    def test_truncated_records_are_refused(self, engine: Engine) -> None:
        before = snapshot(engine)

        with pytest.raises(EngineError, match=r"^159 bytes are not a whole number of 80-byte records$"):
            engine.restore(
                BOOK, engine.open_orders(BOOK)[:159], seq=50, last_time=0, last_price=0, halted=False
            )

        assert snapshot(engine) == before


class TestStateHash:
    """Equal for equal states, different for different ones, the same for ever."""

    def test_the_hash_of_known_books_never_changes(self, engine: Engine) -> None:
        empty = Engine()
        empty.add_book(BOOK)

        assert empty.state_hash(BOOK) == "e5e23b0b11b2a990ab8482b90d150442"
        assert engine.state_hash(BOOK) == "87f9dff4094a1650f8a315fdc2a105bc"

    def test_the_hash_is_what_its_description_says(self) -> None:
        engine = workload.engine()
        engine.apply(b"".join(workload.commands(1_000, seed=18)))

        for book in workload.BOOKS:
            assert engine.order_count(book) > 10
            assert engine.state_hash(book) == naive_hash.state_hash(
                list(iter_resting(engine.open_orders(book))),
                seq=engine.seq(book),
                last_time=engine.last_time(book),
                last_price=engine.last_price(book),
                halted=engine.halted(book),
            )

    @pytest.mark.parametrize(
        "change",
        [
            {"side": Side.SELL}, {"post_only": True}, {"stp": 1}, {"order_id": 2}, {"account": 8},
            {"stp_group": 1}, {"price": 101}, {"leaves": 6}, {"executed": 1}, {"priority": 2},
        ],
        ids=lambda change: next(iter(change)),
    )  # fmt: skip
    def test_every_field_of_an_order_but_its_time_counts(self, change: dict[str, Any]) -> None:
        def state_hash(order: RestingOrder) -> str:
            engine = Engine()
            engine.restore(BOOK, encode_resting(order), seq=9, last_time=9, last_price=9, halted=False)
            return engine.state_hash(BOOK)

        assert state_hash(resting(1)._replace(**change)) != state_hash(resting(1))
        assert state_hash(resting(1, time=7)) == state_hash(resting(1))

    def test_every_number_of_a_book_counts(self) -> None:
        engine = Engine()
        hashes = set()
        states: list[dict[str, int]] = [{}, {"seq": 1}, {"last_time": 1}, {"last_price": 1}, {"halted": True}]
        for number, state in enumerate(states, start=1):
            engine.add_book(number, **state)  # type: ignore[arg-type]
            hashes.add(engine.state_hash(number))

        assert len(hashes) == len(states)

    def test_the_same_orders_by_another_road_give_the_same_hash(self, engine: Engine) -> None:
        """Slots, levels and hash tables have another history; the state is the same."""
        engine.apply(
            limit(5, Side.SELL, 5, 110)
            + encode_command(kind=CommandKind.CANCEL, instrument=BOOK, command_id=6, time=0, order_id=5)
        )

        assert rebuilt(engine).state_hash(BOOK) == engine.state_hash(BOOK)


class TestFeeds:
    """Depth, and the changes that lead from one depth to the next."""

    def test_depth_is_best_first_and_limited_per_side(self, engine: Engine) -> None:
        engine.apply(limit(5, Side.BUY, 1, 101) + limit(6, Side.BUY, 1, 99) + limit(7, Side.SELL, 1, 104))

        assert list(iter_levels(engine.depth(BOOK, 2))) == [
            Level(BOOK, Side.BUY, 101, 1),
            Level(BOOK, Side.BUY, 100, 30),
            Level(BOOK, Side.SELL, 104, 1),
            Level(BOOK, Side.SELL, 105, 30),
        ]
        assert len(list(iter_levels(engine.depth(BOOK)))) == 5
        assert engine.depth(BOOK, 0) == b""

    def test_changes_are_sorted_absolute_and_told_once(self, engine: Engine) -> None:
        engine.apply(
            limit(5, Side.SELL, 40, 90, instrument=OTHER)
            + limit(6, Side.SELL, 30, 100)
            + limit(7, Side.BUY, 7, 105)
            + limit(8, Side.BUY, 3, 95)
        )

        assert list(iter_levels(engine.level_changes())) == [
            Level(BOOK, Side.BUY, 95, 3),
            Level(BOOK, Side.BUY, 100, 0),
            Level(BOOK, Side.SELL, 105, 23),
            Level(OTHER, Side.SELL, 90, 80),
        ]
        assert engine.level_changes() == b""

    def test_changes_applied_to_a_copy_give_the_depth(self) -> None:
        engine, copy = workload.engine(), {}
        commands = workload.commands(4_000, seed=15)

        for start in range(0, len(commands), 37):
            engine.apply(b"".join(commands[start : start + 37]))
            for level in iter_levels(engine.level_changes()):
                copy[level.instrument, level.side, level.price] = level.quantity

        followed = {place: quantity for place, quantity in copy.items() if quantity}
        depth = {
            tuple(level[:3]): level[3] for book in workload.BOOKS for level in iter_levels(engine.depth(book))
        }
        assert followed == depth
        assert len(depth) > 20


class TestBooks:
    """Books come and go; each stands alone."""

    def test_books_are_listed_in_order(self) -> None:
        engine = Engine()
        for book in (8191, 1, 300):
            engine.add_book(book)

        assert engine.books() == [1, 300, 8191]
        engine.remove_book(300)
        assert engine.books() == [1, 8191]

    @pytest.mark.parametrize("instrument", [0, 8192, 2**32 - 1])
    def test_ids_run_from_1_to_8191(self, instrument: int) -> None:
        with pytest.raises(EngineError, match=rf"^instrument ids run from 1 to 8191, not {instrument}$"):
            Engine().add_book(instrument)

    def test_a_book_is_opened_once(self, engine: Engine) -> None:
        before = snapshot(engine)

        with pytest.raises(EngineError, match=r"^instrument 1 has a book already$"):
            engine.add_book(BOOK)

        assert snapshot(engine) == before

    @pytest.mark.parametrize(
        "ask",
        [
            Engine.remove_book, Engine.depth, Engine.open_orders, Engine.state_hash, Engine.seq,
            Engine.last_time, Engine.last_price, Engine.halted, Engine.order_count,
        ],
        ids=lambda ask: ask.__name__,
    )  # fmt: skip
    def test_a_missing_book_is_an_error(self, engine: Engine, ask: Callable[[Engine, int], object]) -> None:
        with pytest.raises(EngineError, match=r"^no book for instrument 3$"):
            ask(engine, 3)

    def test_a_removed_book_starts_from_nothing(self, engine: Engine) -> None:
        engine.remove_book(BOOK)
        engine.add_book(BOOK)

        assert (engine.seq(BOOK), engine.order_count(BOOK), engine.depth(BOOK)) == (0, 0, b"")
        assert engine.order_count(OTHER) == 1

    def test_one_order_id_may_rest_in_two_books(self, engine: Engine) -> None:
        engine.apply(limit(1, Side.SELL, 10, 95, instrument=OTHER))

        assert (engine.order_count(BOOK), engine.order_count(OTHER)) == (3, 2)


def test_engine_error_is_a_value_error() -> None:
    assert issubclass(EngineError, ValueError)
    assert EngineError.__module__ == "tradeengine"


def test_threads_take_turns() -> None:
    """Each thread drives its own book; the books end as if driven alone."""
    engine, alone = workload.engine(), workload.engine()
    parts = {
        book: [command for command in workload.commands(4_000, seed=16) if command[8] == book]
        for book in workload.BOOKS
    }

    with ThreadPoolExecutor(len(parts)) as pool:
        together = list(pool.map(lambda part: b"".join(map(engine.apply, part)), parts.values()))

    assert together == [alone.apply(b"".join(part)) for part in parts.values()]
    assert snapshot(engine) == snapshot(alone)


def test_two_processes_with_different_hash_seeds_agree() -> None:
    program = "from tests.engine.workload import fingerprint; fingerprint(5_000, seed=17)"
    outputs = [
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=Path(__file__).parents[2],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout
        for seed in ("1", "2")
    ]
    engine = workload.engine()
    events = engine.apply(b"".join(workload.commands(5_000, seed=17)))

    assert outputs[0] == outputs[1]
    assert json.loads(outputs[0]) == {
        "events": hashlib.sha256(events).hexdigest(),
        "states": [engine.state_hash(book) for book in workload.BOOKS],
    }
