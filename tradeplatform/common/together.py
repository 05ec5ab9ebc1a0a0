"""What many threads ask at the same time is asked together: one statement, or one transaction, for all.

A statement costs about the same for one row as for twenty. The first to come goes at once, so an idle process
adds nothing; while it is being answered others queue, and the first of them takes all that wait along. What
is asked for is looked up after it was asked, never before: nobody gets an older answer than alone.

Where more wait than are taken along at once, they are taken in turns, one of each who asks; where there is
no room for more, whoever has most waiting is refused. Where there is a `patience`, so is whoever has waited
for longer when its turn comes: behind one that waits for a lock it would be answered after both time-outs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, NamedTuple, TypeVar, cast

import structlog
from django.db import InterfaceError, OperationalError, connection

from tradeplatform.common.db import release_connection
from tradeplatform.common.overload import Full, queue_full
from tradeplatform.common.turns import Turns

logger = structlog.get_logger(__name__)

#: Seconds for those who lock: with a lock that they wait for in vain after that it is less than ten.
LOCK_PATIENCE = 4.0
_clock = time.monotonic

Ask = TypeVar("Ask")
Answer = TypeVar("Answer")


class _Waiting(Generic[Ask, Answer]):
    """What one thread asks, then its answer or the exception that stands for it."""

    __slots__ = ("answer", "ask", "done", "error", "since", "told")

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self.since = _clock()
        self.done = False
        self.answer: Answer | None = None
        self.error: BaseException | None = None
        # Told when it is answered, or when it has to go on for all that wait.
        self.told = threading.Event()


class Together(Generic[Ask, Answer]):
    """Calls `do` with what the threads of a process ask meanwhile, at most `most` at once.

    `do` answers each in order, and may be called again with less after it raised: it must have done nothing
    then. At most `room` wait, as many as there are threads where it is not given, for at most `patience`
    seconds; `whose` says who asks.
    """

    def __init__(
        self,
        do: Callable[[Sequence[Ask]], Sequence[Answer]],
        *,
        most: int = 1_000,
        room: int | None = None,
        patience: float | None = None,
        whose: Callable[[Ask], Hashable] = lambda _ask: None,
    ) -> None:
        """Nothing is asked yet."""
        self._do, self._most, self._patience, self._whose = do, most, patience, whose
        self._lock = threading.Lock()
        self._queue: Turns[_Waiting[Ask, Answer]] = Turns(room)
        self._busy = False

    def __call__(self, ask: Ask) -> Answer:
        """The answer of `do` to this.

        Raises what `do` raises of it, or of the database for all, and Refusal overloaded: it was not asked.
        """
        if connection.in_atomic_block:
            # Only this thread sees what its transaction has done so far.
            (answer,) = self._do([ask])
            return answer
        mine: _Waiting[Ask, Answer] = _Waiting(ask)
        with self._lock:
            waits, self._busy = self._busy, True
            # Who goes at once does not wait, and finds the queue empty.
            gives_way = self._queue.put(mine, self._whose(ask)) if waits else None
        if gives_way is not None:
            _fail([gives_way], queue_full(Full.INTAKE))
            gives_way.told.set()
        if waits:
            # Others may use the connection while this thread waits.
            release_connection()
            mine.told.wait()
        if not mine.done:
            self._go_on(mine)
        if mine.error is not None:
            raise mine.error
        return cast("Answer", mine.answer)

    def waiting(self) -> int:
        """How many asked and are not yet being answered."""
        return len(self._queue)

    def _go_on(self, mine: _Waiting[Ask, Answer]) -> None:
        """Answer this and all that wait, then leave the rest to the next."""
        batch = [mine]
        with self._lock:
            while len(batch) < self._most and (waiting := self._queue.take()) is not None:
                batch.append(waiting)
        late = [waiting for waiting in batch if self._has_waited_too_long(waiting)]
        if late:
            _fail(late, queue_full(Full.INTAKE))
        try:
            self._answer([waiting for waiting in batch if not waiting.done])
        finally:
            with self._lock:
                # Taken out: it can neither give way any more nor be answered by another.
                follower = self._queue.take()
                self._busy = follower is not None
            for waiting in (*batch, *([follower] if follower else [])):
                waiting.told.set()

    def _has_waited_too_long(self, waiting: _Waiting[Ask, Answer]) -> bool:
        return self._patience is not None and _clock() - waiting.since > self._patience

    def _answer(self, batch: Sequence[_Waiting[Ask, Answer]]) -> None:
        try:
            answers = answers_of(self._do, [waiting.ask for waiting in batch])
        except BaseException as error:
            _fail(batch, error)
            raise
        for waiting, answer in zip(batch, answers, strict=True):
            waiting.done = True
            if isinstance(answer, Failed):
                waiting.error = answer.error
            else:
                waiting.answer = answer


class Failed(NamedTuple):
    """Stands for the answer to what failed."""

    error: Exception


def answers_of(do: Callable[[Sequence[Ask]], Sequence[Answer]], asks: Sequence[Ask]) -> list[Answer | Failed]:
    """What `do` answers to all at once; where that fails for another reason than the database's, to each."""
    if not asks:
        return []
    try:
        return [answer for _ask, answer in zip(asks, do(asks), strict=True)]
    except (OperationalError, InterfaceError) as error:
        return [Failed(error)] * len(asks)
    except Exception as error:
        if len(asks) == 1:
            return [Failed(error)]
        logger.exception("together_failed", asked=len(asks))
        return [answer for ask in asks for answer in answers_of(do, [ask])]


def _fail(batch: Sequence[_Waiting[Ask, Answer]], error: BaseException) -> None:
    for waiting in batch:
        waiting.error, waiting.done = error, True
