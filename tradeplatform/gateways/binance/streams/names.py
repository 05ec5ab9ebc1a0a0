"""What streams are called: `btcusdt@depth@100ms`, `!miniTicker@arr`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from orders.market.intervals import Interval


class Kind(StrEnum):
    """What a stream tells, by the word behind the symbol."""

    DIFF = "depth"
    PARTIAL = "partial"
    BEST = "bookTicker"
    TRADE = "trade"
    AGGREGATE = "aggTrade"
    KLINE = "kline"
    TICKER = "ticker"
    MINI = "miniTicker"
    AVERAGE = "avgPrice"


#: They are made of all the frames of a book; the others are asked of the database once a second.
FOLLOWED = frozenset({Kind.DIFF, Kind.PARTIAL, Kind.BEST, Kind.TRADE, Kind.AGGREGATE, Kind.KLINE})

_PLAIN = (Kind.BEST, Kind.TRADE, Kind.AGGREGATE, Kind.TICKER, Kind.MINI, Kind.AVERAGE)
_NAME = re.compile(
    "(?P<symbol>[a-z0-9_.-]{1,20})@"
    "(?:depth(?P<levels>5|10|20)?(?:@(?P<speed>100|1000)ms)?"
    f"|kline_(?P<interval>{'|'.join(Interval)})"
    f"|(?P<word>{'|'.join(_PLAIN)}))",
    re.ASCII,
)
_ALL = {"!ticker@arr": Kind.TICKER, "!miniTicker@arr": Kind.MINI}


@dataclass(frozen=True, slots=True)
class StreamName:
    """A name, and what it means. Without a symbol it is of all instruments."""

    text: str
    kind: Kind
    symbol: str | None = None
    levels: int = 0
    #: Between two events of a book.
    seconds: float = 1.0
    interval: Interval = Interval.MINUTE


def parse(text: str) -> StreamName:
    """What the name means. Raises ValueError when nothing is called so."""
    if text in _ALL:
        return StreamName(text, _ALL[text])
    found = _NAME.fullmatch(text)
    if found is None:
        raise ValueError(f"no stream is called {text!r}")
    symbol = found["symbol"].upper()
    if found["word"]:
        return StreamName(text, Kind(found["word"]), symbol)
    if found["interval"]:
        return StreamName(text, Kind.KLINE, symbol, interval=Interval(found["interval"]))
    kind = Kind.PARTIAL if found["levels"] else Kind.DIFF
    seconds = int(found["speed"] or 1_000) / 1_000
    return StreamName(text, kind, symbol, levels=int(found["levels"] or 0), seconds=seconds)
