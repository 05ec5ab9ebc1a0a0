"""The engine's reasons and states as an operator would say them, and the colours they get."""

from __future__ import annotations

from orders.models import CommandKind, EventKind, OrderStatus, Phase, ShardStatus
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
    "mass_cancel": "many orders were cancelled at once",
    "halt_cancel": "the halt cancelled all open orders",
    "no_change": "nothing would have been different",
    "already_in_phase": "it was in this phase already",
    "wrong_phase": "the phase took no such order",
    "maintenance": "the instrument went under maintenance",
    "delisted": "the instrument was delisted",
    "expired": "its time was over",
    "session_end": "a day order, and the session ended",
    "linked": "its partner was filled, was triggered or ended",
    "parent_ended": "its parent ended without filling it",
    "exit_triggered": "its exit was triggered before it was filled whole",
    "amount_spent": "what was left of the amount paid for no further lot",
    "min_quantity": "less than its minimum quantity could trade at once",
    "reduce_only": "it would have opened a position, or turned one",
    "killed": "the kill switch stopped it",
    "quarantined": "it could not be applied, and was set aside",
}

ORDER_TONE = {
    OrderStatus.PENDING: Tone.WARN,
    OrderStatus.WAITING: Tone.QUIET,
    OrderStatus.PENDING_TRIGGER: Tone.WARN,
    OrderStatus.OPEN: Tone.INFO,
    OrderStatus.PARTIALLY_FILLED: Tone.INFO,
    OrderStatus.FILLED: Tone.GOOD,
    OrderStatus.CANCELLED: Tone.QUIET,
    OrderStatus.REJECTED: Tone.BAD,
    OrderStatus.EXPIRED: Tone.QUIET,
}

#: In a column there is no room for what it waits for.
SHORT_STATUS = {OrderStatus.WAITING: "Waiting", OrderStatus.PENDING_TRIGGER: "Armed"}

EVENT_TONE = {
    EventKind.ACCEPTED: Tone.INFO,
    EventKind.REJECTED: Tone.BAD,
    EventKind.TRADE: Tone.GOOD,
    EventKind.CANCELLED: Tone.QUIET,
    EventKind.AMENDED: Tone.INFO,
    EventKind.CANCEL_REJECTED: Tone.WARN,
    EventKind.AMEND_REJECTED: Tone.WARN,
    EventKind.REDUCED: Tone.WARN,
    EventKind.PHASE_CHANGED: Tone.WARN,
    EventKind.MASS_CANCELLED: Tone.BAD,
    EventKind.TRIGGERED: Tone.INFO,
    EventKind.ACTIVATED: Tone.INFO,
    EventKind.TRAILED: Tone.QUIET,
    EventKind.DISPLAYED: Tone.QUIET,
    EventKind.TIME: Tone.QUIET,
}

COMMAND_TONE = {
    CommandKind.NEW: Tone.INFO,
    CommandKind.CANCEL: Tone.QUIET,
    CommandKind.AMEND: Tone.INFO,
    CommandKind.PHASE: Tone.WARN,
    CommandKind.TIME: Tone.QUIET,
    CommandKind.MASS_CANCEL: Tone.BAD,
}

PHASE_TONE = {
    Phase.OPEN: Tone.GOOD,
    Phase.PRE_OPEN: Tone.INFO,
    Phase.AUCTION: Tone.INFO,
    Phase.CANCEL_ONLY: Tone.WARN,
    Phase.HALTED: Tone.BAD,
    Phase.CLOSED: Tone.QUIET,
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
