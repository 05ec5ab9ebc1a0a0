"""The state hash: equal for equal states, different for different ones, the same for ever."""

from __future__ import annotations

from typing import Any

import pytest
from tradeengine import Engine
from tradeengine.codec import CommandKind, RestingOrder, Side, encode_command, encode_resting, iter_resting

from tests.engine import naive_hash, workload
from tests.engine.desk import BOOK
from tests.engine.records import limit, rebuilt, resting


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
