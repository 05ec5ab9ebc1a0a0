"""Replay the journal from zero through a fresh engine and compare with what was written then."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.db import connections
from tradeengine import Engine, EngineError, codec
from tradeengine.codec import OpenOrder

from instruments.selectors import rules_by_id
from orders.models import LAST_SEQ, Book, Shard, event_id
from orders.services.loading import open_orders
from orders.services.pending import COLUMNS, PendingCommand

_BATCH = 10_000
#: Orders that are named of a shard, at most.
_NAMED = 10
# By its ids, which are an event's place: what a batch costs does not grow with what is stored beside it. One
# piece after another, for with a LIMIT a join would look for the first match in the order of all ids.
_EVENT_SQL = """
    SELECT stored.* FROM unnest(%s::bigint[], %s::bigint[]) AS piece(first, last)
    CROSS JOIN LATERAL (
        SELECT kind, reason_code, side, flags, instrument_id, seq, command_id, order_id, account_id,
            maker_order_id, maker_account_id, price_ticks, quantity_lots, leaves_lots, maker_leaves_lots,
            priority, (extract(epoch FROM at) * 1000000)::bigint
        FROM orders_event WHERE id BETWEEN first AND last ORDER BY id LIMIT %s
    ) stored ORDER BY instrument_id, seq"""


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
    orders: bool = False,
    tell: Callable[[int], None] = lambda _commands: None,
) -> Iterator[Replayed]:
    """Put every shard's journal (or that of `only`) through a fresh engine, from zero.

    With `compare`, the events of commands behind the position `compare_after` are held against the stored
    ones, and at the end each book against its row; with `orders` its open orders too, one by one. Everything
    is read in the caller's snapshot, so a shard may go on meanwhile. `tell` hears how many commands were
    done, as it goes.
    """
    shards = Shard.objects.using(using).order_by("id")
    for shard in shards if only is None else shards.filter(id=only):
        yield _replay_shard(
            shard, using, compare_after=compare_after, compare=compare, orders=orders, tell=tell
        )


def _replay_shard(
    shard: Shard,
    using: str,
    *,
    compare_after: int,
    compare: bool,
    orders: bool,
    tell: Callable[[int], None],
) -> Replayed:
    engine = Engine()
    found = list(Book.objects.using(using).filter(shard_id=shard.id).order_by("instrument_id"))
    for book in found:
        engine.add_book(book.instrument_id)
    ids = [book.instrument_id for book in found]
    commands, events, differences = 0, 0, list[dict[str, Any]]()
    behind = dict.fromkeys(ids, 0)
    for batch in _batches(_journal(shard.id, using), first=compare_after):
        records = engine.apply(b"".join(command.encode() for command in batch))
        commands += len(batch)
        if compare and commands > compare_after:
            told = sorted(map(tuple, codec.iter_events(records)), key=_place)
            pieces = [(number, behind[number] + 1, engine.seq(number)) for number in ids]
            stored = _stored([piece for piece in pieces if piece[1] <= piece[2]], using)
            events += len(told)
            if told != stored:
                differences = [_first_difference(shard.id, told, stored)]
                break
        behind = {number: engine.seq(number) for number in ids}
        tell(len(batch))
    books = {number: (engine.seq(number), engine.state_hash(number)) for number in ids}
    if compare and not differences:
        beyond = _stored([(number, seq + 1, LAST_SEQ) for number, (seq, _hash) in books.items()], using, 1)
        differences = [_first_difference(shard.id, [], beyond)] if beyond else []
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
    if orders and compare and not differences:
        differences = list(islice(_order_differences(shard.id, engine, found, using), _NAMED))
    return Replayed(shard.id, commands, events, books, differences)


def _order_differences(
    shard_id: int, engine: Engine, found: Sequence[Book], using: str
) -> Iterator[dict[str, Any]]:
    """Open orders whose rows are not what the journal left: those for which a shard would not start."""
    rules = rules_by_id((book.instrument_id for book in found), using=using)
    for book in found:
        number = book.instrument_id
        place = {"shard": shard_id, "instrument": rules[number].symbol}
        try:
            stored = open_orders(rules[number], using=using)
        except ValueError as error:
            yield place | {"error": str(error)}
            continue
        if _gives(stored, book, engine.state_hash(number)):
            continue
        mine, theirs = (
            {order.order_id: order for order in codec.iter_open(records)}
            for records in (engine.open_orders(number), stored)
        )
        for order in sorted(mine.keys() | theirs.keys()):
            if mine.get(order) != theirs.get(order):
                yield place | {
                    "order": order,
                    "replayed": _fields(mine.get(order)),
                    "stored": _fields(theirs.get(order)),
                }


def _gives(orders: bytes, book: Book, state_hash: str) -> bool:
    """Whether these orders make the book of this hash: cheaper than looking at each."""
    copy, number = Engine(), book.instrument_id
    try:
        copy.restore(
            number,
            orders,
            seq=book.seq,
            last_time=book.last_time,
            last_price=book.last_price_ticks,
            phase=book.phase,
        )
    except EngineError:
        return False
    return copy.state_hash(number) == state_hash


def _fields(order: OpenOrder | None) -> str:
    """What the engine knows of an order, in ticks and lots."""
    return "no open order" if order is None else str(order)


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


def _stored(
    pieces: Sequence[tuple[int, int, int]], using: str, limit: int | None = None
) -> list[tuple[Any, ...]]:
    """The stored events of (instrument, first seq, last seq), in their order; `limit` of each at most."""
    first = [event_id(number, seq) for number, seq, _last in pieces]
    last = [event_id(number, seq) for number, _first, seq in pieces]
    with connections[using].cursor() as cursor:
        cursor.execute(_EVENT_SQL, [first, last, limit])
        return [tuple(row) for row in cursor.fetchall()]


def _place(event: tuple[Any, ...]) -> tuple[int, int]:
    """Its instrument and its seq."""
    return event[4], event[5]


def _first_difference(
    shard_id: int, told: list[tuple[Any, ...]], stored: list[tuple[Any, ...]]
) -> dict[str, Any]:
    mine, theirs = ({_place(event): event for event in side} for side in (told, stored))
    different = [place for place in mine.keys() | theirs.keys() if mine.get(place) != theirs.get(place)]
    if not different:
        # One is stored twice, as it was and at another time.
        return {"shard": shard_id, "replayed_events": len(told), "stored_events": len(stored)}
    place = min(different)
    return {
        "shard": shard_id,
        "event": event_id(*place),
        "replayed": str(mine.get(place, "no event")),
        "stored": str(theirs.get(place, "no event")),
    }
