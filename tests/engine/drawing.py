"""Commands of all kinds out of numbers, alone and in the groups that only make sense together.

A number is read digit by digit: each digit picks one of a few things, and what is left of it picks the next.
So a command costs hypothesis one draw, a number that shrinks is a command that becomes plainer (the first of
the few is always the plainest), and a seeded stream of bytes makes a storm.

Six prices, two dozen orders, four accounts, two groups: everything collides all the time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from random import Random
from typing import Any, TypeVar

from hypothesis import strategies as st
from tradeengine.codec import (
    NO_TERMS,
    CommandFlag,
    CommandKind,
    Link,
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
)

from tests.engine.naive_orders import LARGEST, Command

T = TypeVar("T")

INSTRUMENTS = (1, 7, 8191)
# One unit of commands: enough for the digits of three orders.
BYTES = 48

SIDES = (Side.BUY, Side.SELL)
OTHER_SIDE = {Side.BUY: Side.SELL, Side.SELL: Side.BUY}
PRICES = (3, 4, 1, 2, 5, 6)
QUANTITIES = (1, 2, 3, 4, 5, 7, 9)
# Once in a while numbers at the edges of what is sensible, or beyond.
EDGY_PRICES = PRICES * 6 + (0, -1, -(2**63), LARGEST)
EDGY_QUANTITIES = QUANTITIES * 5 + (0, -3, -(2**63), LARGEST, LARGEST // 2)
ORDER_IDS = range(1, 25)
OWNERS = (0, 0, 1, 2, 3, 4)
REASONS = (Reason.NONE, Reason.OPERATOR, Reason.MASS_CANCEL, Reason.DELISTED)
EXPIRES = (0, 0, 0, 0, 2, 4, 9)  # after the number of the command, where above 0


class Digits:
    """A number that picks."""

    def __init__(self, number: int) -> None:
        self.number = number

    def pick(self, *options: T) -> T:
        return self.among(options)

    def among(self, options: Sequence[T]) -> T:
        self.number, digit = divmod(self.number, len(options))
        return options[digit]

    def seldom(self, *options: int) -> int:
        """Mostly 0."""
        return self.among((*[0] * 3 * len(options), *options))


# --- Single commands


def command(kind: CommandKind, digits: Digits, **fields: Any) -> Command:
    late = digits.pick(0, 0, 0, 0, -3, 4)
    return Command(kind=kind, instrument=0, command_id=1, time=late, **fields)


def order(digits: Digits, **fields: Any) -> Command:
    """A plain order, unless `fields` says otherwise."""
    plain = {
        "side": digits.among(SIDES),
        "price": digits.among(EDGY_PRICES),
        "quantity": digits.among(EDGY_QUANTITIES),
        "order_id": digits.among(ORDER_IDS),
        "account": digits.pick(1, 2, 3, 4),
        "stp_group": digits.pick(0, 0, 0, 1, 2),
        "stp": digits.among(tuple(StpMode)),
        "order_type": digits.pick(*[OrderType.LIMIT] * 5, OrderType.MARKET),
        "tif": digits.pick(*[TimeInForce.GTC] * 6, TimeInForce.DAY, TimeInForce.IOC, TimeInForce.FOK),
        "flags": digits.pick(0, 0, 0, 0, 0, CommandFlag.POST_ONLY),
    }
    return command(CommandKind.NEW, digits, **(plain | fields))


def resting(digits: Digits, **fields: Any) -> Command:
    """An order that rests, if it does not trade at once."""
    shape = {
        "order_type": OrderType.LIMIT,
        "tif": digits.pick(TimeInForce.GTC, TimeInForce.GTC, TimeInForce.DAY),
        "flags": 0,
        "price": digits.among(PRICES),
        "quantity": digits.among(QUANTITIES),
    }
    return order(digits, **(shape | fields))


def stop(digits: Digits) -> Terms:
    return Terms(
        trigger=digits.pick(TriggerKind.STOP, TriggerKind.STOP, TriggerKind.TAKE_PROFIT),
        source=digits.pick(TriggerSource.LAST, TriggerSource.QUOTE),
        trigger_price=digits.among(PRICES),
        expires=digits.among(EXPIRES),
    )


def trail(digits: Digits) -> Terms:
    in_ticks = digits.pick(True, True, False)
    return Terms(
        trigger=TriggerKind.TRAILING if in_ticks else TriggerKind.TRAILING_BPS,
        trigger_price=digits.pick(1, 2, 3, 4, 5, 6, 8, 9),
        distance=digits.pick(1, 2, 3) if in_ticks else digits.pick(1, 1_000, 2_500, 6_000, 9_999),
        step=digits.pick(1, 1, 2, 3),
    )


def trigger(digits: Digits) -> Terms:
    return digits.pick(stop, stop, trail)(digits)


def display(digits: Digits) -> Terms:
    shown = digits.pick(1, 2, 3, 0)
    return Terms(flags=TermsFlag.HAS_DISPLAY, display=shown, expires=digits.among(EXPIRES))


def stop_order(digits: Digits) -> Command:
    return order(digits, terms=trigger(digits))


def iceberg(digits: Digits) -> Command:
    return resting(digits, terms=display(digits))


def stop_iceberg(digits: Digits) -> Command:
    return resting(digits, terms=stop(digits)._replace(flags=1, display=digits.pick(0, 1, 2)))


def all_or_enough(digits: Digits) -> Command:
    waits = digits.pick(NO_TERMS, NO_TERMS, stop(digits))
    return order(digits, flags=0, terms=waits._replace(min_quantity=digits.pick(1, 2, 3, 5)))


def by_amount(digits: Digits) -> Command:
    amount = Terms(budget=digits.pick(1, 4, 9, 15, 30, 60, LARGEST))
    return order(
        digits,
        order_type=OrderType.MARKET, tif=TimeInForce.IOC, flags=0, price=digits.pick(0, 0, 0, 3, 5),
        quantity=digits.pick(0, 0, 0, 0, 0, 1), terms=amount,
    )  # fmt: skip


def reduce_only(digits: Digits) -> Command:
    waits = digits.pick(NO_TERMS, NO_TERMS, stop(digits), display(digits))
    limited = waits._replace(position_limit=digits.pick(1, 2, 3, 4, 5, 6, 0))
    return order(digits, flags=CommandFlag.REDUCE_ONLY, quantity=digits.among(QUANTITIES), terms=limited)


def expiring(digits: Digits) -> Command:
    return order(digits, terms=Terms(expires=digits.pick(1, 3, 9)))


def anything(digits: Digits) -> Command:
    """Two or three things at once: mostly nonsense, now and then a rare sensible mixture."""
    flags = digits.seldom(TermsFlag.HAS_DISPLAY)
    mixture = Terms(
        trigger=digits.seldom(*TriggerKind),
        source=digits.seldom(TriggerSource.QUOTE),
        link=digits.seldom(*Link),
        flags=flags,
        trigger_price=digits.pick(0, 0, 3, 4, 1, -1, LARGEST),
        distance=digits.seldom(-1, 1, 2, 9_999, 10_000, LARGEST),
        step=digits.seldom(-1, 1, 2, LARGEST),
        display=digits.pick(2, 1, 0, -1, LARGEST) if flags else 0,
        min_quantity=digits.seldom(1, 3, -1, LARGEST),
        expires=digits.seldom(-1, 5),
        budget=digits.seldom(-1, 1, 9, LARGEST),
        position_limit=digits.seldom(-1, 1, 5, LARGEST),
        parent=digits.seldom(-1, *ORDER_IDS),
        partner=digits.seldom(-1, *ORDER_IDS),
    )
    return order(digits, flags=digits.pick(0, 0, 1, 8, 9), terms=mixture)


def special_order(digits: Digits) -> Command:
    make = digits.pick(
        stop_order, stop_order, iceberg, iceberg, stop_iceberg, all_or_enough, by_amount, reduce_only,
        expiring, anything,
    )  # fmt: skip
    return make(digits)


def cancel(digits: Digits) -> Command:
    return command(
        CommandKind.CANCEL,
        digits,
        order_id=digits.among(ORDER_IDS),
        account=digits.among(OWNERS),
        reason=digits.among(REASONS),
    )


def amend(digits: Digits, order_id: int = 0) -> Command:
    return command(
        CommandKind.AMEND,
        digits,
        order_id=order_id or digits.among(ORDER_IDS),
        account=digits.pick(0, 0, 0, 0, 0, 0, *OWNERS),
        price=digits.pick(0, digits.among(EDGY_PRICES)),
        quantity=digits.pick(0, digits.among(EDGY_QUANTITIES)),
        stp_group=digits.pick(0, 0, 0, 0, 0, 1, 3, 4, 6, LARGEST, LARGEST + 1),
    )


def mass_cancel(digits: Digits) -> Command:
    return command(
        CommandKind.MASS_CANCEL,
        digits,
        account=digits.pick(1, 2, 3, 4, 0),
        side=digits.pick(0, *SIDES),
        reason=digits.among(REASONS),
    )


def tick(digits: Digits) -> Command:
    return command(CommandKind.TIME, digits)


def phase(digits: Digits, to: Phase, **fields: Any) -> Command:
    return command(
        CommandKind.PHASE,
        digits,
        phase=to,
        account=digits.among(OWNERS),
        reason=digits.among(REASONS),
        **fields,
    )


# --- Groups


def leg(digits: Digits, **fields: Any) -> Command:
    """An order fit to be linked: mostly of one owner, able to rest or to wait."""
    waits = digits.pick(NO_TERMS, NO_TERMS, trigger(digits), display(digits))
    return resting(digits, **{"account": digits.pick(1, 1, 2), "terms": waits, **fields})


def linked(leg: Command, order_id: int, **links: int) -> Command:
    return replace(leg, order_id=order_id, terms=leg.terms._replace(**links))


def three_ids(digits: Digits) -> list[int]:
    """Ascending."""
    first = digits.pick(1, 2, 5, 7, 10, 13)
    second = first + digits.pick(1, 2)
    return [first, second, second + digits.pick(1, 2)]


def oco_pair(digits: Digits) -> list[Command]:
    """Two that name each other; or the second is missing, comes first, or is a stranger with its id."""
    one, two, _ = three_ids(digits)
    first = linked(leg(digits), one, link=Link.OCO, partner=two)
    second = linked(leg(digits), two, link=Link.OCO, partner=one)
    stranger = replace(digits.pick(stop_order, leg)(digits), order_id=two)
    pair = [first, second]
    legs = digits.pick(pair, pair, pair, [first], [second, first], [first, stranger])
    return [*legs, *met(digits, digits.among(legs))]


def met(digits: Digits, first: Command) -> list[Command]:
    """Mostly strangers who trade with it, if it rests."""
    side = OTHER_SIDE[Side(first.side)]
    return [
        resting(
            digits, side=side, price=first.price, order_id=digits.pick(21, 22, 23), account=digits.pick(3, 4)
        )
        for _ in range(digits.pick(1, 2, 0))
    ]


def entry(digits: Digits) -> Command:
    """A parent of any kind."""
    return digits.pick(leg, order, special_order)(digits)


def oto_list(digits: Digits) -> list[Command]:
    """One or two children, partners of each other or not, and their parent."""
    one, two, three = three_ids(digits)
    partners = digits.pick(True, False)
    parent = linked(entry(digits), three)
    first = linked(leg(digits), one, link=Link.OTO, parent=three, partner=two if partners else 0)
    second = linked(leg(digits), two, link=Link.OTO, parent=three, partner=one if partners else 0)
    family = digits.pick([first, second, parent], [first, second, parent], [first, parent])
    return [*family, *met(digits, parent)]


def bracket(digits: Digits) -> list[Command]:
    """Two exits of the other side, of any trigger, and their entry of any kind."""
    profit, loss, three = three_ids(digits)
    parent = linked(entry(digits), three)
    side = OTHER_SIDE[Side(parent.side)]
    exits = []
    for one, two in ((profit, loss), (loss, profit)):
        exit_ = leg(digits, side=side, terms=trigger(digits))
        exits.append(linked(exit_, one, link=Link.ATTACHED, parent=three, partner=two))
    return [*exits, parent, *met(digits, parent)]


def second_thoughts(digits: Digits) -> list[Command]:
    """An order, mostly a taker for a part of it, and amendments."""
    first = digits.pick(resting, iceberg, stop_order, iceberg, stop_iceberg, reduce_only)(digits)
    between = digits.pick([], [resting(digits)], [order(digits)])
    changed = [amend(digits, first.order_id) for _ in range(digits.pick(1, 2))]
    less = replace(changed[0], price=0, quantity=digits.pick(1, 2, 3), stp_group=0)
    return [first, *between, *digits.pick([less], changed, [*changed, less])]


def auction(digits: Digits) -> list[Command]:
    """Orders gather without meeting; then they meet, mostly."""
    gathered = [digits.pick(resting, iceberg, stop_order)(digits) for _ in range(digits.pick(2, 4, 6))]
    begin = phase(digits, digits.pick(Phase.AUCTION, Phase.PRE_OPEN))
    end = phase(digits, digits.pick(*[Phase.OPEN] * 4, Phase.CLOSED), price=digits.pick(0, 0, 2, 4))
    return [begin, *gathered, end]


def closed_for_a_while(digits: Digits) -> list[Command]:
    """Another phase, a few commands, and mostly open again."""
    to = digits.among(list(Phase))
    begin = phase(digits, to, flags=digits.pick(0, 0, 0, 0, 0, CommandFlag.CANCEL_RESTING))
    between = [digits.pick(order, special_order, amend, cancel)(digits) for _ in range(digits.pick(1, 2, 3))]
    return [begin, *between, *digits.pick([phase(digits, Phase.OPEN)], [phase(digits, Phase.OPEN)], [])]


def opened(digits: Digits) -> list[Command]:
    return [phase(digits, Phase.OPEN, price=digits.pick(0, *PRICES))]


def unit(number: int) -> list[Command]:
    """The commands that belong together, of one book."""
    digits = Digits(number)
    book = digits.pick(*INSTRUMENTS[:1] * 5, *INSTRUMENTS[1:])
    single = digits.pick(
        order, resting, order, resting, special_order, special_order, amend, special_order, cancel,
        None, None, None, None, None, None,
    )  # fmt: skip
    if single is not None:
        return [replace(single(digits), instrument=book)]
    groups = digits.pick(
        oco_pair, oto_list, bracket, bracket, second_thoughts, second_thoughts, auction, closed_for_a_while,
        opened, None,
    )  # fmt: skip
    made = [digits.pick(tick, tick, mass_cancel)(digits)] if groups is None else groups(digits)
    return [replace(command, instrument=book) for command in made]


def numbered(units: Iterable[list[Command]]) -> list[Command]:
    """One journal: command ids, and times and expiries near them."""
    journal = []
    for number, command in enumerate((command for made in units for command in made), start=1):
        expires = command.terms.expires
        stated = command.terms._replace(expires=expires + number if expires > 0 else expires)
        journal.append(replace(command, command_id=number, time=number + command.time, terms=stated))
    return journal


def storm(units: int, *, seed: int) -> list[Command]:
    """The same journal every time."""
    return from_bytes(Random(seed).randbytes(units * BYTES))


def from_bytes(stream: bytes) -> list[Command]:
    """A journal of one unit for each piece of the stream."""
    cuts = range(0, len(stream) + 1, BYTES)
    return numbered(unit(int.from_bytes(stream[start:end], "little")) for start, end in pairwise(cuts))


def journals(shortest: int = 15, longest: int = 60) -> st.SearchStrategy[list[Command]]:
    """Journals of a few books."""
    pieces = st.lists(st.binary(min_size=BYTES, max_size=BYTES), min_size=shortest, max_size=longest)
    return pieces.map(b"".join).map(from_bytes)
