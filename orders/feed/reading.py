"""What the feed reads from the database, each in one snapshot."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import InterfaceError, OperationalError
from django.utils import timezone

from accounts.selectors import balances_of
from instruments.models import Instrument
from instruments.scaling import text
from instruments.selectors import Rules, rules_by_id, rules_by_symbol
from orders.feed.lanes import Lane
from orders.feed.mirror import Level
from orders.feed.protocol import Channel
from orders.indicative import indicative
from orders.market.intervals import Interval
from orders.market.models import AlertState, PriceAlert
from orders.market.rendering import alert_json
from orders.market.selectors import Candle, candles, traded_candles
from orders.models import Fill, Order, Phase, Shard, Trade
from orders.rendering import indicative_json, order_json, stored_fill_json, trade_json
from orders.selectors import book_of, depth
from orders.trade_selectors import Span, trades_of
from tradeplatform.common.db import one_snapshot
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.times import rfc3339

RECENT_TRADES = 50
RECENT_FILLS = 100
MAX_ORDERS = 1_000
MAX_ALERTS = 1_000
RECENT_ALERTS = 100
MINUTES = 24 * 60
_WHOLE_BOOK = 2**31 - 1

#: Run a read in the feed's threads. Raises what it raises, and DATABASE_AWAY.
in_thread = Lane("feed-db", 4).run

# The database is away, for now.
DATABASE_AWAY = (OperationalError, InterfaceError)


@dataclass(frozen=True, slots=True)
class MarketRead:
    """A book at `seq`, the trades up to it, the instrument's status and what its auction would do."""

    seq: int
    bids: list[Level]
    asks: list[Level]
    trades: list[dict[str, Any]]
    status: str
    auction_ends_at: str | None
    indicative: dict[str, str] | None


@dataclass(frozen=True, slots=True)
class DayRead:
    """The minutes of the last 24 hours that had trades, up to the book's `seq`."""

    seq: int
    minutes: list[Candle]


@dataclass(frozen=True, slots=True)
class CandlesRead:
    """The last candles, oldest first, up to the book's `seq`."""

    seq: int
    candles: list[Candle]


@dataclass(frozen=True, slots=True)
class AccountRead:
    """What an account has, as of these positions of the shards."""

    positions: dict[int, int]
    found: dict[Channel, list[dict[str, Any]]]


def find_rules(symbol: str) -> Rules:
    """The instrument's rules. Raises Refusal unknown_symbol."""
    found = rules_by_symbol([symbol])
    if symbol not in found:
        raise Refusal(Code.UNKNOWN_SYMBOL, "No such instrument: see /api/v1/instruments.", symbol=symbol)
    return found[symbol]


def read_market(rules: Rules) -> MarketRead:
    """The whole book and what belongs to it."""
    with one_snapshot():
        book = depth(rules, limit=_WHOLE_BOOK)
        trades = list(Trade.objects.filter(instrument_id=rules.id).order_by("-id")[:RECENT_TRADES])
        stored = Instrument.objects.only("status", "auction_ends_at").get(id=rules.id)
        found = book_of(rules.id)
        auction = found is not None and found.phase == Phase.AUCTION
        outcome = indicative(rules) if auction else None
    return MarketRead(
        seq=book.seq,
        bids=_printed(book.bids, rules),
        asks=_printed(book.asks, rules),
        trades=[trade_json(trade, rules) for trade in reversed(trades)],
        status=stored.status,
        auction_ends_at=None if stored.auction_ends_at is None else rfc3339(stored.auction_ends_at),
        indicative=None if outcome is None else indicative_json(outcome, rules),
    )


def read_day(rules: Rules, *, now: datetime) -> DayRead:
    """The last 24 hours by the minute, the running one included."""
    with one_snapshot():
        book = book_of(rules.id)
        running = Interval.MINUTE.floor(now)
        since, until = (Interval.MINUTE.shift(running, count) for count in (1 - MINUTES, 1))
        minutes = traded_candles(rules, interval=Interval.MINUTE, since=since, until=until)
    return DayRead(seq=book.seq if book else 0, minutes=minutes)


def read_candles(rules: Rules, interval: Interval, *, now: datetime, limit: int) -> CandlesRead:
    """The last candles, the running one included."""
    with one_snapshot():
        book = book_of(rules.id)
        found = candles(rules, interval=interval, before=now, limit=limit, now=now)
    return CandlesRead(seq=book.seq if book else 0, candles=found)


def read_trades(rules: Rules, *, after: int, limit: int) -> list[Trade]:
    """The first trades of a book after its seq `after`, oldest first."""
    return trades_of(rules.id, Span(from_id=trade_id(rules, after + 1)), limit=limit)


def trade_id(rules: Rules, seq: int) -> int:
    """The id of the trade that was the book's event `seq`."""
    return (rules.id << 40) + seq


def read_account(account_id: int, channels: Iterable[Channel]) -> AccountRead:
    """What the channels have to say of an account so far, oldest first."""
    with one_snapshot():
        positions = read_positions()
        found = {channel: _READS[channel](account_id) for channel in channels}
    return AccountRead(positions=positions, found=found)


def read_positions() -> dict[int, int]:
    """How far each shard has come."""
    return dict(Shard.objects.values_list("id", "position"))


def now() -> datetime:
    """The moment that the last 24 hours are counted back from."""
    return timezone.now()


def _orders(account_id: int) -> list[dict[str, Any]]:
    newest = list(Order.objects.live().for_account(account_id).order_by("-id")[:MAX_ORDERS])
    rules = rules_by_id(order.instrument_id for order in newest)
    return [order_json(order, rules[order.instrument_id]) for order in reversed(newest)]


def _fills(account_id: int) -> list[dict[str, Any]]:
    newest = list(Fill.objects.filter(account_id=account_id).order_by("-id")[:RECENT_FILLS])
    rules = rules_by_id(fill.instrument_id for fill in newest)
    return [stored_fill_json(fill, rules[fill.instrument_id]) for fill in reversed(newest)]


def _balances(account_id: int) -> list[dict[str, Any]]:
    rows = balances_of(account_id)
    return [
        {
            "asset": row.asset.code,
            "balance": text(row.balance, row.asset.decimals),
            "held": text(row.held, row.asset.decimals),
            "available": text(row.available, row.asset.decimals),
        }
        for row in rows
    ]


def _alerts(account_id: int) -> list[dict[str, Any]]:
    own = PriceAlert.objects.filter(account_id=account_id).order_by("-id")
    active = list(own.filter(state=AlertState.ACTIVE)[:MAX_ALERTS])
    fired = list(own.filter(state=AlertState.FIRED)[:RECENT_ALERTS])
    rules = rules_by_id(alert.instrument_id for alert in (*active, *fired))
    oldest_first = sorted([*active, *fired], key=lambda alert: alert.pk)
    return [alert_json(alert, rules[alert.instrument_id]) for alert in oldest_first]


_READS: dict[Channel, Callable[[int], list[dict[str, Any]]]] = {
    Channel.ORDERS: _orders,
    Channel.FILLS: _fills,
    Channel.BALANCES: _balances,
    Channel.ALERTS: _alerts,
}


def _printed(levels: Iterable[tuple[Any, Any]], rules: Rules) -> list[Level]:
    price_digits, quantity_digits = rules.price_decimals, rules.quantity_decimals
    return [(text(price, price_digits), text(quantity, quantity_digits)) for price, quantity in levels]
