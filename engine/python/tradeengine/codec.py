"""The records that cross the engine's boundary, and their codes: the only Python that knows the bytes.

Prices are ticks, quantities lots, times microseconds since the epoch; all integers. Records are packed and
little endian. Ids and `seq` fit in 63 bits, so they fit a PostgreSQL bigint.
"""

from collections.abc import Iterator
from enum import IntEnum, IntFlag
from struct import Struct
from typing import Final, NamedTuple

COMMAND: Final = Struct("<8B2I4Q3q")
EVENT: Final = Struct("<4BI6Q6q")
RESTING: Final = Struct("<8B9q")
LEVEL: Final = Struct("<IB3xqq")


class CommandKind(IntEnum):
    """What is asked of a book."""

    NEW = 1
    CANCEL = 2
    AMEND = 3
    HALT = 4
    RESUME = 5


class Side(IntEnum):
    """Which side of the book an order belongs to; on a trade, the taker's."""

    BUY = 1
    SELL = 2


class OrderType(IntEnum):
    """MARKET never rests, whatever its time in force."""

    LIMIT = 1
    MARKET = 2


class TimeInForce(IntEnum):
    """Rest until cancelled; cancel what does not trade now; trade all now or be rejected."""

    GTC = 1
    IOC = 2
    FOK = 3


class StpMode(IntEnum):
    """What happens when an order would trade with its own account or group; the taker's mode decides."""

    NONE = 0
    EXPIRE_TAKER = 1
    EXPIRE_MAKER = 2
    EXPIRE_BOTH = 3
    DECREMENT = 4


class CommandFlag(IntFlag):
    """POST_ONLY belongs to NEW (a GTC limit), CANCEL_RESTING to HALT."""

    POST_ONLY = 1
    CANCEL_RESTING = 2


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
    HALTED = 9
    RESUMED = 10


class EventFlag(IntFlag):
    """RESTS: once the whole command is done, `order_id` is in the book (unused on ACCEPTED, AMENDED)."""

    RESTS = 1
    KEPT_PLACE = 2


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
    ALREADY_HALTED = 18
    NOT_HALTED = 19
    MAINTENANCE = 20
    DELISTED = 21


class EngineEvent(NamedTuple):
    """One EVENT record. The integer codes compare equal to the enumerations above; 0 = does not apply.

    On REJECTED, CANCEL_REJECTED and AMEND_REJECTED `account` is who asked, and `price` and `quantity` are
    what was asked for; on the last two `side` and `leaves` are those of the order, if it rests. A HALT of a
    halted book is HALTED again (its reason stands, CANCEL_RESTING is honoured), a RESUME of a running one
    RESUMED; where the command gave no reason, it is ALREADY_HALTED or NOT_HALTED. REJECTED DUPLICATE_ORDER
    has RESTS: the order of that id is another one, and it stays.
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


class RestingOrder(NamedTuple):
    """One RESTING record.

    `priority` is the seq of the event that gave the order its place: ACCEPTED, or the last AMENDED without
    KEPT_PLACE. `time` is that event's; it only explains and is not part of the state hash, so a caller that
    does not store it may restore with 0.

    `executed` counts the lots used up by trades and by self-trade prevention; `leaves + executed` is the
    total that an amendment speaks of.
    """

    side: int
    post_only: bool
    stp: int
    order_id: int
    account: int
    stp_group: int
    price: int
    leaves: int
    executed: int
    priority: int
    time: int


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
    price: int = 0,
    quantity: int = 0,
) -> bytes:
    """One COMMAND record; fields that do not apply to the kind stay 0.

    NEW: `price` is the limit, or a market order's protection price (0 = none); `quantity` is the total.
    AMEND: 0 keeps the price or the quantity; `quantity` is the new total including what is executed.
    CANCEL, AMEND: `account` must own the order; 0 = the operator. `reason` goes onto the event (CANCEL,
    HALT, RESUME). Raises struct.error if a number does not fit its field.
    """
    return COMMAND.pack(
        kind, side, order_type, tif, flags, stp, reason, 0,
        instrument, 0, command_id, order_id, account, stp_group, price, quantity, time,
    )  # fmt: skip


def encode_resting(order: RestingOrder) -> bytes:
    """One RESTING record, for `Engine.restore`. Raises struct.error if a number does not fit its field."""
    side, post_only, stp, *numbers = order
    return RESTING.pack(side, post_only, stp, 0, 0, 0, 0, 0, *numbers, 0)


def iter_events(records: bytes) -> Iterator[EngineEvent]:
    """The events of `Engine.apply`, in order."""
    return map(EngineEvent._make, EVENT.iter_unpack(records))


def iter_resting(records: bytes) -> Iterator[RestingOrder]:
    """The orders of `Engine.open_orders`, by priority."""
    for side, post_only, stp, _3, _4, _5, _6, _7, *numbers, _zero in RESTING.iter_unpack(records):
        yield RestingOrder(side, bool(post_only), stp, *numbers)


def iter_levels(records: bytes) -> Iterator[Level]:
    """The levels of `Engine.depth` or `Engine.level_changes`."""
    return map(Level._make, LEVEL.iter_unpack(records))
