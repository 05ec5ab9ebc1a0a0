"""The phases of an instrument: a command like any other, with a reason; one table says what follows what.

What takes less than before counts from the moment the request commits: intake refuses. What takes more
counts once the book has said so. Where several requests wait, the last one has the last word.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet

from audit.actor import Actor
from audit.services.reasons import require_reason
from audit.services.recording import record
from instruments.models import HaltPolicy, Instrument, InstrumentStatus
from instruments.selectors import rules_by_id
from orders.models import Command, CommandKind, CommandStatus, Phase
from orders.services import engine_codes
from orders.services.book_refs import books_for
from orders.services.journal import CommandRow, write_commands
from orders.services.wake import wake_after_commit
from tradeplatform.common.errors import Code, Refusal

ACTOR = Actor.system("auctions")


@dataclass(frozen=True, slots=True)
class _Way:
    """How a status is asked for: the book's phase, the reason on its event, the verb in the audit record."""

    phase: Phase
    reason: str
    verb: str


_WAYS = {
    InstrumentStatus.ACTIVE: _Way(Phase.OPEN, "client", "open"),
    InstrumentStatus.PRE_OPEN: _Way(Phase.PRE_OPEN, "operator", "pre_open"),
    InstrumentStatus.AUCTION: _Way(Phase.AUCTION, "operator", "auction"),
    InstrumentStatus.CANCEL_ONLY: _Way(Phase.CANCEL_ONLY, "operator", "cancel_only"),
    InstrumentStatus.CLOSED: _Way(Phase.CLOSED, "operator", "close"),
    InstrumentStatus.HALTED: _Way(Phase.HALTED, "operator", "halt"),
    InstrumentStatus.MAINTENANCE: _Way(Phase.HALTED, "maintenance", "halt"),
    InstrumentStatus.DELISTED: _Way(Phase.HALTED, "delisted", "halt"),
}
_HALTS = frozenset({InstrumentStatus.HALTED, InstrumentStatus.MAINTENANCE, InstrumentStatus.DELISTED})

_COLLECTS = {InstrumentStatus.PRE_OPEN, InstrumentStatus.AUCTION}
_ANY = frozenset(_WAYS)
#: What may be asked for where. A market that trades is collected again by an auction, not by a pre-opening;
#: an auction does not go back; a closed market is not halted: it stands still already.
NEXT: dict[InstrumentStatus, frozenset[InstrumentStatus]] = {
    InstrumentStatus.ACTIVE: _ANY - {InstrumentStatus.PRE_OPEN},
    InstrumentStatus.PRE_OPEN: _ANY,
    InstrumentStatus.AUCTION: _ANY - {InstrumentStatus.PRE_OPEN},
    InstrumentStatus.CANCEL_ONLY: _ANY,
    InstrumentStatus.HALTED: _ANY,
    InstrumentStatus.MAINTENANCE: _ANY,
    InstrumentStatus.CLOSED: _ANY - {InstrumentStatus.HALTED, InstrumentStatus.CANCEL_ONLY},
    InstrumentStatus.DELISTED: frozenset(),
}


def status_of(phase: int, reason_code: int) -> InstrumentStatus:
    """The status that a book in this phase, for this reason, gives its instrument."""
    if phase != Phase.HALTED:
        return next(status for status, way in _WAYS.items() if way.phase == phase)
    word = engine_codes.REASON_WORD[reason_code]
    return next((s for s in _HALTS if _WAYS[s].reason == word), InstrumentStatus.HALTED)


def request_phase(
    *,
    symbol: str,
    to: InstrumentStatus,
    actor: Actor,
    now: datetime,
    reason: str,
    cancel_resting: bool | None = None,
) -> int:
    """Ask for a status other than active; returns the command's id.

    A halt's resting orders follow the instrument's policy unless `cancel_resting` says otherwise; delisting
    always cancels them, and no other phase does.

    Raises Refusal: reason_required, unknown_symbol, instrument_delisted, no_change, phase_not_allowed.
    """
    if to == InstrumentStatus.ACTIVE:
        raise ValueError("How it comes to trade is for resume_instrument and end_auction to say.")
    reason = require_reason(reason)
    with transaction.atomic():
        instrument = _locked(symbol)
        if refusal := standing(instrument).why_not(to):
            raise refusal
        cancel = to in _HALTS and _cancels(instrument, to, asked=cancel_resting)
        return _request(instrument, to, actor=actor, now=now, reason=reason, cancel=cancel)


