"""Replay recorded order flow through the public intake, and watch where the two books part.

A run has an id, and orders are named after it: the same run started again after a crash continues, since
what was acknowledged before is answered as a duplicate and changes nothing.
"""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from instruments.scaling import steps
from orders.models import Side
from orders.replay.actions import ActionKind, RecordedAction
from orders.replay.comparison import LEVELS, Comparison
from orders.replay.interpreting import Amend, Interpreter
from orders.replay.journal import Journal
from orders.replay.lookups import amends_sent, is_known, trade_count
from orders.replay.report import PlatformCheck, ReplayReport, Tally
from orders.replay.stage import Stage
from orders.selectors import book_of, depth
from orders.services.changing import amend_order, cancel_all_orders
from orders.services.requests import Accepted, CancelOrder, Changes, NewOrder, Outcome, Requested
from orders.services.sending import Sender
from tradeplatform.common.errors import Code, Refusal

_CHECK_EVERY = 5_000
_MICROSECONDS = 1_000_000
# A run is a resumed one if the platform knows any of its first orders: one of them may have been denied.
_FIRST_ORDERS = 50


@dataclass(frozen=True, slots=True)
class _Placed:
    """An order of the replay as the platform knows it; `resumed` if an earlier start of the run placed it."""

    order_id: int
    account_id: int
    resumed: bool


