"""The records that cross the engine's boundary, and their codes: the only Python that knows the bytes.

Prices are ticks, quantities lots, times microseconds since the epoch; all integers. Records are packed and
little endian. Ids and `seq` fit in 63 bits, so they fit a PostgreSQL bigint.
"""

from collections.abc import Iterator
from enum import IntEnum, IntFlag
from struct import Struct
from typing import Final, NamedTuple, Self

COMMAND: Final = Struct("<8B2I4Q3q")
TERMS: Final = Struct("<5B3x10q56x")
EVENT: Final = Struct("<4BI6Q6q")
OPEN: Final = Struct("<8B8q8x")
LEVEL: Final = Struct("<IB3xqq")

# Terms after an open order fill two of its records.
_TERMS_IN_OPEN: Final = 2 * OPEN.size - TERMS.size
_OPEN_VERSION: Final = 2


class CommandKind(IntEnum):
    """What is asked of a book."""

    NEW = 1
    CANCEL = 2
    AMEND = 3
    PHASE = 4
    TIME = 5
    MASS_CANCEL = 6


# The kind of the record that follows a NEW with CommandFlag.TERMS.
TERMS_KIND: Final = 7


class Phase(IntEnum):
    """What a book does with orders; see docs/engine.md."""

    OPEN = 1
    HALTED = 2
    PRE_OPEN = 3
    AUCTION = 4
    CANCEL_ONLY = 5
    CLOSED = 6


class Side(IntEnum):
    """Which side of the book an order belongs to; on a trade, the taker's."""

    BUY = 1
    SELL = 2


class OrderType(IntEnum):
    """MARKET never rests, whatever its time in force."""

    LIMIT = 1
    MARKET = 2


class TimeInForce(IntEnum):
    """Rest until cancelled; cancel what does not trade now; trade all now or not at all; rest for the day."""

    GTC = 1
    IOC = 2
    FOK = 3
    DAY = 4


class TriggerKind(IntEnum):
    """What makes a parked order go live; TRAILING follows by ticks, TRAILING_BPS by basis points."""

    NONE = 0
    STOP = 1
    TAKE_PROFIT = 2
    TRAILING = 3
    TRAILING_BPS = 4


class TriggerSource(IntEnum):
    """Which price is watched: trades, or the displayed touch an order of that side would meet (buy: ask)."""

    LAST = 0
    QUOTE = 1


class Link(IntEnum):
    """How an order depends on others; see docs/engine.md."""

    NONE = 0
    OCO = 1
    OTO = 2
    ATTACHED = 3


class TermsFlag(IntFlag):
    """HAS_DISPLAY: `display` is stated; 0 then hides the order."""

    HAS_DISPLAY = 1


class Place(IntEnum):
    """Where an open order is: in a queue, waiting for its trigger, waiting for its parent."""

    RESTING = 0
    ARMED = 1
    WAITING = 2


class StpMode(IntEnum):
    """What happens when an order would trade with its own account or group; the taker's mode decides."""

    NONE = 0
    EXPIRE_TAKER = 1
    EXPIRE_MAKER = 2
    EXPIRE_BOTH = 3
    DECREMENT = 4


class CommandFlag(IntFlag):
    """POST_ONLY, TERMS and REDUCE_ONLY belong to NEW, CANCEL_RESTING to PHASE."""

    POST_ONLY = 1
    CANCEL_RESTING = 2
    TERMS = 4
    REDUCE_ONLY = 8


class EventKind(IntEnum):
    """What happened; every command has at least one event."""

    ACCEPTED = 1
    REJECTED = 2
    TRADE = 3
    CANCELLED = 4
    AMENDED = 5
    CANCEL_REJECTED = 6
    AMEND_REJECTED = 7
    REDUCED = 8
    PHASE_CHANGED = 9
    MASS_CANCELLED = 10
    TRIGGERED = 11
    ACTIVATED = 12
    TRAILED = 13
    DISPLAYED = 14
    TIME = 15


class EventFlag(IntFlag):
    """AUCTION on TRADE, KEPT_PLACE on AMENDED, ARMED on ACCEPTED and ACTIVATED, WAITING on ACCEPTED.

    On PHASE_CHANGED `flags` is the phase.
    """

    AUCTION = 1
    KEPT_PLACE = 2
    ARMED = 4
    WAITING = 8


class Reason(IntEnum):
    """Why it happened; 0 = the client asked, or nothing needs explaining."""

    NONE = 0
    IOC_REMAINDER = 1
    NO_LIQUIDITY = 2
    PRICE_PROTECTION = 3
    FOK_UNFILLABLE = 4
    WOULD_TAKE = 5
    SELF_TRADE_PREVENTION = 6
    HALTED = 7
    UNKNOWN_ORDER = 8
    NOT_OWNER = 9
    DUPLICATE_ORDER = 10
    BELOW_EXECUTED = 11
    INVALID = 12
    UNKNOWN_INSTRUMENT = 13
    OPERATOR = 14
    MASS_CANCEL = 15
    HALT_CANCEL = 16
    NO_CHANGE = 17
    ALREADY_IN_PHASE = 18
    WRONG_PHASE = 19
    MAINTENANCE = 20
    DELISTED = 21
    EXPIRED = 22
    SESSION_END = 23
    LINKED = 24
    PARENT_ENDED = 25
    EXIT_TRIGGERED = 26
    AMOUNT_SPENT = 27
    MIN_QUANTITY = 28
    REDUCE_ONLY = 29
    KILLED = 30
    QUARANTINED = 31


