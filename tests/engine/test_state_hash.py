"""The state hash: equal for equal states, different for different ones, the same for ever."""

from __future__ import annotations

from typing import Any

import pytest
from tradeengine import Engine
from tradeengine.codec import (
    CommandKind,
    Link,
    OpenOrder,
    OrderType,
    Phase,
    Place,
    Side,
    Terms,
    TermsFlag,
    TimeInForce,
    TriggerKind,
    encode_command,
    encode_open,
    iter_open,
)

from tests.engine import naive_hash, workload
from tests.engine.desk import BOOK
from tests.engine.records import limit, rebuilt, resting


def hash_with(order: OpenOrder) -> str:
    """Of a book with this order alone."""
    engine = Engine()
    engine.restore(BOOK, encode_open(order), seq=9, last_time=9, last_price=9, phase=Phase.OPEN)
    return engine.state_hash(BOOK)


class TestStateHash:
    """Equal for equal states, different for different ones, the same for ever."""

    def test_the_hash_of_known_books_never_changes(self, engine: Engine) -> None:
        empty = Engine()
        empty.add_book(BOOK)

        assert empty.state_hash(BOOK) == "f67c3ef51a11ca69ea19cea5e5f28711"
        assert engine.state_hash(BOOK) == "13fa338fd8b7b22977ec43f7c9ac3067"

    def test_the_hash_is_what_its_description_says(self) -> None:
        engine = workload.engine()
        engine.apply(b"".join(workload.commands(1_000, seed=18)))

        for book in workload.BOOKS:
            assert engine.order_count(book) > 10
            assert engine.state_hash(book) == naive_hash.state_hash(
                list(iter_open(engine.open_orders(book))),
                seq=engine.seq(book),
                last_time=engine.last_time(book),
                last_price=engine.last_price(book),
                phase=engine.phase(book),
            )

    @pytest.mark.parametrize(
        "change",
        [
            {"side": Side.SELL}, {"post_only": True}, {"stp": 1}, {"order_id": 2}, {"account": 8},
            {"stp_group": 1}, {"price": 101}, {"leaves": 6}, {"executed": 1}, {"priority": 2},
            {"tif": TimeInForce.DAY},
        ],
        ids=lambda change: next(iter(change)),
    )  # fmt: skip
    def test_every_field_of_a_resting_order_counts(self, change: dict[str, Any]) -> None:
        changed = resting(1)._replace(**change)

        assert hash_with(changed._replace(shown=changed.leaves)) != hash_with(resting(1))

    def test_every_term_of_a_resting_order_counts(self) -> None:
        iceberg = Terms(flags=TermsFlag.HAS_DISPLAY, display=3)
        orders = [
            resting(1),
            resting(1, terms=Terms(expires=10)),
            resting(1, terms=Terms(partner=2)),
            resting(1, terms=Terms(flags=TermsFlag.HAS_DISPLAY), shown=0),
            resting(1, terms=iceberg, shown=3),
            resting(1, terms=iceberg, shown=2),
            resting(1, terms=iceberg._replace(display=4), shown=3),
        ]

        assert len({hash_with(order) for order in orders}) == len(orders)

    def test_every_term_of_a_parked_order_counts(self) -> None:
        stop = Terms(trigger=TriggerKind.STOP, trigger_price=100)
        trail = stop._replace(trigger=TriggerKind.TRAILING, distance=5, step=1)
        orders = [
            resting(1, place=Place.ARMED, shown=0, terms=terms)
            for terms in (
                stop,
                stop._replace(trigger=TriggerKind.TAKE_PROFIT),
                stop._replace(source=1),
                stop._replace(trigger_price=101),
                stop._replace(flags=TermsFlag.HAS_DISPLAY),
                stop._replace(flags=TermsFlag.HAS_DISPLAY, display=3),
                stop._replace(min_quantity=1),
                stop._replace(expires=10),
                stop._replace(link=Link.OCO, partner=2),
                stop._replace(link=Link.OCO, partner=3),
                stop._replace(link=Link.OTO, parent=2),
                stop._replace(link=Link.ATTACHED, parent=2),
                trail,
                trail._replace(trigger=TriggerKind.TRAILING_BPS),
                trail._replace(distance=6),
                trail._replace(step=2),
            )
        ]
        orders.append(orders[0]._replace(order_type=OrderType.MARKET))
        orders.append(orders[0]._replace(tif=TimeInForce.FOK))
        orders.append(orders[10]._replace(place=Place.WAITING))

        assert len({hash_with(order) for order in orders}) == len(orders)

    def test_every_number_of_a_book_counts(self) -> None:
        engine = Engine()
        hashes = set()
        states = [{"phase": phase} for phase in Phase] + [{"seq": 1}, {"last_time": 1}, {"last_price": 1}]
        for number, state in enumerate(states, start=1):
            engine.add_book(number, **state)
            hashes.add(engine.state_hash(number))

        assert len(hashes) == len(states)

    def test_the_same_orders_by_another_road_give_the_same_hash(self, engine: Engine) -> None:
        """Slots, levels and hash tables have another history; the state is the same."""
        engine.apply(
            limit(5, Side.SELL, 5, 110)
            + encode_command(kind=CommandKind.CANCEL, instrument=BOOK, command_id=6, time=0, order_id=5)
        )

        assert rebuilt(engine).state_hash(BOOK) == engine.state_hash(BOOK)
