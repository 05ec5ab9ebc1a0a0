"""Types of the compiled module. Every method may be called from any thread; calls take turns."""

from collections.abc import Iterable
from typing import final

__all__ = ["Engine", "EngineError", "event_rows", "pack_rows"]

class EngineError(ValueError):
    """The engine was misused (bad bytes, unknown book, impossible state); nothing has changed."""

@final
class Engine:
    """The books of one shard: a pure function of (state, command). See `tradeengine.codec` for the records.

    A method that takes an instrument raises `EngineError` if it has no book. `RuntimeError` from any
    method means that the engine failed in the middle of its work: throw it away and rebuild it.
    """

    def __new__(cls) -> Engine: ...
    def add_book(
        self, instrument: int, *, seq: int = 0, last_time: int = 0, last_price: int = 0, phase: int = 1
    ) -> None:
        """Open an empty book. Instrument ids run from 1 to 8191. Raises EngineError if it is open."""

    def remove_book(self, instrument: int) -> None:
        """Forget a book and its orders."""

    def restore(
        self, instrument: int, orders: bytes, *, seq: int, last_time: int, last_price: int, phase: int
    ) -> None:
        """Replace or open a book with OPEN records (any order). Nothing is matched or reported.

        Raises EngineError, and leaves the old book as it was, if the records are malformed, of another
        version, crossed in phase OPEN, repeat an order id or a priority, or hold a priority above `seq`.
        """

    def apply(self, commands: bytes) -> bytes:
        """Execute COMMAND records in order and return their EVENT records. The GIL is released.

        Raises EngineError before anything changes if a record is malformed or an instrument has no book.
        """

    def level_changes(self) -> bytes:
        """LEVEL records touched since the last call, by instrument, side, price; quantity 0 = gone.

        `add_book`, `restore` and `remove_book` report nothing: publish `depth` after them.
        """

    def depth(self, instrument: int, limit: int | None = None) -> bytes:
        """LEVEL records: at most `limit` bids from the best, then at most `limit` asks from the best."""

    def open_orders(self, instrument: int) -> bytes:
        """OPEN records, with their TERMS, by priority, parked orders too: what `restore` takes."""

    def state_hash(self, instrument: int) -> str:
        """32 hex digits that two books share exactly when their states are equal. O(1).

        Covers seq, last time, last price, phase, and every field of every open order.
        """

    def seq(self, instrument: int) -> int:
        """The `seq` of the last event; 0 before the first."""

    def last_time(self, instrument: int) -> int:
        """Microseconds since the epoch of the latest command; never runs backwards."""

    def last_price(self, instrument: int) -> int:
        """Ticks of the last trade; 0 before the first."""

    def phase(self, instrument: int) -> int:
        """The phase the book is in; see `tradeengine.codec.Phase`."""

    def indicative(self, instrument: int) -> tuple[int, int, int]:
        """(price, executable lots, surplus of bids) an uncross would have now; zeros if not crossed."""

    def order_count(self, instrument: int) -> int:
        """The number of open orders, resting and parked."""

    def books(self) -> list[int]:
        """Instruments with a book, ascending."""

    def check(self) -> None:
        """Recompute every invariant of every book; raises EngineError naming the first that is broken."""

def event_rows(events: bytes, epoch: int) -> bytes:
    """EVENT records as rows of the table of events, for COPY ... WITH (FORMAT binary).

    The columns: id (instrument << 40 | seq), time as timestamptz, instrument, seq, command; kind, reason,
    side and flags as smallint; the nine numbers from order_id to priority; `epoch`.
    Raises EngineError if they are not whole records.
    """

def pack_rows(types: str, values: Iterable[tuple[object, ...]]) -> bytes:
    """Rows for COPY ... WITH (FORMAT binary); `types` has a letter for each column. None is NULL.

    b boolean; h smallint, i integer, q bigint; n numeric, from a Decimal or an int; s text, from a str or a
    word of a TextChoices; j jsonb, from its text; t timestamptz, from a datetime with its zone.
    Raises ValueError, OverflowError or TypeError for what does not fit its column.
    """
