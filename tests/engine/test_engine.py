"""The engine's boundary: batches all or nothing, several books, and threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from tradeengine import Engine, EngineError
from tradeengine.codec import COMMAND, EVENT, LEVEL, OPEN, TERMS, Side, iter_events

from tests.engine import workload
from tests.engine.desk import BOOK
from tests.engine.records import OTHER, limit, snapshot


def test_records_have_their_agreed_sizes() -> None:
    assert (COMMAND.size, TERMS.size, EVENT.size, OPEN.size, LEVEL.size) == (72, 144, 104, 80, 24)


class TestBatches:
    """A batch is applied whole or not at all."""

    @pytest.mark.parametrize(
        ("offset", "value", "field"),
        [
            (0, 0, "kind"),
            (0, 7, "kind"),
            (0, 8, "kind"),
            (1, 0, "side"),
            (1, 3, "side"),
            (2, 0, "order_type"),
            (2, 3, "order_type"),
            (3, 0, "tif"),
            (3, 5, "tif"),
            (4, 2, "flags"),
            (4, 4, "flags"),
            (4, 16, "flags"),
            (5, 5, "stp"),
            (6, 32, "reason"),
            (7, 1, "phase"),
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
            Engine.last_time, Engine.last_price, Engine.phase, Engine.indicative, Engine.order_count,
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
