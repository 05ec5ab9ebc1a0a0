"""Halt, resume, put under maintenance or delist an instrument: a command like any other, with a reason.

Intake refuses from the moment the request commits; the engine's own event follows in the book's order.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from audit.actor import Actor
from audit.services.reasons import require_reason
from audit.services.recording import record
from instruments.models import HaltPolicy, Instrument, InstrumentStatus
from instruments.selectors import rules_by_id
from orders.models import Command, CommandKind, CommandStatus
from orders.services import engine_codes
from orders.services.book_refs import books_for
from orders.services.journal import CommandRow, write_commands
from orders.services.wake import wake_after_commit
from tradeplatform.common.errors import Code, Refusal

_REASON_OF = {
    InstrumentStatus.HALTED: "operator",
    InstrumentStatus.MAINTENANCE: "maintenance",
    InstrumentStatus.DELISTED: "delisted",
}


def halt_instrument(
    *,
    symbol: str,
    actor: Actor,
    now: datetime,
    reason: str,
    status: InstrumentStatus = InstrumentStatus.HALTED,
    cancel_resting: bool | None = None,
) -> int:
    """Stop trading; returns the command's id.

    Resting orders follow the instrument's halt policy unless `cancel_resting` says otherwise; delisting
    always cancels them.

    Raises Refusal: reason_required, unknown_symbol, no_change.
    """
    reason = require_reason(reason)
    with transaction.atomic():
        instrument = _locked(symbol)
        _require_listed(instrument)
        if instrument.status == status and not resume_is_pending(instrument.id):
            raise Refusal(Code.NO_CHANGE, f"{symbol} is {instrument.get_status_display().lower()} already.")
        cancel = instrument.halt_policy == HaltPolicy.CANCEL if cancel_resting is None else cancel_resting
        flags = engine_codes.CANCEL_RESTING if cancel or status == InstrumentStatus.DELISTED else 0
        return _request(
            instrument,
            to=status,
            kind=CommandKind.HALT,
            flags=flags,
            reason_code=engine_codes.REASON[_REASON_OF[status]],
            actor=actor,
            now=now,
            reason=reason,
        )


def resume_instrument(*, symbol: str, actor: Actor, now: datetime, reason: str) -> int:
    """Trade again; returns the command's id. The instrument is active once the engine has said so.

    Raises Refusal: reason_required, unknown_symbol, instrument_not_halted, instrument_delisted, no_change.
    """
    reason = require_reason(reason)
    with transaction.atomic():
        instrument = _locked(symbol)
        if instrument.status == InstrumentStatus.ACTIVE:
            raise Refusal(Code.INSTRUMENT_NOT_HALTED, f"{symbol} is trading already.", symbol=symbol)
        _require_listed(instrument)
        if resume_is_pending(instrument.id):
            raise Refusal(Code.NO_CHANGE, f"{symbol} is being resumed already.")
        return _request(
            instrument,
            to=None,
            kind=CommandKind.RESUME,
            flags=0,
            reason_code=0,
            actor=actor,
            now=now,
            reason=reason,
        )


def settle_status(
    *, instrument_id: int, status: InstrumentStatus, command_id: int, now: datetime
) -> InstrumentStatus:
    """Store what the book said of itself and return what holds now.

    A halt that was asked for after `command_id` has the last word already. Called by the drain, in its
    transaction.
    """
    # Whoever halts it at this moment holds the row: wait, then look for what he has asked for.
    instrument = Instrument.objects.select_for_update(no_key=True).get(id=instrument_id)
    waiting = Command.objects.filter(
        instrument_id=instrument_id, kind=CommandKind.HALT, status=CommandStatus.PENDING, id__gt=command_id
    )
    if waiting.exists():
        return InstrumentStatus(instrument.status)
    Instrument.objects.filter(id=instrument_id).update(status=status, updated_at=now)
    return status


def resume_is_pending(instrument_id: int) -> bool:
    """Whether the last thing asked for, and not yet done, is to trade again."""
    waiting = Command.objects.filter(
        instrument_id=instrument_id,
        kind__in=[CommandKind.HALT, CommandKind.RESUME],
        status=CommandStatus.PENDING,
    )
    return waiting.order_by("-id").values_list("kind", flat=True).first() == CommandKind.RESUME


def _require_listed(instrument: Instrument) -> None:
    if instrument.status == InstrumentStatus.DELISTED:
        raise Refusal(
            Code.INSTRUMENT_DELISTED,
            f"{instrument.symbol} is delisted for good.",
            symbol=instrument.symbol,
        )


def _locked(symbol: str) -> Instrument:
    known = Instrument.objects.select_for_update(no_key=True)
    instrument = known.filter(symbol=symbol).first() if symbol.isprintable() else None
    if instrument is None:
        raise Refusal(Code.UNKNOWN_SYMBOL, "No such instrument.", symbol=ascii(symbol[:32])[1:-1])
    return instrument


def _request(
    instrument: Instrument,
    *,
    to: InstrumentStatus | None,
    kind: CommandKind,
    flags: int,
    reason_code: int,
    actor: Actor,
    now: datetime,
    reason: str,
) -> int:
    book = books_for(rules_by_id([instrument.id]).values())[instrument.id]
    (command_id,) = write_commands(
        [
            CommandRow(
                shard_id=book.shard_id,
                instrument_id=instrument.id,
                kind=kind,
                flags=flags,
                reason_code=reason_code,
                reason=reason,
            )
        ],
        actor=actor,
        now=now,
    )
    if to is not None:
        Instrument.objects.filter(id=instrument.id).update(status=to, updated_at=now)
    record(
        actor=actor,
        action=f"instruments.trading.{kind.name.lower()}",
        target_type="instruments.instrument",
        target_id=instrument.id,
        target_label=instrument.symbol,
        reason=reason,
        before={"status": instrument.status},
        after={"status": to or InstrumentStatus.ACTIVE, "command": command_id},
        now=now,
    )
    wake_after_commit([book.shard_id])
    return command_id