@dataclass(slots=True)
class Replay:
    """One run of one recording on one stage; `run` it once. A batch has 1 to 1,000 requests."""

    stage: Stage
    sender: Sender
    interpreter: Interpreter
    run_id: str
    batch: int = 500
    journal: Journal | None = None
    tally: Tally = field(default_factory=Tally)
    check: PlatformCheck = field(default_factory=PlatformCheck)
    comparison: Comparison = field(init=False)
    _queue: list[tuple[str, NewOrder | CancelOrder]] = field(default_factory=list)
    _placed: dict[str, _Placed] = field(default_factory=dict)
    _amends: Counter[tuple[int, int, int]] = field(default_factory=Counter)
    _catching_up: bool = False

    def __post_init__(self) -> None:
        """Compare the two books from the beginning."""
        self.comparison = Comparison(self.interpreter.recorded, self.interpreter.expected)

    def run(
        self, actions: Iterable[RecordedAction], *, speed: Decimal | None, progress: Callable[[Tally], None]
    ) -> ReplayReport:
        """Replay everything; `speed` is how much faster than recorded, None as fast as possible.

        A new run first cancels what earlier runs have left in the book. Raises MalformedLineError,
        NobodyDrainsError.
        """
        head, actions = _peek(actions)
        if not self._is_resumed(head):
            self._clear_book()
        started, seq = time.monotonic(), self._seq()
        for action in self._paced(actions, speed):
            self._feed(action)
            if len(self._queue) >= self.batch:
                self._flush()
                progress(self.tally)
            if self.tally.rows % _CHECK_EVERY == 0:
                self._check_platform()
        self._flush()
        self.sender.sync(self.stage.rules.id)
        seconds = time.monotonic() - started
        self._catching_up = False
        self._check_platform()
        progress(self.tally)
        return ReplayReport(
            run=self.run_id,
            rules=self.stage.rules,
            seconds=seconds,
            waited_seconds=self.sender.waited_seconds,
            reconnections=self.sender.reconnections,
            trades=trade_count(instrument_id=self.stage.rules.id, after_seq=seq),
            expected_trades=self.interpreter.expected.trades,
            tally=self.tally,
            comparison=self.comparison,
            platform=self.check,
        )

    def _feed(self, action: RecordedAction) -> None:
        step = self.interpreter.step(action)
        self.tally.rows += 1
        self.tally.actions[action.kind.value] += 1
        if step.note:
            self.tally.not_sent[step.note] += 1
        if step.request is not None:
            self._queue.append((step.recorded_id, step.request))
        if step.amend is not None:
            self._flush()
            self._amend(step.recorded_id, step.amend)
        self.comparison.after(line=action.line, time_us=action.time_us, reason=step.reason)

    def _paced(self, actions: Iterable[RecordedAction], speed: Decimal | None) -> Iterator[RecordedAction]:
        """The actions, each when it is due; whatever was queued goes out before a pause."""
        started, origin = time.monotonic(), None
        for action in actions:
            if speed is not None:
                origin = action.time_us if origin is None else origin
                due = started + float((action.time_us - origin) / speed) / _MICROSECONDS
                if (pause := due - time.monotonic()) > 0:
                    self._flush()
                    time.sleep(max(0.0, min(pause, due - time.monotonic())))
            yield action

    def _flush(self) -> None:
        """Send what waits, in the order of the recording."""
        if not self._queue:
            return
        queue, self._queue = self._queue, []
        requests = [request for _, request in queue]
        outcomes = self.sender.send(requests)
        if self.journal:
            self.journal.write(zip(requests, outcomes, strict=True))
        self._catching_up = any(isinstance(outcome, Accepted) and outcome.duplicate for outcome in outcomes)
        for (recorded_id, request), outcome in zip(queue, outcomes, strict=True):
            self._note(recorded_id, request, outcome)

    def _note(self, recorded_id: str, request: NewOrder | CancelOrder, outcome: Outcome | Requested) -> None:
        if isinstance(outcome, Accepted):
            self._placed[recorded_id] = _Placed(outcome.order_id, request.account_id, outcome.duplicate)
            self.tally.duplicates += outcome.duplicate
            self.tally.accepted += not outcome.duplicate
        elif isinstance(outcome, Requested):
            self.tally.cancels += 1
        elif isinstance(request, CancelOrder):
            self.tally.cancels_denied[outcome.refusal.code.value] += 1
        else:
            self.tally.denied[outcome.refusal.code.value] += 1
            self.interpreter.denied(recorded_id)
        if isinstance(request, CancelOrder):
            self._placed.pop(recorded_id, None)

    def _amend(self, recorded_id: str, amend: Amend) -> None:
        """Send an amend; an earlier one of the same order that is still under way is waited for."""
        placed = self._placed.get(recorded_id)
        if placed is None or (placed.resumed and self._was_sent_before(placed, amend)):
            return
        try:
            self._request(placed, amend)
        except Refusal as refusal:
            if refusal.code != Code.AMEND_PENDING:
                self.tally.denied[refusal.code.value] += 1
                return
            self.sender.sync(self.stage.rules.id)
            self._request(placed, amend)
        self.tally.amends += 1

    def _request(self, placed: _Placed, amend: Amend) -> None:
        self.sender.through_restarts(
            lambda: amend_order(
                order_id=placed.order_id,
                account_id=placed.account_id,
                changes=Changes(price=amend.price, quantity=amend.quantity),
                actor=self.sender.actor,
                source=self.sender.source,
                now=self.sender.clock(),
            )
        )

    def _was_sent_before(self, placed: _Placed, amend: Amend) -> bool:
        """Whether an earlier start of this run sent this amend: an amend has no name that would say so."""
        rules = self.stage.rules
        ticks = steps(amend.price, rules.tick_size) or 0 if amend.price is not None else 0
        lots = steps(amend.quantity, rules.lot_size) or 0 if amend.quantity is not None else 0
        key = (placed.order_id, ticks, lots)
        self._amends[key] += 1
        sent = amends_sent(order_id=placed.order_id, price_ticks=ticks, quantity_lots=lots)
        return self._amends[key] <= sent

    def _is_resumed(self, head: Sequence[RecordedAction]) -> bool:
        names = [
            (self.stage.account_of(action.side, action.id), self.interpreter.name(action.id))
            for action in head
            if action.kind == ActionKind.NEW
        ]
        return is_known(names)

    def _clear_book(self) -> None:
        """Cancel what the replay accounts have in the book."""
        for account_id in self.stage.account_ids:
            cancel_all_orders(
                account_id=account_id,
                symbol=self.stage.rules.symbol,
                actor=self.sender.actor,
                now=self.sender.clock(),
            )
        self.sender.sync(self.stage.rules.id)

    def _check_platform(self) -> None:
        """Compare the book that the platform has stored with the expected one, when both are at one point."""
        self._flush()
        if self._catching_up:
            return
        self.sender.sync(self.stage.rules.id)
        rules, expected = self.stage.rules, self.interpreter.expected
        stored = self.sender.through_restarts(lambda: depth(rules, limit=LEVELS))
        bids, asks = (
            [(rules.price(ticks), rules.quantity(lots)) for ticks, lots in expected.depth(side, LEVELS)]
            for side in (Side.BUY, Side.SELL)
        )
        self.check.add(
            same=(stored.bids, stored.asks) == (bids, asks),
            difference=f"After row {self.tally.rows} {stored.bids[:1]} {stored.asks[:1]} are stored, "
            f"{bids[:1]} {asks[:1]} are expected.",
        )

    def _seq(self) -> int:
        book = book_of(self.stage.rules.id)
        return book.seq if book else 0


def _peek(actions: Iterable[RecordedAction]) -> tuple[list[RecordedAction], Iterable[RecordedAction]]:
    """The first rows, and all rows."""
    rows = iter(actions)
    head: list[RecordedAction] = []
    orders = 0
    while orders < _FIRST_ORDERS and (action := next(rows, None)) is not None:
        head.append(action)
        orders += action.kind == ActionKind.NEW
    return head, itertools.chain(head, rows)
