"""What the feed is told after a drain has committed: a frame for each book and account, one for the shard.

Frames are encoded once, here, and sent through Valkey to every process that serves sockets. They may be
lost: `first_seq`..`seq` and the checksum let a client notice, and a snapshot at `seq` lets it catch up. The
shard's frame comes last, and its positions have no gaps: whoever has seen them all has missed no account's.

All of this is after the commit: nobody's lock waits for it, and accounts that nobody listens to cost nothing.
Whoever begins to listen later reads a snapshot later still, which has the batch in it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

import orjson
import structlog
from redis.exceptions import RedisError
from tradeengine import Engine, codec
from tradeengine.codec import EngineEvent, Level

from accounts.models import LedgerKind
from accounts.services.posting import OpenAccount
from instruments.scaling import book_checksum, steps, text
from instruments.selectors import Rules
from orders.indicative import Indicative
from orders.models import Book, Phase, Side
from orders.rendering import fill_json, indicative_json, order_json, trade_json
from orders.services.projecting import Projection
from tradeplatform.common.times import rfc3339
from tradeplatform.common.valkey import account_channel, client

logger = structlog.get_logger(__name__)

_BUY = 1
CHECKSUM_LEVELS = 10
SHARDS_CHANNEL = "shards"
# Up to so many accounts, their frames are made without asking who listens.
_FEW = 8


@dataclass(frozen=True, slots=True)
class Step:
    """The commands of one batch, by their positions in the shard's journal."""

    shard_id: int
    first_position: int
    position: int


