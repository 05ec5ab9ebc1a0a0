"""Trades from a Valkey stream: an entry is a trade, read by a consumer group, acknowledged after the commit.

An entry that was delivered and not acknowledged, because its consumer died or the database was away, stays
pending; after a while another consumer claims it. Delivered twice it is still taken once, because a trade is
known by (source, external id). What is no trade is kept with the reason (RefusedTrade) and acknowledged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from redis import Redis
from redis.exceptions import ResponseError

from orders.history.models import RefusedTrade
from orders.history.reading import ToldTrade, read_trade
from orders.history.services.ingesting import Outcome, Taken, ingest
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.valkey import client

STREAM = "tradeplatform:external-trades"
GROUP = "ingest"
BATCH = 500
CLAIM_AFTER = timedelta(seconds=30)
_LONGEST = 200  # characters kept of a field of a refused entry

#: (id in the stream, fields)
Entry = tuple[str, dict[str, str]]


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of entries."""

    new: int = 0
    repeated: int = 0
    refused: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.new + other.new, self.repeated + other.repeated, self.refused + other.refused)

    @property
    def entries(self) -> int:
        """All of them."""
        return self.new + self.repeated + self.refused


@dataclass(slots=True)
class Consumer:
    """One reader of the group; `name` is its own."""

    name: str
    stream: str = STREAM
    claim_after: timedelta = CLAIM_AFTER
    batch: int = BATCH

    def step(self, *, now: datetime, block: timedelta | None = None) -> Tally:
        """Take one batch: what others left behind first, then what is new; waits for that up to `block`."""
        entries = self._claim() or self._read(block)
        if not entries:
            return Tally()
        outcomes = take(entries, now=now)
        acknowledge(self.stream, [entry for entry, _fields in entries])
        refused = sum(isinstance(outcome, Refusal) for outcome in outcomes)
        new = sum(outcome == Taken.NEW for outcome in outcomes)
        return Tally(new, len(outcomes) - new - refused, refused)

    def _claim(self) -> list[Entry]:
        """Entries that somebody was given and has not acknowledged for too long."""
        _next, entries, *_deleted = self._ask(
            lambda valkey: valkey.xautoclaim(
                self.stream, GROUP, self.name, self._idle, start_id="0-0", count=self.batch
            )
        )
        return _entries(entries)

    def _read(self, block: timedelta | None) -> list[Entry]:
        wait = None if block is None else max(1, int(block.total_seconds() * 1000))
        found = self._ask(
            lambda valkey: valkey.xreadgroup(
                GROUP, self.name, {self.stream: ">"}, count=self.batch, block=wait
            )
        )
        return [entry for _stream, entries in found or [] for entry in _entries(entries)]

    @property
    def _idle(self) -> int:
        return int(self.claim_after.total_seconds() * 1000)

    def _ask(self, question: Any) -> Any:
        """Ask; the group is made where it is missing, and reads the stream from its beginning."""
        try:
            return question(client())
        except ResponseError as error:
            if "NOGROUP" not in str(error):
                raise
        make_group(self.stream)
        return question(client())


def make_group(stream: str) -> None:
    """The consumer group, from the stream's beginning; one that is there stays as it is."""
    try:
        client().xgroup_create(stream, GROUP, id="0", mkstream=True)
    except ResponseError as error:
        if "BUSYGROUP" not in str(error):
            raise


def take(entries: Sequence[Entry], *, now: datetime) -> list[Outcome]:
    """Store the trades among the entries and keep the others with their reasons, in one transaction."""
    told: list[ToldTrade] = []
    places: list[int] = []
    outcomes: dict[int, Outcome] = {}
    for place, (_entry, fields) in enumerate(entries):
        try:
            told.append(read_trade(fields, now=now))
            places.append(place)
        except Refusal as refusal:
            outcomes[place] = refusal
    with transaction.atomic():
        outcomes |= dict(zip(places, ingest(told, now=now), strict=True))
        RefusedTrade.objects.bulk_create(
            (
                _refused(entries[place], outcome, now)
                for place, outcome in outcomes.items()
                if isinstance(outcome, Refusal)
            ),
            ignore_conflicts=True,
        )
    return [outcomes[place] for place in range(len(entries))]


def acknowledge(stream: str, ids: Sequence[str]) -> None:
    """Say that entries are done and let the stream forget them."""
    with client().pipeline(transaction=True) as pipe:
        pipe.xack(stream, GROUP, *ids)
        pipe.xdel(stream, *ids)
        pipe.execute()


def publish(trades: Iterable[Mapping[str, str]], *, stream: str = STREAM, valkey: Redis | None = None) -> int:
    """Put trades into the stream, as fields by name; how many."""
    with (valkey or client()).pipeline(transaction=False) as pipe:
        for fields in trades:
            pipe.xadd(stream, {name: value for name, value in fields.items()})  # noqa: C416 - of any key
        return len(pipe.execute())


def _entries(raw: Any) -> list[Entry]:
    return [
        (entry.decode(), {_text(name): _text(value) for name, value in fields.items()})
        for entry, fields in raw
        if fields is not None
    ]


def _text(raw: bytes) -> str:
    # What is no text is refused by name and must be kept as text.
    return raw.decode(errors="backslashreplace").replace("\0", "\\0")


def _refused(entry: Entry, refusal: Refusal, now: datetime) -> RefusedTrade:
    number, fields = entry
    short = {name[:_LONGEST]: value[:_LONGEST] for name, value in fields.items()}
    return RefusedTrade(entry=number, payload=short, code=Code(refusal.code), message=refusal.message, at=now)
