"""Which shard an instrument's book lives on, opening the book the first time it is needed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from instruments.selectors import Rules, printable
from tradeplatform.common.db import execute
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.statements import Rows, Statement, known

_SELECT = "SELECT instrument_id, shard_id, last_price_ticks FROM orders_book"
_NAMED = "WHERE instrument_id IN (SELECT id FROM instruments_instrument WHERE symbol = ANY(%s::text[]))"


@dataclass(frozen=True, slots=True)
class BookRef:
    """Where an instrument is matched, and the price of its last trade (0 = none yet)."""

    instrument_id: int
    shard_id: int
    last_price_ticks: int

    def reference(self, rules: Rules) -> Decimal:
        """The price that the band and market orders are measured from.

        The last trade, else the instrument's own reference price; 0 when there is neither.
        """
        return rules.price(self.last_price_ticks) if self.last_price_ticks else rules.reference_price


def books_for(rules: Iterable[Rules]) -> dict[int, BookRef]:
    """The books of these instruments by instrument id, opened on the shard with the fewest where missing."""
    return opened([found.id for found in rules], {})


def books_named(symbols: Iterable[str]) -> Statement[dict[int, BookRef]]:
    """The books that are open of these instruments, by instrument id, for whoever asks for more with it."""
    wanted = printable(symbols)
    return Statement(f"{_SELECT} {_NAMED}", [wanted], _refs) if wanted else known({})


def books_at(ids: Iterable[int]) -> Statement[dict[int, BookRef]]:
    """The same by ids."""
    wanted = list(set(ids))
    return Statement(f"{_SELECT} WHERE instrument_id = ANY(%s)", [wanted], _refs) if wanted else known({})


def opened(wanted: Sequence[int], found: Mapping[int, BookRef]) -> dict[int, BookRef]:
    """All wanted books: what was found of them, and the others, opened where missing."""
    refs = dict(found)
    if missing := [number for number in wanted if number not in refs]:
        refs |= books_at(missing).run()
    if missing := [number for number in wanted if number not in refs]:
        _open(missing)
        refs |= books_at(missing).run()
        if still := [number for number in missing if number not in refs]:
            raise Refusal(Code.UNAVAILABLE, "No shard exists: run `manage.py seed` first.", instruments=still)
    return refs


def _refs(rows: Rows) -> dict[int, BookRef]:
    return {row[0]: BookRef(*row) for row in rows}


def _open(ids: list[int]) -> None:
    """One statement: shards ranked by how many books they have are dealt out in turn."""
    execute(
        """
        WITH ranked AS (
            SELECT s.id, row_number() OVER (ORDER BY count(b.instrument_id), s.id) - 1 AS place,
                   count(*) OVER () AS shards
            FROM orders_shard s LEFT JOIN orders_book b ON b.shard_id = s.id GROUP BY s.id
        )
        INSERT INTO orders_book
            (instrument_id, shard_id, seq, last_time, last_price_ticks, phase, state_hash)
        SELECT i.id, r.id, 0, 0, 0, 1, ''
        FROM unnest(%s::int[]) WITH ORDINALITY AS i(id, place)
        JOIN ranked r ON r.place = (i.place - 1) %% r.shards
        ON CONFLICT DO NOTHING
        """,
        [sorted(ids)],
    )
