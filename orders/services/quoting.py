"""Make quotes of our own books: whatever trades here has a price for conversion, dealing and margin."""

from __future__ import annotations

from datetime import datetime, timedelta

from instruments.services.pricing import NewQuote, record_quotes
from orders.models import Phase, Side
from orders.selectors import levels
from tradeplatform.common.db import fetch

_SOURCE = "book"
# The quote of a book that stands still stays young.
_REPEAT_AFTER = timedelta(seconds=30)
# An event's time is that of its command, and it is seen once the drain has committed.
_COMMIT_LAG = timedelta(seconds=5)


def quote_books(*, now: datetime) -> int:
    """Record best bid and ask of the books that moved since they were quoted; returns how many quotes.

    Only books that match and have both sides: a crossed book before its auction is no price. What is
    hidden is not told.
    """
    rows = fetch(
        f"""
        SELECT book.instrument_id, bid.price, ask.price
        FROM orders_book book
        LEFT JOIN instruments_quote quoted ON quoted.instrument_id = book.instrument_id
        CROSS JOIN LATERAL ({levels("book.instrument_id", Side.BUY)} LIMIT 1) bid
        CROSS JOIN LATERAL ({levels("book.instrument_id", Side.SELL)} LIMIT 1) ask
        WHERE book.phase = %(open)s::smallint AND bid.price < ask.price AND (
            quoted.at IS NULL OR quoted.at <= %(repeat)s::timestamptz
            OR (book.last_time > extract(epoch FROM quoted.at - %(lag)s::interval) * 1000000
                AND (quoted.bid, quoted.ask) <> (bid.price, ask.price)))
        """,  # noqa: S608 - our own words
        {"open": Phase.OPEN.value, "repeat": now - _REPEAT_AFTER, "lag": _COMMIT_LAG},
        prepared=True,
    )
    return record_quotes([NewQuote(number, bid, ask, now, _SOURCE) for number, bid, ask in rows], now=now)
