"""A book comes back from its open orders exactly, or not at all."""

from __future__ import annotations

import pytest
from tradeengine import Engine, EngineError
from tradeengine.codec import (
    Level,
    OpenOrder,
    OrderType,
    Phase,
    Place,
    Side,
    Terms,
    TimeInForce,
    encode_open,
    iter_levels,
    iter_open,
)

from tests.engine import workload
from tests.engine.desk import BOOK, Desk, trades
from tests.engine.records import rebuilt, resting, snapshot


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
        records = [encode_open(resting(n, priority=p)) for n, p in ((7, 3), (8, 1), (9, 2))]

        desk.engine.restore(BOOK, b"".join(records), seq=3, last_time=0, last_price=0, phase=Phase.OPEN)

        assert desk.queue() == [(8, 5), (9, 5), (7, 5)]
        assert trades(desk.sell(12)) == [(8, 5, 100), (9, 5, 100), (7, 2, 100)]

    def test_a_restored_order_keeps_all_its_fields(self) -> None:
        order = OpenOrder(
            side=Side.SELL, post_only=True, stp=4, place=Place.RESTING, order_type=OrderType.LIMIT,
            tif=TimeInForce.DAY, order_id=11, account=12, stp_group=13, price=14, leaves=15, executed=16,
            priority=17, shown=15, terms=Terms(expires=30, partner=31),
        )  # fmt: skip
        engine = Engine()

        engine.restore(3, encode_open(order), seq=20, last_time=21, last_price=22, phase=Phase.HALTED)

        assert list(iter_open(engine.open_orders(3))) == [order]
        assert (engine.seq(3), engine.last_time(3), engine.last_price(3)) == (20, 21, 22)
        assert engine.phase(3) == Phase.HALTED
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
        self, engine: Engine, orders: list[OpenOrder], complaint: str
    ) -> None:
        before = snapshot(engine)

        with pytest.raises(EngineError, match=complaint):
            engine.restore(
                BOOK, b"".join(map(encode_open, orders)), seq=50, last_time=0, last_price=0, phase=Phase.OPEN
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
            engine.restore(
                BOOK, b"", phase=Phase.OPEN, **{"seq": 50, "last_time": 0, "last_price": 0, **state}
            )

        assert snapshot(engine) == before

    def test_truncated_records_are_refused(self, engine: Engine) -> None:
        before = snapshot(engine)

        with pytest.raises(EngineError, match=r"^159 bytes are not a whole number of 80-byte records$"):
            engine.restore(
                BOOK, engine.open_orders(BOOK)[:159], seq=50, last_time=0, last_price=0, phase=Phase.OPEN
            )

        assert snapshot(engine) == before
