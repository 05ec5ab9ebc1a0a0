"""Bytes and states that cannot be: the engine refuses them whole, and nothing has changed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tradeengine import Engine, EngineError
from tradeengine.codec import (
    COMMAND,
    NO_TERMS,
    OPEN,
    TERMS,
    CommandFlag,
    CommandKind,
    EventKind,
    Link,
    OpenOrder,
    OrderType,
    Phase,
    Place,
    Reason,
    Side,
    Terms,
    TermsFlag,
    TimeInForce,
    TriggerKind,
    TriggerSource,
    encode_command,
    encode_open,
    iter_events,
    iter_open,
)

from tests.engine.desk import BOOK
from tests.engine.naive_orders import LARGEST
from tests.engine.records import OTHER, limit, resting, snapshot

STOP = Terms(trigger=TriggerKind.STOP, trigger_price=110)
TRAIL = STOP._replace(trigger=TriggerKind.TRAILING, distance=5, step=1)
HIDDEN = Terms(flags=TermsFlag.HAS_DISPLAY)


def command(kind: CommandKind, **fields: Any) -> bytes:
    return encode_command(**{"kind": kind, "instrument": BOOK, "command_id": 9, "time": 9, **fields})


def new(**fields: Any) -> bytes:
    """A bid of 5 lots at 99 that changes the engine of the fixture if it is taken."""
    bid = {
        "order_id": 9,
        "account": 9,
        "side": Side.BUY,
        "order_type": OrderType.LIMIT,
        "tif": TimeInForce.GTC,
        "price": 99,
        "quantity": 5,
    }
    return command(CommandKind.NEW, **(bid | fields))


def with_byte(record: bytes, at: int, value: int) -> bytes:
    return record[:at] + bytes([value]) + record[at + 1 :]


def refuses(engine: Engine, records: bytes, complaint: str) -> None:
    """Alone, and in a batch before and after a good command: nothing changes."""
    good = limit(5, Side.SELL, 5, 100)
    before = snapshot(engine)
    for batch in (records, good + records, records + good):
        with pytest.raises(EngineError, match=complaint):
            engine.apply(batch)
        assert snapshot(engine) == before
        assert engine.level_changes() == b""
    engine.check()


# A record of every kind that the engine takes, and which of its bytes have a meaning.
GOOD = {
    "new": new(),
    "cancel": command(CommandKind.CANCEL, order_id=1),
    "amend": command(CommandKind.AMEND, order_id=1, quantity=4),
    "phase": command(CommandKind.PHASE, phase=Phase.HALTED),
    "time": command(CommandKind.TIME),
    "mass_cancel": command(CommandKind.MASS_CANCEL, account=1),
}
HEAD = {*range(4), *range(8, 12), *range(16, 24), *range(64, 72)}
WHOLE = set(range(COMMAND.size))
MEANINGS = {
    "new": WHOLE - {6, 7} - set(range(12, 16)),
    "cancel": (HEAD - {1, 2, 3}) | {6} | set(range(24, 40)),
    "amend": (HEAD - {1, 2, 3}) | set(range(24, 64)),
    "phase": (HEAD - {1, 2, 3}) | {4, 6, 7} | set(range(32, 40)) | set(range(48, 56)),
    "time": HEAD - {1, 2, 3},
    "mass_cancel": (HEAD - {2, 3}) | {6} | set(range(32, 40)),
}


class TestCommands:
    """A batch with one impossible record is refused whole."""

    @pytest.mark.parametrize("kind", GOOD)
    def test_bytes_without_a_meaning_must_be_zero(self, engine: Engine, kind: str) -> None:
        for at in WHOLE - MEANINGS[kind]:
            with pytest.raises(EngineError, match=r"^record 0: .* may not be 1$"):
                engine.apply(with_byte(GOOD[kind], at, 1))

        assert engine.seq(BOOK) == 3
        assert len(engine.apply(GOOD[kind])) > 0

    @pytest.mark.parametrize("kind", GOOD)
    def test_no_bytes_at_all_bring_it_down(self, kind: str) -> None:
        """Every byte of every record with every value: an answer or a typed error, and a book in order."""
        engine = Engine()
        engine.add_book(BOOK)
        for at in range(COMMAND.size):
            for value in range(256):
                before = engine.seq(BOOK)
                try:
                    engine.apply(with_byte(GOOD[kind], at, value))
                except EngineError:
                    assert engine.seq(BOOK) == before
                else:
                    assert engine.seq(BOOK) > before
        engine.check()

    @pytest.mark.parametrize(
        ("record", "complaint"),
        [
            (command(CommandKind.PHASE, phase=0), "phase may not be 0"),
            (command(CommandKind.PHASE, phase=7), "phase may not be 7"),
            (command(CommandKind.PHASE, phase=Phase.OPEN, price=-1), "price may not be"),
            (command(CommandKind.PHASE, phase=Phase.OPEN, flags=CommandFlag.POST_ONLY), "flags may not be 1"),
            (command(CommandKind.MASS_CANCEL, side=3), "side may not be 3"),
            (command(CommandKind.CANCEL, order_id=0), "order_id may not be 0"),
            (command(CommandKind.AMEND, order_id=2**63), "order_id may not be"),
            (new(order_id=2**64 - 1), "order_id may not be"),
            (new(account=2**63), "account may not be"),
            (new(stp_group=2**63), "stp_group may not be"),
            (new(command_id=2**63), "command_id may not be"),
            (new(command_id=0), "command_id may not be 0"),
            (new(flags=CommandFlag.CANCEL_RESTING), "flags may not be 2"),
            (new(flags=16), "flags may not be 16"),
        ],
    )
    def test_impossible_values_are_refused(self, engine: Engine, record: bytes, complaint: str) -> None:
        refuses(engine, record, complaint)

    def test_unknown_reasons_are_refused(self, engine: Engine) -> None:
        for reason in range(len(Reason), 256):
            with pytest.raises(EngineError, match=f"reason may not be {reason}"):
                engine.apply(with_byte(GOOD["cancel"], 6, reason))

        assert engine.seq(BOOK) == 3

    def test_truncated_records_are_refused(self, engine: Engine) -> None:
        for missing in range(1, COMMAND.size):
            for record in (new(), new(terms=STOP)):
                with pytest.raises(EngineError, match=r"not a whole number of 72-byte records$"):
                    engine.apply(record[:-missing])

        assert engine.seq(BOOK) == 3

    @pytest.mark.parametrize("instrument", [0, OTHER + 1, 8191, 8192, 2**32 - 1])
    @pytest.mark.parametrize("kind", list(CommandKind))
    def test_every_kind_needs_a_book(self, engine: Engine, kind: CommandKind, instrument: int) -> None:
        records = {
            CommandKind.NEW: new(terms=STOP),
            CommandKind.CANCEL: GOOD["cancel"],
            CommandKind.AMEND: GOOD["amend"],
            CommandKind.PHASE: GOOD["phase"],
            CommandKind.TIME: GOOD["time"],
            CommandKind.MASS_CANCEL: GOOD["mass_cancel"],
        }
        record = records[kind][:8] + instrument.to_bytes(4, "little") + records[kind][12:]

        refuses(engine, record, f"^no book for instrument {instrument}$")


class TestTerms:
    """A TERMS record belongs directly after a NEW that announces it, and nowhere else."""

    ALONE = STOP.encode()

    @pytest.mark.parametrize(
        ("records", "complaint"),
        [
            (ALONE, "record 0: kind may not be 7"),
            (new() + ALONE, "record 1: kind may not be 7"),
            (new(terms=STOP) + ALONE, "record 2: kind may not be 7"),
            (GOOD["cancel"] + ALONE, "record 1: kind may not be 7"),
        ],
    )
    def test_terms_without_an_order_are_refused(self, engine: Engine, records: bytes, complaint: str) -> None:
        before = snapshot(engine)

        with pytest.raises(EngineError, match=complaint):
            engine.apply(records)

        assert snapshot(engine) == before

    @pytest.mark.parametrize("follows", [b"", new(), new() + new(), GOOD["cancel"] * 2, GOOD["time"] * 3])
    def test_an_order_without_its_terms_is_refused(self, engine: Engine, follows: bytes) -> None:
        announced = new(terms=STOP)[: COMMAND.size]
        before = snapshot(engine)

        with pytest.raises(EngineError, match=r"record [01]: "):
            engine.apply(announced + follows)

        assert snapshot(engine) == before

    @pytest.mark.parametrize("kind", ["cancel", "amend", "phase", "time", "mass_cancel"])
    def test_only_new_orders_have_terms(self, engine: Engine, kind: str) -> None:
        refuses(engine, with_byte(GOOD[kind], 4, CommandFlag.TERMS) + self.ALONE, "may not be 4")

    def test_zero_bytes_are_zero(self, engine: Engine) -> None:
        for at in (5, 6, 7, *range(88, TERMS.size)):
            with pytest.raises(EngineError, match=r"^record 1: bytes .* may not be 1$"):
                engine.apply(new(terms=STOP)[: COMMAND.size] + with_byte(self.ALONE, at, 1))
        assert engine.seq(BOOK) == 3

    @pytest.mark.parametrize(
        ("at", "value", "field"),
        [
            (0, 1, "kind"),
            (1, 5, "trigger"),
            (2, 2, "source"),
            (3, 4, "link"),
            (4, 2, "flags"),
            (4, 3, "flags"),
        ],
    )
    def test_unknown_codes_are_refused(self, engine: Engine, at: int, value: int, field: str) -> None:
        records = new(terms=STOP)[: COMMAND.size] + with_byte(self.ALONE, at, value)

        refuses(engine, records, f"{field} may not be {value}")

    def test_a_display_quantity_needs_its_flag(self, engine: Engine) -> None:
        refuses(engine, new(terms=Terms(display=3)), "display may not be 3")

    def test_empty_terms_are_no_terms(self, engine: Engine) -> None:
        events = list(iter_events(engine.apply(new(flags=CommandFlag.TERMS))))

        assert [event.kind for event in events] == [EventKind.ACCEPTED]
        assert [order.terms for order in iter_open(engine.open_orders(BOOK))] == [NO_TERMS] * 4

    def test_no_bytes_at_all_bring_it_down(self) -> None:
        """Every byte of the terms with many values: an answer or a typed error, and a book in order."""
        engine = Engine()
        engine.add_book(BOOK)
        engine.apply(limit(1, Side.SELL, 10, 100) + limit(2, Side.BUY, 1, 100))
        for terms in (STOP, TRAIL, HIDDEN, Terms(min_quantity=1), Terms(link=Link.OTO, parent=77)):
            for at in range(TERMS.size):
                for value in (0, 1, 2, 3, 4, 7, 127, 128, 255):
                    before = engine.seq(BOOK)
                    record = new(flags=CommandFlag.TERMS)[: COMMAND.size] + with_byte(
                        terms.encode(), at, value
                    )
                    try:
                        engine.apply(record + command(CommandKind.CANCEL, order_id=9))
                    except EngineError:
                        assert engine.seq(BOOK) == before
                    else:
                        assert engine.seq(BOOK) > before
        engine.check()

    @pytest.mark.parametrize("number", [-(2**63), -1, LARGEST - 1, LARGEST])
    @pytest.mark.parametrize("field", Terms._fields[4:])
    @pytest.mark.parametrize("terms", [STOP, TRAIL, HIDDEN, Terms(budget=9), Terms(link=Link.OCO, partner=8)])
    def test_numbers_at_the_edge_are_answered(
        self, engine: Engine, terms: Terms, field: str, number: int
    ) -> None:
        changed = terms._replace(**{field: number})
        if field == "display":
            changed = changed._replace(flags=TermsFlag.HAS_DISPLAY)
        for flags in (0, CommandFlag.REDUCE_ONLY):
            engine.apply(new(terms=changed, flags=flags) + limit(6, Side.SELL, 1, 100))
            engine.check()


RANDOM_RECORDS = st.lists(
    st.sampled_from([*GOOD.values(), new(terms=STOP), new(terms=TRAIL)])
    | st.binary(min_size=72, max_size=72),
    max_size=4,
).map(b"".join)


@settings(max_examples=200, deadline=None)
@given(RANDOM_RECORDS | st.binary(max_size=300), st.integers(0, 600), st.integers(0, 255))
def test_random_bytes_are_answered_or_refused(records: bytes, at: int, value: int) -> None:
    if at < len(records):
        records = with_byte(records, at, value)
    engine = Engine()
    engine.add_book(BOOK)
    engine.apply(limit(1, Side.BUY, 10, 100))
    before = snapshot(engine)

    try:
        engine.apply(records)
    except EngineError:
        assert snapshot(engine) == before
    engine.check()


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