def halt_instrument(
    *,
    symbol: str,
    actor: Actor,
    now: datetime,
    reason: str,
    status: InstrumentStatus = InstrumentStatus.HALTED,
    cancel_resting: bool | None = None,
) -> int:
    """Stop trading for now, for planned work, or for good. As `request_phase`."""
    return request_phase(
        symbol=symbol, to=status, actor=actor, now=now, reason=reason, cancel_resting=cancel_resting
    )


def resume_instrument(*, symbol: str, actor: Actor, now: datetime, reason: str) -> int:
    """Trade again, through an auction where the instrument has one; returns the command's id.

    Raises Refusal: reason_required, unknown_symbol, instrument_not_halted, instrument_delisted, no_change.
    """
    reason = require_reason(reason)
    with transaction.atomic():
        instrument = _locked(symbol)
        if refusal := standing(instrument).why_not_resume():
            raise refusal
        return _request(instrument, opens_as(instrument), actor=actor, now=now, reason=reason, verb="resume")


def end_auction(*, symbol: str, actor: Actor, now: datetime, reason: str) -> int:
    """Uncross and trade, before the auction's time or where it has none; returns the command's id.

    Raises Refusal: reason_required, unknown_symbol, no_change, phase_not_allowed.
    """
    reason = require_reason(reason)
    with transaction.atomic():
        instrument = _locked(symbol)
        if refusal := standing(instrument).why_not_end_auction():
            raise refusal
        return _end_auction(instrument, actor=actor, now=now, reason=reason)


def end_due_auctions(*, now: datetime) -> int:
    """Ask to open the instruments whose auction's time has come; returns how many. Callable at any time.

    What an operator has asked for meanwhile stands, and two calls at once open once.
    """
    due = Instrument.objects.filter(status=InstrumentStatus.AUCTION, auction_ends_at__lte=now)
    ended = 0
    for symbol in list(due.order_by("id").values_list("symbol", flat=True)):
        with transaction.atomic():
            instrument = _locked(symbol)
            ends_at = instrument.auction_ends_at
            if ends_at is None or ends_at > now or standing(instrument).why_not_end_auction():
                continue
            reason = f"The auction's time ended at {ends_at:%H:%M:%S} UTC"
            _end_auction(instrument, actor=ACTOR, now=now, reason=reason)
            ended += 1
    return ended


@dataclass(frozen=True, slots=True)
class Settled:
    """An instrument's status, and until when its auction collects, if it does and if that is planned."""

    status: InstrumentStatus
    auction_ends_at: datetime | None


def settle_status(*, instrument_id: int, status: InstrumentStatus, command_id: int, now: datetime) -> Settled:
    """Store what the book said of itself and return what holds now; an auction's time begins here.

    What was asked for after `command_id` has the last word already. Called by the drain, in its transaction.
    """
    # Whoever asks at this moment holds the row: wait, then look for what he has asked for.
    instrument = Instrument.objects.select_for_update(no_key=True).get(id=instrument_id)
    if _waiting(instrument_id).filter(id__gt=command_id).exists():
        return Settled(InstrumentStatus(instrument.status), instrument.auction_ends_at)
    ends_at = None
    if status == InstrumentStatus.AUCTION and instrument.auction_seconds:
        ends_at = now + timedelta(seconds=instrument.auction_seconds)
    _store(instrument, status, now, ends_at=ends_at)
    return Settled(status, ends_at)


