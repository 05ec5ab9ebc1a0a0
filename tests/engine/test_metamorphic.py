"""Relations between two journals: what must stay the same if something is changed that does not matter.

They need no model: a mistake that the engine and the naive book had in common would show here. Each test
changes a whole random journal, and says which answers must be equal once the change has been taken back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import pytest
from tradeengine import Engine
from tradeengine.codec import (
    CommandFlag,
    CommandKind,
    EngineEvent,
    EventKind,
    Level,
    OpenOrder,
    OrderType,
    Phase,
    Side,
    Terms,
    TermsFlag,
    TimeInForce,
    TriggerKind,
    iter_events,
    iter_levels,
    iter_open,
)

from tests.engine.drawing import INSTRUMENTS, OTHER_SIDE, storm
from tests.engine.naive_orders import Command

seeds = pytest.mark.parametrize("seed", range(100, 112))


class Answers(NamedTuple):
    """All that an engine says about a journal, and what is open of all books in the end."""

    events: list[EngineEvent]
    orders: list[OpenOrder]
    levels: list[Level]


def answers(journal: list[Command]) -> Answers:
    engine = Engine()
    for instrument in INSTRUMENTS:
        engine.add_book(instrument)
    events = list(iter_events(engine.apply(b"".join(c.record() for c in journal))))
    engine.check()
    orders = [order for book in INSTRUMENTS for order in iter_open(engine.open_orders(book))]
    levels = [level for book in INSTRUMENTS for level in iter_levels(engine.depth(book))]
    assert len(events) > len(journal) > 20
    return Answers(events, orders, sorted(levels))


def ordinary(command: Command) -> bool:
    """Whether its numbers are small enough that changing them changes nothing else."""
    numbers = (command.price, command.quantity, command.stp_group, *command.terms)
    return all(0 <= number < 2**32 for number in numbers)


def in_ticks(command: Command) -> bool:
    """Basis points and amounts depend on prices themselves, not on their differences."""
    return command.terms.trigger != TriggerKind.TRAILING_BPS and command.terms.budget == 0


def journal_of(seed: int, *conditions: Callable[[Command], bool]) -> list[Command]:
    """The commands of a storm for which everything holds."""
    return [command for command in storm(200, seed=seed) if all(holds(command) for holds in conditions)]


# --- Prices


def each_price(command: Command, move: Callable[[int], int]) -> Command:
    """Move its price and its trigger price; 0 is neither."""
    terms = command.terms
    # The group of an AMEND is its new trigger price.
    group = command.stp_group
    return replace(
        command,
        price=command.price and move(command.price),
        stp_group=move(group) if group and command.kind == CommandKind.AMEND else group,
        terms=terms._replace(trigger_price=terms.trigger_price and move(terms.trigger_price)),
    )


def each_price_of_order(order: OpenOrder, move: Callable[[int], int]) -> OpenOrder:
    trigger_price = order.terms.trigger_price and move(order.terms.trigger_price)
    return order._replace(
        price=order.price and move(order.price), terms=order.terms._replace(trigger_price=trigger_price)
    )


def up(price: int) -> int:
    return price + 500


def down(price: int) -> int:
    return price - 500


@seeds
def test_prices_that_are_all_higher_change_nothing_but_prices(seed: int) -> None:
    """All events, open orders and levels are equal, 500 ticks higher.

    Both journals start high, so that no trailing order comes down to 1.
    """
    journal = [each_price(command, up) for command in journal_of(seed, ordinary, in_ticks)]
    before = answers(journal)

    after = answers([each_price(command, up) for command in journal])

    assert [e._replace(price=e.price and down(e.price)) for e in after.events] == before.events
    assert [each_price_of_order(order, down) for order in after.orders] == before.orders
    assert [level._replace(price=down(level.price)) for level in after.levels] == before.levels


def mirrored(price: int) -> int:
    return 1_000 - price


def never_gathers(command: Command) -> bool:
    """Of two prices that are equally good an auction takes the lower: that has no mirror image."""
    return command.phase not in {Phase.AUCTION, Phase.PRE_OPEN}


@seeds
def test_buyers_and_sellers_may_change_places(seed: int) -> None:
    """All events, open orders and levels are equal, with sides changed and prices counted from above."""

    def other(side: int) -> int:
        return OTHER_SIDE[Side(side)] if side else 0

    journal = [each_price(command, up) for command in journal_of(seed, ordinary, in_ticks, never_gathers)]
    before = answers(journal)

    after = answers([replace(each_price(c, mirrored), side=other(c.side)) for c in journal])

    assert [
        e._replace(side=other(e.side), price=e.price and mirrored(e.price)) for e in after.events
    ] == before.events
    assert [
        each_price_of_order(order, mirrored)._replace(side=other(order.side)) for order in after.orders
    ] == before.orders
    assert (
        sorted(level._replace(side=other(level.side), price=mirrored(level.price)) for level in after.levels)
        == before.levels
    )


# --- Quantities


def without_amount(command: Command) -> bool:
    """Seven times an amount may buy a lot more than seven times the lots."""
    return command.terms.budget == 0


def scaled_terms(terms: Terms, scale: Callable[[int], int]) -> Terms:
    return terms._replace(
        display=scale(terms.display),
        min_quantity=scale(terms.min_quantity),
        position_limit=scale(terms.position_limit),
    )


@seeds
def test_quantities_that_are_all_larger_change_nothing_but_quantities(seed: int) -> None:
    """All events, open orders and levels are equal, with seven times the lots; a number of orders is none."""
    journal = journal_of(seed, ordinary, without_amount)
    before = answers(journal)

    after = answers(
        [
            replace(c, quantity=7 * c.quantity, terms=scaled_terms(c.terms, lambda lots: 7 * lots))
            for c in journal
        ]
    )

    def less(lots: int) -> int:
        small, rest = divmod(lots, 7)
        assert rest == 0
        return small

    assert [
        e
        if e.kind == EventKind.MASS_CANCELLED
        else e._replace(quantity=less(e.quantity), leaves=less(e.leaves), maker_leaves=less(e.maker_leaves))
        for e in after.events
    ] == before.events
    assert [
        order._replace(
            leaves=less(order.leaves),
            executed=less(order.executed),
            shown=less(order.shown),
            terms=scaled_terms(order.terms, less),
        )
        for order in after.orders
    ] == before.orders
    assert [level._replace(quantity=less(level.quantity)) for level in after.levels] == before.levels


# --- Names and times


@seeds
def test_accounts_and_groups_are_only_names(seed: int) -> None:
    """All events and open orders are equal, with the names changed back; 0 is no name."""
    names = {0: 0, 1: 4, 2: 77, 3: 1, 4: 2**40}
    back = {new: old for old, new in names.items()}
    journal = journal_of(seed)
    before = answers(journal)

    after = answers(
        [
            replace(
                c,
                account=names[c.account],
                stp_group=c.stp_group if c.kind == CommandKind.AMEND else names[c.stp_group],
            )
            for c in journal
        ]
    )

    assert [
        e._replace(account=back[e.account], maker_account=back[e.maker_account]) for e in after.events
    ] == before.events
    assert [
        o._replace(account=back[o.account], stp_group=back[o.stp_group]) for o in after.orders
    ] == before.orders
    assert after.levels == before.levels


@seeds
def test_order_ids_are_only_names_that_have_an_order(seed: int) -> None:
    """All events and open orders are equal, if higher ids stay higher: a second leg has the higher."""

    def renamed(order_id: int) -> int:
        return 1_000 * order_id + 5 if order_id > 0 else order_id

    def back(order_id: int) -> int:
        return order_id // 1_000 if order_id > 0 else order_id

    journal = journal_of(seed)
    before = answers(journal)

    after = answers(
        [
            replace(
                c,
                order_id=renamed(c.order_id),
                terms=c.terms._replace(parent=renamed(c.terms.parent), partner=renamed(c.terms.partner)),
            )
            for c in journal
        ]
    )

    assert [
        e._replace(order_id=back(e.order_id), maker_order_id=back(e.maker_order_id)) for e in after.events
    ] == before.events
    assert [
        o._replace(
            order_id=back(o.order_id),
            terms=o.terms._replace(parent=back(o.terms.parent), partner=back(o.terms.partner)),
        )
        for o in after.orders
    ] == before.orders
    assert after.levels == before.levels


@seeds
def test_times_are_only_later_or_earlier(seed: int) -> None:
    """All events and open orders are equal, with every time and expiry an hour later."""
    hour = 3_600_000_000

    def later(terms: Terms, by: int) -> Terms:
        return terms._replace(expires=terms.expires + by if terms.expires > 0 else terms.expires)

    # Times below 0, which a new book takes for 0, come from the first commands only.
    journal = [replace(command, time=command.time + 10) for command in journal_of(seed)]
    before = answers(journal)

    after = answers([replace(c, time=c.time + hour, terms=later(c.terms, hour)) for c in journal])

    assert [e._replace(time=e.time - hour) for e in after.events] == before.events
    assert [o._replace(terms=later(o.terms, -hour)) for o in after.orders] == before.orders
    assert after.levels == before.levels


# --- Company


@seeds
def test_books_do_not_know_of_each_other(seed: int) -> None:
    """Each book answers its own commands as if there were no others."""
    journal = storm(450, seed=seed)
    together = answers(journal)

    for instrument in INSTRUMENTS:
        alone = answers([command for command in journal if command.instrument == instrument])
        assert [event for event in together.events if event.instrument == instrument] == alone.events
        assert [level for level in together.levels if level.instrument == instrument] == alone.levels


@seeds
def test_orders_that_come_and_go_unseen_change_nothing(seed: int) -> None:
    """After every third command a hidden order far away, its cancellation, and a command for the time.

    All other events are equal but for `seq` and `priority`, which count the events in between too.
    """
    journal = [each_price(command, up) for command in journal_of(seed, ordinary)]
    before = answers(journal)
    disturbed = []
    for place, command in enumerate(journal):
        disturbed.append(command)
        if place % 3 == 0:
            disturbed += unseen(place, command.instrument)

    after = answers(disturbed)

    kept = [event for event in after.events if event.command_id < UNSEEN]
    seqs: dict[tuple[int, int], int] = {(book, 0): 0 for book in INSTRUMENTS}
    for event, same in zip(kept, before.events, strict=True):
        seqs[event.instrument, event.seq] = same.seq
    assert [
        e._replace(seq=seqs[e.instrument, e.seq], priority=seqs[e.instrument, e.priority]) for e in kept
    ] == before.events
    assert [order._replace(priority=0) for order in after.orders] == [
        order._replace(priority=0) for order in before.orders
    ]
    assert after.levels == before.levels


UNSEEN = 1_000_000


def unseen(place: int, instrument: int) -> list[Command]:
    """Of a stranger, far below the market, at a time that has passed."""
    number = UNSEEN + 3 * place
    hidden = Command(
        kind=CommandKind.NEW,
        instrument=instrument,
        command_id=number,
        time=0,
        order_id=UNSEEN,
        account=UNSEEN,
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        tif=TimeInForce.GTC,
        flags=CommandFlag.TERMS,
        price=1,
        quantity=1,
        terms=Terms(flags=TermsFlag.HAS_DISPLAY),
    )
    gone = Command(
        kind=CommandKind.CANCEL, instrument=instrument, command_id=number + 1, time=0, order_id=UNSEEN
    )
    tick = Command(kind=CommandKind.TIME, instrument=instrument, command_id=number + 2, time=0)
    return [hidden, gone, tick]
