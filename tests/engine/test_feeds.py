"""Depth, and the changes that lead from one depth to the next."""

from __future__ import annotations

from tradeengine import Engine
from tradeengine.codec import Level, Side, iter_levels

from tests.engine import workload
from tests.engine.desk import BOOK
from tests.engine.records import OTHER, limit


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
