"""Random sequences of commands: the engine must say, byte for byte, what a naive book says."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tradeengine import Engine
from tradeengine.codec import (
    EVENT,
    CommandFlag,
    CommandKind,
    Level,
    OrderType,
    Reason,
    Side,
    StpMode,
    TimeInForce,
    encode_command,
    iter_events,
    iter_levels,
    iter_resting,
)

from tests.engine.naive_book import LARGEST, Command, NaiveBook

INSTRUMENTS = (1, 7, 8191)

# Six prices, ten orders, four accounts, two groups: everything collides all the time.
prices = st.integers(1, 6) | st.integers(1, 6) | st.sampled_from([0, -1, LARGEST])
quantities = st.integers(1, 9) | st.integers(1, 9) | st.sampled_from([0, -3, -(2**63), LARGEST, LARGEST // 2])
order_ids = st.integers(1, 10)
accounts = st.integers(1, 4)
owners = st.sampled_from([0, 0, 1, 2, 3, 4])
reasons = st.sampled_from([Reason.NONE, Reason.OPERATOR, Reason.MASS_CANCEL, Reason.DELISTED])


def kinds_of_command(kind: CommandKind, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Command]:
    return st.builds(
        Command,
        kind=st.just(kind),
        instrument=st.sampled_from(INSTRUMENTS),
        command_id=st.just(1),
        time=st.integers(-2, 50),
        **fields,
    )


new_orders = kinds_of_command(
    CommandKind.NEW,
    order_id=order_ids,
    account=accounts,
    stp_group=st.sampled_from([0, 0, 1, 2]),
    side=st.sampled_from(Side),
    order_type=st.sampled_from([OrderType.LIMIT, OrderType.LIMIT, OrderType.LIMIT, OrderType.MARKET]),
    tif=st.sampled_from([TimeInForce.GTC, TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK]),
    flags=st.sampled_from([0, 0, 0, CommandFlag.POST_ONLY]),
    stp=st.sampled_from(StpMode),
    price=prices,
    quantity=quantities,
)
cancels = kinds_of_command(CommandKind.CANCEL, order_id=order_ids, account=owners, reason=reasons)
amends = kinds_of_command(
    CommandKind.AMEND,
    order_id=order_ids,
    account=owners,
    price=st.just(0) | prices,
    quantity=st.just(0) | quantities,
)
halts = kinds_of_command(
    CommandKind.HALT, account=owners, reason=reasons, flags=st.sampled_from([0, CommandFlag.CANCEL_RESTING])
)
resumes = kinds_of_command(CommandKind.RESUME, account=owners, reason=reasons)
common = new_orders | new_orders | new_orders | amends | amends | cancels
commands = st.lists(common | common | common | halts | resumes | resumes, min_size=12, max_size=80)


@settings(max_examples=300, deadline=None)
@given(commands)
def test_every_command_gets_the_events_of_the_naive_book(sequence: list[Command]) -> None:
    engine = Engine()
    books = {instrument: NaiveBook() for instrument in INSTRUMENTS}
    for instrument in INSTRUMENTS:
        engine.add_book(instrument)
    levels: dict[tuple[int, int, int], int] = {}

    for number, drawn in enumerate(sequence, start=1):
        command = replace(drawn, command_id=number)
        book = books[command.instrument]

        events = engine.apply(encode_command(**asdict(command)))

        expected = book.execute(command)
        assert events == b"".join(EVENT.pack(*event) for event in expected), list(iter_events(events))
        engine.check()
        assert engine.seq(command.instrument) == book.seq
        assert engine.last_time(command.instrument) == book.last_time
        assert engine.last_price(command.instrument) == book.last_price
        assert engine.halted(command.instrument) == book.halted
        assert engine.order_count(command.instrument) == len(book.orders)
        assert list(iter_resting(engine.open_orders(command.instrument))) == book.orders
        assert list(iter_levels(engine.depth(command.instrument))) == book.depth(command.instrument)
        for level in iter_levels(engine.level_changes()):
            levels[level.instrument, level.side, level.price] = level.quantity

    followed = {Level(*place, quantity) for place, quantity in levels.items() if quantity}
    assert followed == {level for instrument, book in books.items() for level in book.depth(instrument)}


@settings(max_examples=100, deadline=None)
@given(commands, st.integers(0, 80))
def test_a_restored_engine_goes_on_as_if_nothing_had_happened(sequence: list[Command], cut: int) -> None:
    engine = Engine()
    for instrument in INSTRUMENTS:
        engine.add_book(instrument)
    records = [
        encode_command(**asdict(replace(drawn, command_id=n))) for n, drawn in enumerate(sequence, start=1)
    ]
    engine.apply(b"".join(records[:cut]))

    restored = Engine()
    for instrument in INSTRUMENTS:
        restored.restore(
            instrument,
            engine.open_orders(instrument),
            seq=engine.seq(instrument),
            last_time=engine.last_time(instrument),
            last_price=engine.last_price(instrument),
            halted=engine.halted(instrument),
        )
    assert restored.level_changes() == b""
    rest = b"".join(records[cut:])

    assert restored.apply(rest) == engine.apply(rest)
    for instrument in INSTRUMENTS:
        assert restored.state_hash(instrument) == engine.state_hash(instrument)
        assert restored.open_orders(instrument) == engine.open_orders(instrument)
