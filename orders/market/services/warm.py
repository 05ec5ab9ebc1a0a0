"""Answers kept encoded, in Valkey and in each process, each with the state of the book that it is true of.

Whoever asks looks up that state first: an answer of another state is made again from the database and kept.
So what is kept is never old, and its loss costs time only. The follower keeps it warm.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
import structlog
from redis.exceptions import RedisError

from instruments.selectors import rules_by_id, unknown_symbol
from orders.market.rendering import average_json, best_json, ticker_json
from orders.market.selectors import average_price, tickers
from orders.rendering import depth_json
from orders.selectors import depths
from tradeplatform.common.db import fetch
from tradeplatform.common.together import Together
from tradeplatform.common.valkey import client

logger = structlog.get_logger(__name__)

_KEEP_SECONDS = 120
# What this process has seen lately, by name, as in Valkey: state and answer. At most some 30 MB.
_seen: dict[str, tuple[str, bytes]] = {}
_MOST_SEEN, _LONGEST_SEEN = 1_000, 30_000
_CHECKSUM_LEVELS = 10
# Depths that many ask for; others are made for whoever asks.
_WARM_DEPTH = 100
KEPT_DEPTHS = frozenset({5, 10, 20, 50, _WARM_DEPTH, 500, 1_000, 5_000})


@dataclass(frozen=True, slots=True)
class Market:
    """An instrument, and the state of its book: no two states of a book ever have the same."""

    id: int
    symbol: str
    state: str

    def at(self, moment: str) -> Market:
        """The same, where the answer depends on the clock too."""
        return Market(self.id, self.symbol, f"{self.state}@{moment}")


Make = Callable[[Sequence[Market]], list[bytes]]

_MARKETS = (
    "SELECT i.id, i.symbol, concat_ws('.', b.seq, b.last_time, b.state_hash) FROM instruments_instrument i"
    " LEFT JOIN orders_book b ON b.instrument_id = i.id "
)


def markets(symbols: Sequence[str] | None = None) -> list[Market]:
    """The named instruments in the order given, or all by symbol. Raises unknown_symbol."""
    if symbols is None:
        return [Market(*row) for row in fetch(_MARKETS + "ORDER BY i.symbol")]
    # What cannot be printed cannot be a symbol, and some of it cannot be asked for.
    wanted = [symbol for symbol in dict.fromkeys(symbols) if symbol.isprintable()]
    found = {row[1]: Market(*row) for row in fetch(_MARKETS + "WHERE i.symbol = ANY(%s)", [wanted])}
    for symbol in symbols:
        if symbol not in found:
            raise unknown_symbol(symbol)
    return [found[symbol] for symbol in dict.fromkeys(symbols)]


def _each_market(symbols: Sequence[str]) -> list[Market | None]:
    found = {
        row[1]: Market(*row) for row in fetch(_MARKETS + "WHERE i.symbol = ANY(%s)", [list(set(symbols))])
    }
    return [found.get(symbol) for symbol in symbols]


_look_up = Together(_each_market)


def market(symbol: str) -> Market:
    """One instrument as it is now, looked up with what other threads ask for. Raises unknown_symbol."""
    found = _look_up(symbol)
    if found is None:
        raise unknown_symbol(symbol)
    return found


def depth_answers(wanted: Sequence[Market], *, limit: int) -> list[bytes]:
    """The `limit` best levels of each book."""

    def make(missing: Sequence[Market]) -> list[bytes]:
        rules = rules_by_id(market.id for market in missing)
        found = depths([rules[market.id] for market in missing], limit=max(limit, _CHECKSUM_LEVELS))
        return [
            orjson.dumps(depth_json(book, rules[market.id], limit=limit))
            for market, book in zip(missing, found, strict=True)
        ]

    return kept(f"depth{limit}", wanted, make) if limit in KEPT_DEPTHS else make(wanted)


def ticker_answers(wanted: Sequence[Market], *, now: datetime) -> list[bytes]:
    """The tickers; their 24 hours move with the minute."""

    def make(missing: Sequence[Market]) -> list[bytes]:
        rules = rules_by_id(market.id for market in missing)
        found = tickers([rules[market.id] for market in missing], now=now)
        return [orjson.dumps(ticker_json(ticker)) for ticker in found]

    return kept("ticker", [market.at(now.strftime("%j%H%M")) for market in wanted], make)


def best_answers(wanted: Sequence[Market], *, now: datetime) -> list[bytes]:
    """Best bid and ask, without the last 24 hours."""

    def make(missing: Sequence[Market]) -> list[bytes]:
        rules = rules_by_id(market.id for market in missing)
        found = tickers([rules[market.id] for market in missing], now=now)
        return [orjson.dumps(best_json(ticker)) for ticker in found]

    return kept("best", wanted, make)


def average_answer(wanted: Market, *, now: datetime) -> bytes:
    """The average price; its five minutes move with the second."""

    def make(_missing: Sequence[Market]) -> list[bytes]:
        rules = rules_by_id([wanted.id])[wanted.id]
        return [orjson.dumps(average_json(average_price(rules, now=now), rules))]

    return kept("average", [wanted.at(now.strftime("%j%H%M%S"))], make)[0]


def warm(*, now: datetime) -> None:
    """Make what most people ask for, of every book that has moved, before they ask."""
    everything = markets()
    ticker_answers(everything, now=now)
    depth_answers(everything, limit=_WARM_DEPTH)


def kept(what: str, wanted: Sequence[Market], make: Make) -> list[bytes]:
    """Answers as kept; those of another state are made, and kept for the next who asks.

    The state was read before the answer is made, so an answer may be of a later state than it is kept under:
    then nobody asks for that state any more.
    """
    answers = _remembered(what, wanted)
    missing = [market for market in wanted if market not in answers]
    if missing:
        made = dict(zip(missing, make(missing), strict=True))
        _write({_name(what, market): f"{market.state} ".encode() + made[market] for market in missing})
        _remember(what, made)
        answers |= made
    return [answers[market] for market in wanted]


def _remembered(what: str, wanted: Sequence[Market]) -> dict[Market, bytes]:
    """What is kept of these states, here or in Valkey."""
    here = [(market, _seen.get(_name(what, market), ("", b""))) for market in wanted]
    answers = {market: answer for market, (state, answer) in here if answer and state == market.state}
    elsewhere = [market for market in wanted if market not in answers]
    found = _read([_name(what, market) for market in elsewhere])
    fresh = {}
    for market, kept in zip(elsewhere, found, strict=True):
        state, _, answer = (kept or b"").partition(b" ")
        if answer and state.decode() == market.state:
            fresh[market] = answer
    _remember(what, fresh)
    return answers | fresh


def _remember(what: str, answers: Mapping[Market, bytes]) -> None:
    if len(_seen) > _MOST_SEEN:
        _seen.clear()
    for market, answer in answers.items():
        if len(answer) <= _LONGEST_SEEN:
            _seen[_name(what, market)] = market.state, answer


def _name(what: str, market: Market) -> str:
    return f"warm:{what}:{market.symbol}"


def _read(names: Sequence[str]) -> list[bytes | None]:
    try:
        found: list[Any] = list(client().mget(names)) if names else []
    except (RedisError, OSError) as error:
        logger.warning("warm_not_read", error=str(error))
        return [None] * len(names)
    return found


def _write(answers: dict[str, bytes]) -> None:
    try:
        pipe = client().pipeline(transaction=False)
        for name, answer in answers.items():
            pipe.set(name, answer, ex=_KEEP_SECONDS)
        pipe.execute()
    except (RedisError, OSError) as error:
        logger.warning("warm_not_written", error=str(error))
