"""The engine in this process's memory: a cache of the open orders in the database, never a second truth.

It is thrown away after any exception and whenever its position differs from the shard's row, and rebuilt
from the open orders. The rebuilt state hash must equal the one stored with the book; otherwise the shard
must stop, because somebody's order is not where the journal says it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog
from tradeengine import Engine

from instruments.selectors import rules_by_id
from orders.models import Book
from orders.services.loading import open_orders

logger = structlog.get_logger(__name__)


class StateMismatch(Exception):  # noqa: N818 - a state of affairs
    """A rebuilt book differs from the book the journal left behind."""

    def __init__(self, *, symbol: str, stored: str, rebuilt: str) -> None:
        super().__init__(
            f"Book {symbol}: the open orders give state {rebuilt}, but {stored} is stored. `manage.py "
            "replay-journal --verify` names the orders: put them right before starting this shard again."
        )


@dataclass(slots=True)
class ShardEngine:
    """An engine and the shard position it has reached; None while it is ahead of what is written.

    Another thread may hold the shard's lock before the one that failed has thrown its engine away.
    """

    engine: Engine
    position: int | None


_engines: dict[int, ShardEngine] = {}


def engine_at(*, shard_id: int, position: int, books: list[Book]) -> ShardEngine:
    """The shard's engine at `position`, from memory if it is there, else rebuilt and checked.

    Must be called with the shard's row locked. Raises StateMismatch.
    """
    cached = _engines.get(shard_id)
    if cached is None or cached.position != position:
        cached = _engines[shard_id] = ShardEngine(rebuild(books), position)
        logger.info("engine_rebuilt", shard=shard_id, position=position, books=len(books))
    known = set(cached.engine.books())
    for book in books:
        if book.instrument_id not in known:
            cached.engine.add_book(book.instrument_id)
    return cached


def forget(shard_id: int) -> None:
    """Throw the shard's engine away; the next drain rebuilds it."""
    _engines.pop(shard_id, None)


def rebuild(books: list[Book], *, using: str = "default") -> Engine:
    """A fresh engine holding these books as their open orders describe them. Raises StateMismatch.

    `using` names the database connection, so that a check can look through the read-only one.
    """
    engine = Engine()
    rules = rules_by_id((book.instrument_id for book in books), using=using)
    for book in books:
        engine.add_book(book.instrument_id)
        engine.restore(
            book.instrument_id,
            open_orders(rules[book.instrument_id], using=using),
            seq=book.seq,
            last_time=book.last_time,
            last_price=book.last_price_ticks,
            phase=book.phase,
        )
        rebuilt = engine.state_hash(book.instrument_id)
        if book.state_hash and rebuilt != book.state_hash:
            symbol = rules[book.instrument_id].symbol
            raise StateMismatch(symbol=symbol, stored=book.state_hash, rebuilt=rebuilt)
    engine.level_changes()  # a rebuilt book is not a change
    return engine
