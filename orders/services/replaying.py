"""Replay the journal from zero through a fresh engine and compare with what was written then."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.db import connections
from tradeengine import Engine, codec
from tradeengine.codec import EngineEvent

from orders.models import Book, Shard, event_id
from orders.services.pending import COLUMNS, PendingCommand

_BATCH = 10_000
_EVENT_SQL = (
    "SELECT kind, reason_code, side, flags, instrument_id, seq, command_id, order_id, account_id,"
    " maker_order_id, maker_account_id, price_ticks, quantity_lots, leaves_lots, maker_leaves_lots, priority,"
    " (extract(epoch FROM at) * 1000000)::bigint"
    " FROM orders_event WHERE instrument_id = ANY(%s) AND command_id = ANY(%s) ORDER BY instrument_id, seq"
)


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay of one shard's journal gave: how much it went through, and the books it ended with.

    `books` has (seq, state hash) by instrument. `differences` holds the first one found, where any was.
    """

    shard_id: int
    commands: int
    events: int
    books: dict[int, tuple[int, str]]
    differences: Sequence[dict[str, Any]]


def replay_differences(*, using: str = "default") -> tuple[int, Sequence[dict[str, Any]]]:
    """Replay every shard; returns (commands replayed, the first differences found)."""
    replayed, differences = 0, list[dict[str, Any]]()
    for shard in replay_shards(using=using):
        replayed += shard.commands
        differences += shard.differences
    return replayed, differences[:10]


def replay_shards(
    *,
    using: str = "default",
    compare_after: int = 0,
    compare: bool = True,
    only: int | None = None,
    tell: Callable[[int], None] = lambda _commands: None,
) -> Iterator[Replayed]:
    """Put every shard's journal (or that of `only`) through a fresh engine, from zero.

    With `compare`, the events of commands behind the position `compare_after` are held against the stored
    ones, and at the end each book against its row. Everything is read in the caller's snapshot, so a shard
    may go on meanwhile. `tell` hears how many commands were done, as it goes.
    """
    shards = Shard.objects.using(using).order_by("id")
    for shard in shards if only is None else shards.filter(id=only):
        yield _replay_shard(shard, using, compare_after=compare_after, compare=compare, tell=tell)


def _replay_shard(
    shard: Shard, using: str, *, compare_after: int, compare: bool, tell: Callable[[int], None]
) -> Replayed:
    engine = Engine()
    found = list(Book.objects.using(using).filter(shard_id=shard.id).order_by("instrument_id"))
    for book in found:
        engine.add_book(book.instrument_id)
    ids = [book.instrument_id for book in found]
    commands, events, differences = 0, 0, list[dict[str, Any]]()
    for batch in _batches(_journal(shard.id, using), first=compare_after):
        records = engine.apply(b"".join(command.encode() for command in batch))
        commands += len(batch)
        if compare and commands > compare_after:
            told = sorted(map(tuple, codec.iter_events(records)), key=lambda event: (event[4], event[5]))
            stored = _stored(ids, [command.id for command in batch], using)
            events += len(told)
            if told != stored:
                differences = [_first_difference(shard.id, told, stored)]
                break
        tell(len(batch))
    books = {number: (engine.seq(number), engine.state_hash(number)) for number in ids}
    if compare and not differences:
        differences = [
            {
                "shard": shard.id,
                "instrument": book.instrument_id,
                "replayed": books[book.instrument_id],
                "stored": (book.seq, book.state_hash),
            }
            for book in found
            if book.state_hash and (book.seq, book.state_hash) != books[book.instrument_id]
        ]
    return Replayed(shard.id, commands, events, books, differences)


def _journal(shard_id: int, using: str) -> Iterator[PendingCommand]:
    """The shard's applied commands in the order of application, streamed."""
    connection = connections[using]
    with connection.chunked_cursor() as cursor:
        cursor.execute(
            f"SELECT {COLUMNS} FROM orders_command WHERE shard_id = %s AND position IS NOT NULL"  # noqa: S608
            " ORDER BY position",
            [shard_id],
        )
        while rows := cursor.fetchmany(_BATCH):
            yield from (PendingCommand(*row) for row in rows)


def _batches(commands: Iterator[PendingCommand], *, first: int) -> Iterator[list[PendingCommand]]:
    """Pieces of the journal, of which one ends where the `first` commands do."""
    before = islice(commands, first)
    for part in (before, commands):
        while batch := list(islice(part, _BATCH)):
            yield batch


def _stored(ids: list[int], command_ids: list[int], using: str) -> list[tuple[Any, ...]]:
    with connections[using].cursor() as cursor:
        cursor.execute(_EVENT_SQL, [ids, command_ids])
        return [tuple(row) for row in cursor.fetchall()]


def _first_difference(
    shard_id: int, told: list[tuple[Any, ...]], stored: list[tuple[Any, ...]]
) -> dict[str, Any]:
    for mine, theirs in zip(told, stored, strict=False):
        if mine != theirs:
            event = EngineEvent(*mine)
            return {
                "shard": shard_id,
                "event": event_id(event.instrument, event.seq),
                "replayed": str(mine),
                "stored": str(theirs),
            }
    return {"shard": shard_id, "replayed_events": len(told), "stored_events": len(stored)}
