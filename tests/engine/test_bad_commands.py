"""Bytes that are no command: the engine refuses the whole batch, and nothing has changed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tradeengine import Engine, EngineError
from tradeengine.codec import (
    COMMAND,
    NO_TERMS,
    TERMS,
    CommandFlag,
    CommandKind,
    EventKind,
    Link,
    OrderType,
    Phase,
    Reason,
    Side,
    Terms,
    TermsFlag,
    TimeInForce,
    encode_command,
    iter_events,
    iter_open,
)

from tests.engine.desk import BOOK
from tests.engine.naive_orders import LARGEST
from tests.engine.records import HIDDEN, OTHER, STOP, TRAIL, limit, snapshot, with_byte


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
    "new": WHOLE - {7} - set(range(12, 16)),
    "cancel": (HEAD - {1, 2, 3}) | {6} | set(range(24, 40)),
    "amend": (HEAD - {1, 2, 3}) | {6} | set(range(24, 64)),
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

    @pytest.mark.parametrize("kind", ["new", "cancel", "amend"])
    def test_unknown_reasons_are_refused(self, engine: Engine, kind: str) -> None:
        for reason in range(len(Reason), 256):
            with pytest.raises(EngineError, match=f"reason may not be {reason}"):
                engine.apply(with_byte(GOOD[kind], 6, reason))

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