@dataclass(frozen=True, slots=True)
class Batch:
    """What was committed, as far as it is told.

    `before` are the books' rows before it; `balances` those of all its accounts, changed by it or not,
    because intake has reserved without telling anybody; `correlation_ids` those of the requests behind it,
    by the account whose orders they moved.
    """

    step: Step
    projection: Projection
    events: Sequence[EngineEvent]
    levels: Sequence[Level]
    engine: Engine
    before: Mapping[int, Book]
    balances: Sequence[OpenAccount]
    correlation_ids: Mapping[int, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Frame:
    """An encoded message and the Valkey channel it goes to."""

    channel: str
    body: bytes


def market_channel(symbol: str) -> str:
    """The Valkey channel of an instrument's public frames."""
    return f"md:{symbol}"


def tell(batch: Batch) -> None:
    """Send the frames of a committed batch in one round trip.

    Losing them is allowed: clients see the gap and resynchronise. So nothing is raised from here, and a frame
    that cannot be made stops no market.
    """
    try:
        publish(build(batch, listened=_listened(batch)))
    except (RedisError, OSError) as error:
        logger.warning("feed_lost", error=str(error))
    except Exception:
        logger.exception("feed_lost")


def build(batch: Batch, *, listened: Collection[int]) -> list[Frame]:
    """Encode the frames of one batch: of its books, of its accounts among the `listened`, of its shard."""
    return [
        *_market_frames(batch),
        *_account_frames(batch, listened),
        Frame(SHARDS_CHANNEL, orjson.dumps({"type": "shard", **asdict(batch.step)})),
    ]


def publish(frames: Sequence[Frame]) -> None:
    """Send frames in one round trip."""
    pipe = client().pipeline(transaction=False)
    for frame in frames:
        pipe.publish(frame.channel, frame.body)
    pipe.execute()


def _listened(batch: Batch) -> set[int]:
    """The accounts of the batch that somebody listens to; of a few, all: asking would cost more."""
    accounts = list({order.account_id for order in batch.projection.orders.values()})
    if len(accounts) <= _FEW:
        return set(accounts)
    counts = client().pubsub_numsub(*map(account_channel, accounts))
    return {account for account, (_channel, count) in zip(accounts, counts, strict=True) if count}


def checksum(engine: Engine, rules: Rules) -> int:
    """The CRC-32 of the book's ten best levels a side; see instruments.scaling.book_checksum."""
    price_unit = steps(rules.tick_size, Decimal(1).scaleb(-rules.price_decimals)) or 1
    quantity_unit = steps(rules.lot_size, Decimal(1).scaleb(-rules.quantity_decimals)) or 1
    sides: dict[int, list[tuple[int, int]]] = {1: [], 2: []}
    for level in codec.iter_levels(engine.depth(rules.id, CHECKSUM_LEVELS)):
        sides[int(level.side)].append((level.price * price_unit, level.quantity * quantity_unit))
    return book_checksum(asks=sides[2], bids=sides[1])


def _market_frames(batch: Batch) -> list[Frame]:
    projection, engine = batch.projection, batch.engine
    last_event = {event.instrument: event for event in batch.events}
    changed: dict[int, dict[str, list[list[str]]]] = {
        number: {"bids": [], "asks": []} for number in last_event
    }
    for level in batch.levels:
        rules = projection.rules[level.instrument]
        side = "bids" if int(level.side) == _BUY else "asks"
        changed[level.instrument][side].append(
            [
                text(rules.price(level.price), rules.price_decimals),
                text(rules.quantity(level.quantity), rules.quantity_decimals),
            ]
        )
    trades, takers = defaultdict(list), defaultdict(list)
    for trade in projection.trades:
        trades[trade.instrument_id].append(trade_json(trade, projection.rules[trade.instrument_id]))
        takers[trade.instrument_id].append((trade.buy if trade.taker_side == Side.BUY else trade.sell).id)
    frames = []
    for number, event in last_event.items():
        rules = projection.rules[number]
        body: dict[str, Any] = {
            "type": "market",
            "symbol": rules.symbol,
            "first_seq": batch.before[number].seq + 1,
            "seq": event.seq,
            "time": event.time,
            "checksum": checksum(engine, rules),
            **changed[number],
            "trades": trades[number],
            # The orders that came to others, one for each trade: for who puts together what one order took.
            "takers": takers[number],
        }
        if settled := projection.settled.get(number):
            body["status"] = settled.status.value
            body["auction_ends_at"] = settled.auction_ends_at and rfc3339(settled.auction_ends_at)
            body["phase"] = Phase(projection.phases[number]).name.lower()
        if engine.phase(number) == Phase.AUCTION:
            body["indicative"] = _indicative(engine, rules)
        frames.append(Frame(market_channel(rules.symbol), orjson.dumps(body)))
    return frames


def _indicative(engine: Engine, rules: Rules) -> dict[str, str] | None:
    """What the auction would do now, if bids and asks cross."""
    price, lots, surplus = engine.indicative(rules.id)
    if not price:
        return None
    found = Indicative(rules.price(price), rules.quantity(lots), rules.quantity(surplus))
    return indicative_json(found, rules)


def _account_frames(batch: Batch, listened: Collection[int]) -> list[Frame]:
    projection = batch.projection
    bodies: dict[int, dict[str, Any]] = {}

    def body_of(account_id: int) -> dict[str, Any]:
        empty = {
            "type": "account",
            "account": account_id,
            "shard": batch.step.shard_id,
            "position": batch.step.position,
            "correlation_ids": batch.correlation_ids.get(account_id, []),
            "orders": [],
            "fills": [],
            "balances": [],
        }
        return bodies.setdefault(account_id, empty)

    for order in projection.orders.values():
        if order.touched and order.account_id in listened:
            rules = projection.rules[order.instrument_id]
            body_of(order.account_id)["orders"].append(order_json(order, rules))
    for fill in projection.fills:
        if fill.order.account_id not in listened:
            continue
        rules = projection.rules[fill.order.instrument_id]
        body_of(fill.order.account_id)["fills"].append(fill_json(fill, rules))
    assets = _assets(projection.rules.values())
    for row in batch.balances:
        if row.kind == LedgerKind.CLIENT and row.account_id is not None and row.account_id in listened:
            code, decimals = assets[row.asset_id]
            body_of(row.account_id)["balances"].append(
                {
                    "asset": code,
                    "balance": text(row.balance, decimals),
                    "held": text(row.held, decimals),
                    "available": text(row.available, decimals),
                }
            )
    return [Frame(account_channel(number), orjson.dumps(body)) for number, body in bodies.items()]


def _assets(markets: Iterable[Rules]) -> dict[int, tuple[str, int]]:
    """(code, decimals) of the assets that these markets exchange, by id."""
    assets = {}
    for rules in markets:
        assets[rules.base_id] = (rules.base_code, rules.base_decimals)
        assets[rules.quote_id] = (rules.quote_code, rules.quote_decimals)
    return assets
