"""States that no book can be in: the engine refuses to restore them, and the book that was there goes on."""

from __future__ import annotations

from typing import Any

import pytest
from tradeengine import Engine, EngineError
from tradeengine.codec import (
    OPEN,
    TERMS,
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
    TriggerSource,
    encode_open,
    iter_open,
)

from tests.engine.desk import BOOK
from tests.engine.naive_orders import LARGEST
from tests.engine.records import HIDDEN, STOP, TRAIL, limit, resting, snapshot, with_byte


def parked(order_id: int = 1, terms: Terms = STOP, **fields: Any) -> OpenOrder:
    return resting(order_id, **{"place": Place.ARMED, "shown": 0, "terms": terms, **fields})


def restored(records: bytes, **state: int) -> Engine:
    engine = Engine()
    engine.restore(
        BOOK, records, **{"seq": 50, "last_time": 0, "last_price": 0, "phase": Phase.OPEN, **state}
    )
    engine.check()
    return engine


class TestRestore:
    """A book that cannot be is refused, and the one that was there goes on."""

    @staticmethod
    def refuses(engine: Engine, records: bytes, complaint: str, phase: Phase = Phase.OPEN) -> None:
        before = snapshot(engine)
        with pytest.raises(EngineError, match=complaint):
            engine.restore(BOOK, records, seq=50, last_time=0, last_price=0, phase=phase)
        assert snapshot(engine) == before
        engine.check()

    @pytest.mark.parametrize("ask", [99, 100])
    @pytest.mark.parametrize("hidden", [False, True])
    def test_an_open_book_is_not_crossed_not_even_by_a_hidden_order(
        self, engine: Engine, ask: int, hidden: bool
    ) -> None:
        offer = resting(2, Side.SELL, ask, **({"terms": HIDDEN, "shown": 0} if hidden else {}))

        self.refuses(engine, encode_open(resting(1)) + encode_open(offer), "crossed: best bid 100")

    @pytest.mark.parametrize("phase", [phase for phase in Phase if phase != Phase.OPEN])
    def test_in_every_other_phase_it_may_be(self, phase: Phase) -> None:
        engine = restored(encode_open(resting(1)) + encode_open(resting(2, Side.SELL, 99)), phase=phase)

        assert engine.indicative(BOOK) == (99, 5, 0)

    @pytest.mark.parametrize("phase", [0, 7, 255])
    def test_an_unknown_phase_is_refused(self, engine: Engine, phase: int) -> None:
        before = snapshot(engine)
        for call in (engine.add_book, lambda book, phase: engine.restore(
            book, b"", seq=0, last_time=0, last_price=0, phase=phase
        )):  # fmt: skip
            with pytest.raises(EngineError, match=f"phase may not be {phase}"):
                call(7, phase=phase)
        assert snapshot(engine) == before

    @pytest.mark.parametrize(
        ("order", "complaint"),
        [
            (parked(shown=5), "shown may not be 5"),
            (parked(terms=Terms()), "place may not be 1"),
            (parked(terms=Terms(expires=9)), "place may not be 1"),
            (parked(place=Place.WAITING), "place may not be 2"),
            (parked(price=0), "price may not be 0"),
            (parked(price=-1), "price may not be"),
            (parked(terms=STOP._replace(trigger_price=0)), "trigger_price may not be 0"),
            (parked(terms=STOP._replace(expires=-1)), "expires may not be"),
            (parked(leaves=LARGEST, executed=1), "with order 1 the open lots exceed 64 bits"),
            (resting(1, shown=4), "shown may not be 4"),
            (resting(1, shown=6), "shown may not be 6"),
            (resting(1, terms=HIDDEN, shown=1), "shown may not be 1"),
            (resting(1, terms=HIDDEN._replace(display=3), shown=4), "shown may not be 4"),
            (resting(1, terms=HIDDEN._replace(display=3), shown=0), "shown may not be 0"),
            (resting(1, order_type=OrderType.MARKET), "type may not be 2"),
            (resting(1, tif=TimeInForce.IOC), "may not be"),
            (resting(1, tif=TimeInForce.FOK), "may not be"),
            (resting(1, terms=STOP), "may not be"),
            (resting(1, terms=Terms(min_quantity=1)), "may not be"),
            (resting(1, terms=Terms(link=Link.OCO, partner=2)), "may not be"),
            (resting(1, terms=Terms(parent=2)), "may not be"),
            (resting(1, place=3), "place may not be 3"),
            (resting(1, order_type=3), "type may not be 3"),
            (resting(1, tif=0), "tif may not be 0"),
            (resting(1, tif=5), "tif may not be 5"),
        ],
    )
    def test_an_order_that_cannot_be_is_refused(
        self, engine: Engine, order: OpenOrder, complaint: str
    ) -> None:
        self.refuses(engine, encode_open(order), complaint)

    @pytest.mark.parametrize(
        "order",
        [
            parked(terms=TRAIL._replace(step=0)),
            parked(terms=TRAIL._replace(distance=0)),
            parked(terms=TRAIL._replace(distance=10_000, trigger=TriggerKind.TRAILING_BPS)),
            parked(terms=TRAIL._replace(source=TriggerSource.QUOTE)),
            parked(terms=STOP._replace(distance=1)),
            parked(terms=STOP._replace(step=1)),
            parked(terms=STOP._replace(budget=500)),
            parked(terms=STOP._replace(position_limit=1)),
            parked(terms=STOP._replace(partner=1)),
            parked(terms=STOP._replace(partner=2)),
            parked(terms=STOP._replace(parent=2)),
            parked(terms=STOP._replace(flags=TermsFlag.HAS_DISPLAY, display=1), tif=TimeInForce.IOC),
            parked(terms=STOP._replace(min_quantity=1), post_only=True),
            parked(post_only=True, order_type=OrderType.MARKET),
            parked(leaves=0),
            parked(terms=STOP._replace(link=Link.ATTACHED, parent=9), leaves=0),
            parked(place=Place.WAITING, terms=STOP._replace(link=Link.ATTACHED, parent=9)),
            parked(place=Place.WAITING, terms=Terms(link=Link.ATTACHED, parent=9), leaves=0),
            parked(place=Place.WAITING, terms=Terms(link=Link.OTO, parent=9), leaves=0),
            parked(place=Place.WAITING, terms=Terms(link=Link.OTO, parent=1)),
            parked(place=Place.WAITING, terms=Terms(link=Link.OTO, parent=9, trigger_price=5)),
        ],
    )
    def test_a_parked_order_that_no_command_could_have_brought_is_refused(
        self, engine: Engine, order: OpenOrder
    ) -> None:
        """A trail without a step, for one, would divide by it at the next trade."""
        self.refuses(engine, encode_open(order), "^record 0: terms may not be")

    @pytest.mark.parametrize(
        ("first", "second", "complaint"),
        [
            (resting(1), parked(1, priority=2), "order 1 appears twice"),
            (parked(1), parked(1, priority=2), "order 1 appears twice"),
            (parked(1), parked(2, priority=1), "two orders have priority 1"),
            (resting(1), parked(2, priority=1), "two orders have priority 1"),
            (parked(1), parked(2, priority=51), "priority 51 is ahead of the book's seq"),
        ],
    )
    def test_two_that_cannot_both_be_are_refused(
        self, engine: Engine, first: OpenOrder, second: OpenOrder, complaint: str
    ) -> None:
        self.refuses(engine, encode_open(first) + encode_open(second), complaint)

    @pytest.mark.parametrize("version", [0, 1, 3, 255])
    def test_another_version_is_refused(self, engine: Engine, version: int) -> None:
        record = with_byte(encode_open(resting(1)), 3, version)

        self.refuses(engine, record, f"an open order of version {version}, but this engine reads version 2")

    def test_bytes_without_a_meaning_must_be_zero(self, engine: Engine) -> None:
        record = encode_open(resting(1))
        for at in (7, *range(72, OPEN.size)):
            self.refuses(engine, with_byte(record, at, 1), "may not be 1")
        record = encode_open(parked())
        for at in range(OPEN.size + TERMS.size, 3 * OPEN.size):
            self.refuses(engine, with_byte(record, at, 1), "may not be 1")

    @pytest.mark.parametrize("flags", [2, 8, 128])
    def test_unknown_flags_are_refused(self, engine: Engine, flags: int) -> None:
        self.refuses(engine, with_byte(encode_open(resting(1)), 1, flags), f"flags may not be {flags}")

    @pytest.mark.parametrize("size", [1, 79, 81, 159, 160, 161, 239])
    def test_truncated_records_are_refused(self, engine: Engine, size: int) -> None:
        self.refuses(engine, encode_open(parked())[:size], "80-byte records|flags may not be 4")

    def test_every_order_that_a_book_can_hold_comes_back_as_it_was(self) -> None:
        orders = [
            resting(1, Side.SELL, 101, terms=Terms(expires=9, partner=2)),
            resting(2, Side.SELL, 102, terms=HIDDEN, shown=0),
            resting(3, Side.SELL, 103, terms=HIDDEN._replace(display=3), shown=2),
            parked(4, STOP._replace(source=TriggerSource.QUOTE, min_quantity=2)),
            parked(5, TRAIL._replace(link=Link.OCO, partner=6), order_type=OrderType.MARKET, price=0),
            parked(6, Terms(link=Link.OTO, parent=9), place=Place.WAITING, tif=TimeInForce.FOK),
            parked(7, STOP._replace(link=Link.ATTACHED, parent=9), place=Place.WAITING, leaves=0),
            parked(8, STOP._replace(link=Link.ATTACHED, parent=9), executed=3, leaves=LARGEST - 3),
        ]
        records = b"".join(map(encode_open, orders))

        engine = restored(records)

        assert engine.open_orders(BOOK) == records
        assert list(iter_open(records)) == orders

    def test_no_bytes_at_all_bring_it_down(self) -> None:
        """Every byte with many values: a book in order, or a typed error; and then a trade through it all."""
        for order in (resting(1, Side.SELL, 101), parked(terms=TRAIL), parked(terms=STOP, leaves=7)):
            record = encode_open(order)
            for at in range(len(record)):
                for value in (0, 1, 2, 3, 4, 127, 128, 255):
                    engine = Engine()
                    engine.add_book(BOOK)
                    changed = with_byte(record, at, value)
                    try:
                        engine.restore(BOOK, changed, seq=50, last_time=0, last_price=0, phase=Phase.OPEN)
                    except EngineError:
                        assert engine.seq(BOOK) == 0
                        continue
                    engine.check()
                    engine.apply(limit(60, Side.SELL, 1, 95) + limit(61, Side.BUY, 9, 120))
                    engine.check()