class EngineEvent(NamedTuple):
    """One EVENT record. The integer codes compare equal to the enumerations above; 0 = does not apply.

    On REJECTED, CANCEL_REJECTED and AMEND_REJECTED `account` is who asked, and `price` and `quantity` are
    what was asked for; on the last two `side` and `leaves` are those of the order, if it is open.
    """

    kind: int
    reason: int
    side: int
    flags: int
    instrument: int
    seq: int
    command_id: int
    order_id: int
    account: int
    maker_order_id: int
    maker_account: int
    price: int
    quantity: int
    leaves: int
    maker_leaves: int
    priority: int
    time: int


class Terms(NamedTuple):
    """One TERMS record: everything about an order that most orders do without; 0 = not so.

    `distance` is ticks (TRAILING) or basis points (TRAILING_BPS); `budget` is ticks x lots; `expires` is
    microseconds since the epoch; `parent` and `partner` are order ids.
    """

    trigger: int = TriggerKind.NONE
    source: int = TriggerSource.LAST
    link: int = Link.NONE
    flags: int = 0
    trigger_price: int = 0
    distance: int = 0
    step: int = 0
    display: int = 0
    min_quantity: int = 0
    expires: int = 0
    budget: int = 0
    position_limit: int = 0
    parent: int = 0
    partner: int = 0

    def encode(self) -> bytes:
        """The record. Raises struct.error if a number does not fit its field."""
        return TERMS.pack(TERMS_KIND, *self)

    @classmethod
    def decode(cls, record: bytes) -> Self:
        """The terms of a record."""
        return cls._make(TERMS.unpack(record)[1:])


NO_TERMS: Final = Terms()


class OpenOrder(NamedTuple):
    """One OPEN record, with the TERMS that may follow it: an order that is not final.

    `priority` is the seq of the event that gave the order its place. `executed` counts the lots used up by
    trades, by self-trade prevention and by the cut of a reduce-only order; `leaves + executed` is the total
    that an amendment speaks of. `shown` is the slice a resting order shows: its leaves, unless it has a
    display quantity; 0 for parked orders. `terms` are those that still matter: of a resting order its
    display quantity, `expires` and partner.
    """

    side: int
    post_only: bool
    stp: int
    place: int
    order_type: int
    tif: int
    order_id: int
    account: int
    stp_group: int
    price: int
    leaves: int
    executed: int
    priority: int
    shown: int
    terms: Terms = NO_TERMS


class Level(NamedTuple):
    """One LEVEL record: the absolute open lots of one side at one price; 0 = the level is gone."""

    instrument: int
    side: int
    price: int
    quantity: int


def encode_command(
    *,
    kind: CommandKind,
    instrument: int,
    command_id: int,
    time: int,
    order_id: int = 0,
    account: int = 0,
    stp_group: int = 0,
    side: Side | int = 0,
    order_type: OrderType | int = 0,
    tif: TimeInForce | int = 0,
    flags: CommandFlag | int = 0,
    stp: StpMode = StpMode.NONE,
    reason: Reason = Reason.NONE,
    phase: Phase | int = 0,
    price: int = 0,
    quantity: int = 0,
    terms: Terms = NO_TERMS,
) -> bytes:
    """One COMMAND record, and the TERMS record of a NEW that has terms; what does not apply stays 0.

    NEW: `price` is the limit, or a market order's protection price (0 = none); `quantity` is the total.
    AMEND: 0 keeps the price or the quantity; `quantity` is the new total including what is executed;
    `stp_group` is the new trigger price. CANCEL, AMEND: `account` must own the order; 0 = the operator.
    MASS_CANCEL: `account` and `side` 0 = everybody's, both. PHASE: `phase`, and `price` as the reference
    of an uncross. `reason` goes onto the event (CANCEL, MASS_CANCEL, PHASE).
    Raises struct.error if a number does not fit its field.
    """
    if terms != NO_TERMS:
        flags |= CommandFlag.TERMS
    command = COMMAND.pack(
        kind, side, order_type, tif, flags, stp, reason, phase,
        instrument, 0, command_id, order_id, account, stp_group, price, quantity, time,
    )  # fmt: skip
    return command + terms.encode() if flags & CommandFlag.TERMS else command


def encode_open(order: OpenOrder) -> bytes:
    """The records of one open order, for `Engine.restore`.

    Raises struct.error if a number does not fit its field.
    """
    side, post_only, stp, place, order_type, tif, *numbers, terms = order
    has_terms = terms != NO_TERMS
    flags = (CommandFlag.POST_ONLY if post_only else 0) | (CommandFlag.TERMS if has_terms else 0)
    record = OPEN.pack(side, flags, stp, _OPEN_VERSION, place, order_type, tif, 0, *numbers)
    return record + terms.encode() + bytes(_TERMS_IN_OPEN) if has_terms else record


def iter_events(records: bytes) -> Iterator[EngineEvent]:
    """The events of `Engine.apply`, in order."""
    return map(EngineEvent._make, EVENT.iter_unpack(records))


def iter_open(records: bytes) -> Iterator[OpenOrder]:
    """The orders of `Engine.open_orders`, by priority."""
    at = 0
    while at < len(records):
        side, flags, stp, _version, place, order_type, tif, _7, *numbers = OPEN.unpack_from(records, at)
        at += OPEN.size
        terms = NO_TERMS
        if flags & CommandFlag.TERMS:
            terms = Terms.decode(records[at : at + TERMS.size])
            at += TERMS.size + _TERMS_IN_OPEN
        post_only = bool(flags & CommandFlag.POST_ONLY)
        yield OpenOrder._make([side, post_only, stp, place, order_type, tif, *numbers, terms])


def iter_levels(records: bytes) -> Iterator[Level]:
    """The levels of `Engine.depth` or `Engine.level_changes`."""
    return map(Level._make, LEVEL.iter_unpack(records))
