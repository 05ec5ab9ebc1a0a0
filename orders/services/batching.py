"""Single requests of many threads go in together: whoever comes first commits, and those who came meanwhile.

A transaction costs about the same for one order as for twenty. The first request goes at once, so an idle
process adds nothing; while it is being committed others queue, and one of them takes all that wait into
the next transaction. Each keeps its own actor, correlation id and outcome.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from datetime import datetime

import structlog
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from audit.actor import Actor
from orders.models import Source
from orders.services.intake import MAX_BATCH, submit_sent
from orders.services.requests import Accepted, Denied, NewOrder, Origin, Outcome, Sent
from tradeplatform.common.correlation import correlation_id
from tradeplatform.common.db import release_connection

logger = structlog.get_logger(__name__)


class _Waiting:
    """A request in the queue, then its outcome or the exception that stands for it."""

    __slots__ = ("done", "error", "outcome", "sent")

    def __init__(self, sent: Sent) -> None:
        self.sent = sent
        self.done = False
        self.outcome: Outcome | None = None
        self.error: BaseException | None = None


class Batcher:
    """One for each process; called from threads, of which the one that commits uses its own connection.

    The queue is as long as there are threads that wait: whoever starts threads without end bounds them.
    """

    def __init__(self) -> None:
        self._turn = threading.Condition()
        self._queue: deque[_Waiting] = deque()
        self._busy = False

    def submit(self, order: NewOrder, origin: Origin) -> Accepted:
        """Submit one order with whatever else waits. Raises Refusal when it is denied."""
        mine = _Waiting(Sent(order, origin))
        with self._turn:
            self._queue.append(mine)
            if self._busy:
                # Others may use the connection while this thread waits.
                release_connection()
        while (batch := self._next_batch(mine)) is not None:
            try:
                _commit(batch)
            finally:
                with self._turn:
                    self._busy = False
                    self._turn.notify_all()
        if mine.error is not None:
            raise mine.error
        if isinstance(mine.outcome, Denied):
            raise mine.outcome.refusal
        if mine.outcome is None:
            raise RuntimeError("a request left the queue without an outcome")
        return mine.outcome

    def _next_batch(self, mine: _Waiting) -> list[_Waiting] | None:
        """What this thread has to commit; None once its own request is done."""
        with self._turn:
            self._turn.wait_for(lambda: mine.done or not self._busy)
            if mine.done:
                return None
            self._busy = True
            return [self._queue.popleft() for _ in range(min(MAX_BATCH, len(self._queue)))]


def _commit(batch: Sequence[_Waiting]) -> None:
    """Commit these together; where that fails for another reason than the database's, each by itself."""
    try:
        _submit(batch, timezone.now())
    except (OperationalError, InterfaceError) as error:
        _fail(batch, error)
    except Exception as error:
        if len(batch) == 1:
            _fail(batch, error)
            return
        logger.exception("batch_failed", requests=len(batch))
        for waiting in batch:
            _commit([waiting])
    except BaseException as error:
        _fail(batch, error)
        raise


def _submit(batch: Sequence[_Waiting], now: datetime) -> None:
    outcomes = submit_sent([waiting.sent for waiting in batch], now=now)
    for waiting, outcome in zip(batch, outcomes, strict=True):
        if isinstance(outcome, Accepted | Denied):
            waiting.outcome, waiting.done = outcome, True


def _fail(batch: Sequence[_Waiting], error: BaseException) -> None:
    for waiting in batch:
        waiting.error, waiting.done = error, True


_batcher = Batcher()


def submit_soon(*, order: NewOrder, actor: Actor, source: Source) -> Accepted:
    """Submit one order, in one transaction with those that other threads submit meanwhile.

    As `intake.submit_order`; the moment it counts from is that of the commit. Raises Refusal.
    """
    return _batcher.submit(order, Origin(actor, source, correlation_id()))
