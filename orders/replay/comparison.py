"""Where the recorded and the replayed book part: how long they agree, where first not, and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from orders.models import Side
from orders.replay.expected_book import ExpectedBook
from orders.replay.recorded_book import RecordedBook

LEVELS = 10
_DEPTH_EVERY = 100

Touch = tuple[int, int]  # best bid and best ask in ticks; 0 = none


class Reason(StrEnum):
    """What the row did at which the books came to differ."""

    CROSSING = "a crossing order was matched at once; the recording shows its fills in later rows"
    FILLED_MORE = "the replay had filled the order already"
    UNSEEN_TAKER = "the recorded taker was never shown, so the order was reduced instead of filled"
    BEFORE = "an order from before the recording"
    DENIED = "the platform denied the order"
    OTHER = "no difference of its own: an order further down came to the top"


@dataclass(frozen=True, slots=True)
class Divergence:
    """The best prices of both books after a row, in ticks."""

    line: int
    time_us: int
    recorded: Touch
    replayed: Touch
    reason: Reason


@dataclass(slots=True)
class Comparison:
    """Both books side by side, row by row at the top and every hundredth row ten levels deep."""

    recorded: RecordedBook
    replayed: ExpectedBook
    rows: int = 0
    rows_equal: int = 0
    rows_recorded_crossed: int = 0
    time_us: int = 0
    time_equal_us: int = 0
    depths: int = 0
    depths_equal: int = 0
    first: Divergence | None = None
    partings: Counter[Reason] = field(default_factory=Counter)
    _since_us: int | None = None
    _equal: bool = True

    def after(self, *, line: int, time_us: int, reason: Reason) -> None:
        """Compare after a row that was replayed; `reason` is what would explain a parting here."""
        if self._since_us is not None:
            passed = max(0, time_us - self._since_us)
            self.time_us += passed
            self.time_equal_us += passed if self._equal else 0
        self._since_us = time_us
        recorded = (self.recorded.best(Side.BUY), self.recorded.best(Side.SELL))
        replayed = (self.replayed.best(Side.BUY), self.replayed.best(Side.SELL))
        equal = recorded == replayed
        if self._equal and not equal:
            self.partings[reason] += 1
            self.first = self.first or Divergence(line, time_us, recorded, replayed, reason)
        self._equal = equal
        self.rows += 1
        self.rows_equal += equal
        self.rows_recorded_crossed += self.recorded.crossed
        if self.rows % _DEPTH_EVERY == 0:
            self.depths += 1
            self.depths_equal += all(
                self.recorded.depth(side, LEVELS) == self.replayed.depth(side, LEVELS) for side in Side
            )