@dataclass(frozen=True, slots=True)
class Standing:
    """An instrument, and what it will be once all that was asked for has been done."""

    instrument: Instrument
    asked: InstrumentStatus

    @property
    def is_settled(self) -> bool:
        """Whether nothing waits."""
        return self.asked == self.instrument.status

    def why_not(self, to: InstrumentStatus) -> Refusal | None:
        """The refusal of this status, if it cannot be asked for now."""
        if self.asked == InstrumentStatus.DELISTED:
            return self._refusal(Code.INSTRUMENT_DELISTED, "is delisted for good.")
        if self.asked == to:
            being = "is" if self.is_settled else "is about to be"
            return self._refusal(Code.NO_CHANGE, f"{being} {to.label.lower()} already.")
        if to not in NEXT[self.asked]:
            sentence = f"cannot become {to.label.lower()} while it is {self.asked.label.lower()}."
            return self._refusal(Code.PHASE_NOT_ALLOWED, sentence, status=self.asked.value)
        return None

    def why_not_resume(self) -> Refusal | None:
        """The refusal of a resumption, if there is nothing to resume."""
        if self.instrument.status == InstrumentStatus.ACTIVE:
            return self._refusal(Code.INSTRUMENT_NOT_HALTED, "is trading already.")
        if self.asked == InstrumentStatus.AUCTION and self.is_settled:
            return self._refusal(Code.NO_CHANGE, "is in its auction: end that to trade.")
        if self.asked in {InstrumentStatus.ACTIVE, InstrumentStatus.AUCTION}:
            return self._refusal(Code.NO_CHANGE, "is being resumed already.")
        return self.why_not(opens_as(self.instrument))

    def why_not_end_auction(self) -> Refusal | None:
        """The refusal of an auction's end, if there is none to end."""
        if self.asked == InstrumentStatus.ACTIVE and self.instrument.status == InstrumentStatus.AUCTION:
            return self._refusal(Code.NO_CHANGE, "is leaving its auction already.")
        if self.asked != InstrumentStatus.AUCTION:
            return self._refusal(Code.PHASE_NOT_ALLOWED, "is not in an auction.", status=self.asked.value)
        return None

    def _refusal(self, code: Code, sentence: str, **context: str) -> Refusal:
        symbol = self.instrument.symbol
        return Refusal(code, f"{symbol} {sentence}", symbol=symbol, **context)


def standing(instrument: Instrument) -> Standing:
    """Where an instrument stands, with what waits to be done."""
    last = _waiting(instrument.pk).order_by("-id").values_list("phase", "reason_code").first()
    return Standing(instrument, status_of(*last) if last else InstrumentStatus(instrument.status))


def opens_as(instrument: Instrument) -> InstrumentStatus:
    """What comes of a resumption first."""
    return InstrumentStatus.AUCTION if instrument.auction_seconds else InstrumentStatus.ACTIVE


def _end_auction(instrument: Instrument, *, actor: Actor, now: datetime, reason: str) -> int:
    active = InstrumentStatus.ACTIVE
    return _request(instrument, active, actor=actor, now=now, reason=reason, verb="end_auction")


def _cancels(instrument: Instrument, halt: InstrumentStatus, *, asked: bool | None) -> bool:
    if halt == InstrumentStatus.DELISTED:
        return True
    return instrument.halt_policy == HaltPolicy.CANCEL if asked is None else asked


def _waiting(instrument_id: int) -> QuerySet[Command]:
    """The requests that the book has not answered yet."""
    return Command.objects.filter(
        instrument_id=instrument_id, kind=CommandKind.PHASE, status=CommandStatus.PENDING
    )


def _takes(status: str) -> int:
    """How much is taken: nothing, what can wait, everything."""
    return 2 if status == InstrumentStatus.ACTIVE else int(status in _COLLECTS)


def _locked(symbol: str) -> Instrument:
    known = Instrument.objects.select_for_update(no_key=True)
    instrument = known.filter(symbol=symbol).first() if symbol.isprintable() else None
    if instrument is None:
        raise Refusal(Code.UNKNOWN_SYMBOL, "No such instrument.", symbol=ascii(symbol[:32])[1:-1])
    return instrument


def _store(
    instrument: Instrument, status: InstrumentStatus, now: datetime, *, ends_at: datetime | None = None
) -> None:
    Instrument.objects.filter(id=instrument.pk).update(status=status, auction_ends_at=ends_at, updated_at=now)


def _request(
    instrument: Instrument,
    to: InstrumentStatus,
    *,
    actor: Actor,
    now: datetime,
    reason: str,
    cancel: bool = False,
    verb: str = "",
) -> int:
    way = _WAYS[to]
    book = books_for(rules_by_id([instrument.pk]).values())[instrument.pk]
    (command_id,) = write_commands(
        [
            CommandRow(
                shard_id=book.shard_id,
                instrument_id=instrument.pk,
                kind=CommandKind.PHASE,
                phase=way.phase,
                flags=engine_codes.CANCEL_RESTING if cancel else 0,
                reason_code=engine_codes.REASON[way.reason],
                reason=reason,
            )
        ],
        actor=actor,
        now=now,
    )
    if _takes(to) <= _takes(instrument.status):
        _store(instrument, to, now)
    record(
        actor=actor,
        action=f"instruments.trading.{verb or way.verb}",
        target_type="instruments.instrument",
        target_id=instrument.pk,
        target_label=instrument.symbol,
        reason=reason,
        before={"status": instrument.status},
        after={"status": to.value, "command": command_id},
        now=now,
    )
    wake_after_commit([book.shard_id])
    return command_id
