"""Random sequences of commands: the engine must say, byte for byte, what a naive book says."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tradeengine import Engine
from tradeengine.codec import EVENT, Level, iter_events, iter_levels, iter_open

from tests.engine import naive_hash
from tests.engine.drawing import INSTRUMENTS, journals, storm
from tests.engine.naive_book import NaiveBook
from tests.engine.naive_orders import Command
from tests.engine.records import rebuilt, snapshot


def empty_engine() -> Engine:
    engine = Engine()
    for instrument in INSTRUMENTS:
        engine.add_book(instrument)
    return engine


def check_against_naive(journal: list[Command]) -> None:
    """Give the same commands to both, one by one."""
    engine = empty_engine()
    books = {instrument: NaiveBook() for instrument in INSTRUMENTS}
    levels: dict[tuple[int, int, int], int] = {}

    for command in journal:
        book, instrument = books[command.instrument], command.instrument

        events = engine.apply(command.record())

        expected = book.execute(command)
        assert events == b"".join(EVENT.pack(*event) for event in expected), list(iter_events(events))
        engine.check()
        assert engine.seq(instrument) == book.seq
        assert engine.last_time(instrument) == book.last_time
        assert engine.last_price(instrument) == book.last_price
        assert engine.phase(instrument) == book.phase
        assert engine.indicative(instrument) == book.indicative()
        assert engine.order_count(instrument) == len(book.orders)
        orders = [order.as_open() for order in book.by_priority()]
        assert list(iter_open(engine.open_orders(instrument))) == orders
        assert list(iter_levels(engine.depth(instrument))) == book.depth(instrument)
        assert engine.state_hash(instrument) == naive_hash.state_hash(
            orders, seq=book.seq, last_time=book.last_time, last_price=book.last_price, phase=book.phase
        )
        for level in iter_levels(engine.level_changes()):
            levels[level.instrument, level.side, level.price] = level.quantity

    followed = {Level(*place, quantity) for place, quantity in levels.items() if quantity}
    assert followed == {level for instrument, book in books.items() for level in book.depth(instrument)}


@settings(max_examples=150, deadline=None)
@given(journals())
def test_every_command_gets_the_events_of_the_naive_book(journal: list[Command]) -> None:
    check_against_naive(journal)


@settings(max_examples=100, deadline=None)
@given(journals(), st.integers(0, 90))
def test_a_restored_engine_goes_on_as_if_nothing_had_happened(journal: list[Command], cut: int) -> None:
    engine = empty_engine()
    records = [command.record() for command in journal]
    engine.apply(b"".join(records[:cut]))

    restored = rebuilt(engine)

    assert restored.level_changes() == b""
    assert snapshot(restored) == snapshot(engine)
    engine.level_changes()
    rest = b"".join(records[cut:])
    assert restored.apply(rest) == engine.apply(rest)
    assert snapshot(restored) == snapshot(engine)
    assert restored.level_changes() == engine.level_changes()
    restored.check()


@pytest.mark.parametrize("seed", range(12))
def test_every_command_of_a_storm_gets_the_events_of_the_naive_book(seed: int) -> None:
    check_against_naive(storm(100, seed=seed))


@pytest.mark.parametrize("seed", range(20, 32))
def test_a_restart_after_every_command_of_a_storm_changes_nothing(seed: int) -> None:
    engine, restarted = empty_engine(), empty_engine()

    for command in storm(200, seed=seed):
        record = command.record()
        assert restarted.apply(record) == engine.apply(record)
        restarted = rebuilt(restarted)

    assert snapshot(restarted) == snapshot(engine)
    restarted.check()
