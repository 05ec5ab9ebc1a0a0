"""The engine's reasons and states as an operator would say them, and the colours they get."""

from __future__ import annotations

from orders.models import CommandKind, EventKind, OrderStatus, ShardStatus
from orders.services.engine_codes import REASON_WORD
from tradeplatform.common.admin.show import Tone

REASONS = {
    "client": "asked by the client",
    "ioc_remainder": "immediate or cancel: the rest found no match",
    "no_liquidity": "the other side of the book was empty",
    "price_protection": "the next price was beyond the protection price",
    "fok_unfillable": "fill or kill: not all of it could be filled at once",
    "would_take": "post-only: it would have traded at once",
    "self_trade_prevention": "it would have traded with its own account or group",
    "halted": "the instrument was halted",
    "unknown_order": "the order was no longer in the book",
    "not_owner": "the order belongs to another account",
    "duplicate_order": "an order with this id was in the book",
    "below_executed": "the new quantity was not above what was filled",
    "invalid": "a field had an impossible value",
    "unknown_instrument": "the book is not on this shard",
    "operator": "asked by an operator",
    "mass_cancel": "all orders of the account were cancelled",
    "halt_cancel": "the halt cancelled resting orders",
    "no_change": "nothing would have been different",
    "already_halted": "it was halted already",
    "not_halted": "it was not halted",
    "maintenance": "the instrument went under maintenance",
    "delisted": "the instrument was delisted",
}

ORDER_TONE = {
    OrderStatus.PENDING: Tone.WARN,
    OrderStatus.OPEN: Tone.INFO,
    OrderStatus.PARTIALLY_FILLED: Tone.INFO,
    OrderStatus.FILLED: Tone.GOOD,
    OrderStatus.CANCELLED: Tone.QUIET,
    OrderStatus.REJECTED: Tone.BAD,
    OrderStatus.EXPIRED: Tone.QUIET,
}

EVENT_TONE = {
    EventKind.ACCEPTED: Tone.INFO,
    EventKind.REJECTED: Tone.BAD,
    EventKind.TRADE: Tone.GOOD,
    EventKind.CANCELLED: Tone.QUIET,
    EventKind.AMENDED: Tone.INFO,
    EventKind.CANCEL_REJECTED: Tone.WARN,
    EventKind.AMEND_REJECTED: Tone.WARN,
    EventKind.REDUCED: Tone.WARN,
    EventKind.HALTED: Tone.BAD,
    EventKind.RESUMED: Tone.GOOD,
}

COMMAND_TONE = {
    CommandKind.NEW: Tone.INFO,
    CommandKind.CANCEL: Tone.QUIET,
    CommandKind.AMEND: Tone.INFO,
    CommandKind.HALT: Tone.BAD,
    CommandKind.RESUME: Tone.GOOD,
}

SHARD_TONE = {ShardStatus.RUNNING: Tone.GOOD, ShardStatus.STOPPED: Tone.BAD}

#: Why these happened needs saying only where it is not what the client asked for.
_SILENT = {"client", ""}


def reason(word: str) -> str:
    """A reason word as a sentence part; empty where the client simply asked."""
    return "" if word in _SILENT else REASONS.get(word, word.replace("_", " "))


def reason_of_code(code: int) -> str:
    """A reason code of the engine, likewise."""
    return reason(REASON_WORD.get(code, str(code)))
