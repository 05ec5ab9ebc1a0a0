"""Every sequence of four commands out of a dozen, for three dozens: nothing small is left to chance.

The naive book walks the tree of all beginnings, so that a beginning is executed once for all its ends; the
engine gets each whole sequence, in a new book.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from tradeengine import Engine
from tradeengine.codec import (
    EVENT,
    CommandFlag,
    CommandKind,
    Link,
    OpenOrder,
    OrderType,
    Phase,
    Reason,
    Side,
    StpMode,
    Terms,
    TermsFlag,
    TimeInForce,
    TriggerKind,
    TriggerSource,
    iter_events,
    iter_open,
)

from tests.engine.desk import BOOK
from tests.engine.naive_book import NaiveBook
from tests.engine.naive_orders import Command

LENGTH = 4

BUY, SELL = Side.BUY, Side.SELL


def command(kind: CommandKind, **fields: Any) -> Command:
    return Command(kind=kind, instrument=BOOK, command_id=1, time=0, **fields)


def new(side: Side, quantity: int, price: int, order_id: int, **fields: Any) -> Command:
    """A limit order, or without a price a market order, of an own account; terms are fields too."""
    names = fields.keys() & set(Terms._fields)
    terms = Terms(**{name: fields.pop(name) for name in names - {"flags"}})
    if "display" in names:
        terms = terms._replace(flags=TermsFlag.HAS_DISPLAY)
    limit = {
        "order_type": OrderType.LIMIT if price else OrderType.MARKET,
        "tif": TimeInForce.GTC if price else TimeInForce.IOC,
        "account": order_id,
    }
    shape = {
        **limit,
        "side": side,
        "quantity": quantity,
        "price": price,
        "order_id": order_id,
        "terms": terms,
    }
    return command(CommandKind.NEW, **(shape | fields))


def phase(to: Phase, **fields: Any) -> Command:
    return command(CommandKind.PHASE, phase=to, **fields)


STOP = {"trigger": TriggerKind.STOP, "trigger_price": 10}

LINKS_AND_TRIGGERS = [
    new(BUY, 3, 10, 9),
    new(SELL, 2, 10, 1),
    new(SELL, 2, 0, 2, **STOP, source=TriggerSource.QUOTE),
    new(SELL, 2, 11, 3, link=Link.OCO, partner=4),
    new(SELL, 2, 9, 4, link=Link.OCO, partner=3, **STOP),
    new(SELL, 1, 11, 5, link=Link.OTO, parent=9),
    new(SELL, 3, 9, 6, link=Link.ATTACHED, parent=9, partner=7, **STOP),
    new(SELL, 3, 0, 7, link=Link.ATTACHED, parent=9, partner=6, trigger=TriggerKind.TRAILING,
        trigger_price=8, distance=1, step=1),
    new(SELL, 1, 0, 8),
    command(CommandKind.CANCEL, order_id=9),
    command(CommandKind.AMEND, order_id=9, price=11),
    command(CommandKind.AMEND, order_id=4, stp_group=9),
]  # fmt: skip

SLICES_AND_AUCTIONS = [
    new(BUY, 5, 11, 1, display=2),
    new(SELL, 3, 10, 2, display=0, account=1, stp=StpMode.DECREMENT),
    new(SELL, 4, 10, 3, display=3),
    new(BUY, 2, 12, 4, tif=TimeInForce.DAY),
    new(SELL, 4, 10, 5, tif=TimeInForce.FOK),
    new(SELL, 2, 11, 6, account=1, stp=StpMode.EXPIRE_TAKER),
    new(SELL, 1, 0, 7, trigger=TriggerKind.TAKE_PROFIT, trigger_price=11),
    command(CommandKind.AMEND, order_id=1, quantity=3),
    command(CommandKind.AMEND, order_id=3, price=12),
    phase(Phase.AUCTION),
    phase(Phase.OPEN, price=12),
    phase(Phase.CLOSED),
]

TIMES_AND_AMOUNTS = [
    new(BUY, 5, 10, 1, expires=3),
    new(SELL, 3, 10, 2, tif=TimeInForce.DAY),
    new(SELL, 4, 11, 3, display=1, expires=4),
    new(BUY, 0, 0, 4, budget=35),
    new(BUY, 6, 11, 5, min_quantity=4),
    new(SELL, 6, 10, 6, position_limit=2, flags=CommandFlag.REDUCE_ONLY),
    new(BUY, 2, 10, 7, flags=CommandFlag.POST_ONLY),
    new(BUY, 2, 12, 8, trigger=TriggerKind.STOP, trigger_price=11, source=TriggerSource.QUOTE, expires=9),
    command(CommandKind.TIME),
    command(CommandKind.MASS_CANCEL, side=BUY, reason=Reason.OPERATOR),
    command(CommandKind.AMEND, order_id=1, quantity=7),
    phase(Phase.HALTED),
]


def sequences(
    alphabet: list[list[Command]], book: NaiveBook, records: bytes = b"", events: bytes = b""
) -> Iterator[tuple[bytes, bytes, list[OpenOrder]]]:
    """All commands of a whole sequence, what the naive book said about them, and what is open in the end."""
    if not alphabet:
        yield records, events, [order.as_open() for order in book.by_priority()]
        return
    for next_command in alphabet[0]:
        changed = replace(
            book, orders=[copy.copy(order) for order in book.orders], news=[], prices=[], fresh=[], queue=[]
        )
        said = b"".join(EVENT.pack(*event) for event in changed.execute(next_command))
        yield from sequences(alphabet[1:], changed, records + next_command.record(), events + said)


@pytest.mark.parametrize(
    "dozen", [LINKS_AND_TRIGGERS, SLICES_AND_AUCTIONS, TIMES_AND_AMOUNTS], ids=["links", "slices", "times"]
)
def test_every_short_sequence_gets_the_events_of_the_naive_book(dozen: list[Command]) -> None:
    engine = Engine()
    numbered = [[replace(one, command_id=n, time=n) for one in dozen] for n in range(1, LENGTH + 1)]
    count = 0

    for records, events, orders in sequences(numbered, NaiveBook()):
        engine.add_book(BOOK)
        answer = engine.apply(records)
        assert answer == events, list(iter_events(answer))
        assert list(iter_open(engine.open_orders(BOOK))) == orders
        engine.check()
        engine.remove_book(BOOK)
        count += 1

    assert count == 12**LENGTH
