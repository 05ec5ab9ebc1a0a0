"""Replay the journal from zero through a fresh engine and compare with what was written then."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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


def replay_differences(*, using: str = "default") -> tuple[int, Sequence[dict[str, Any]]]:
    """Replay every shard; returns (commands replayed, the first differences found)."""
    replayed, differences = 0, []
    for shard in Shard.objects.using(using).order_by("id"):
        count, found = _replay_shard(shard, using)
        replayed += count
        differences += found
    return replayed, differences[:10]


def _replay_shard(shard: Shard, using: str) -> tuple[int, list[dict[str, Any]]]:
    engine = Engine()
    found = list(Book.objects.using(using).filter(shard_id=shard.id).order_by("instrument_id"))
    for book in found:
        engine.add_book(book.instrument_id)
    ids = [book.instrument_id for book in found]
    replayed = 0
    for commands in _batches(_journal(shard.id, using)):
        events = codec.iter_events(engine.apply(b"".join(command.encode() for command in commands)))
        told = sorted(map(tuple, events), key=lambda event: (event[4], event[5]))
        stored = _stored(ids, [command.id for command in commands], using)
        replayed += len(commands)
        if told != stored:
            return replayed, [_first_difference(shard.id, told, stored)]
    return replayed, [
        {"shard": shard.id, "instrument": book.instrument_id, "stored": book.state_hash}
        for book in found
        if book.state_hash and engine.state_hash(book.instrument_id) != book.state_hash
    ]


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


def _batches(commands: Iterator[PendingCommand]) -> Iterator[list[PendingCommand]]:
    while batch := list(islice(commands, _BATCH)):
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
