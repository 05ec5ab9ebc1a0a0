"""How orders, trades and fills look outside: the same shape in the API and in the feed.

Numbers are fixed-point text: prices and quantities at the instrument's precision, money at the asset's.
Times are RFC 3339 with microseconds. No other client's account or order is ever in a public shape.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tradeengine.codec import EventFlag

from instruments.scaling import book_checksum, text
from instruments.selectors import Rules
from orders.indicative import Indicative
from orders.models import Book, CancelTimer, Event, EventKind, Fill, Liquidity, Order, Phase, Side, Trade
from orders.selectors import Depth
from orders.services.engine_codes import REASON_WORD
from orders.services.journal import moment
from orders.shard_selectors import ShardState
from tradeplatform.common.times import rfc3339

if TYPE_CHECKING:
    from orders.services.forecasting import Forecast
    from orders.services.order_state import OrderState
    from orders.services.projecting import FillRow, TradeRow
    from orders.services.requests import NewOrder

# The kinds of event that say why.
_EXPLAINED = frozenset(
    {
        EventKind.REJECTED,
        EventKind.CANCELLED,
        EventKind.CANCEL_REJECTED,
        EventKind.AMEND_REJECTED,
        EventKind.REDUCED,
    }
)
# The kinds whose flags may say that the order is parked.
_PARKING = frozenset({EventKind.ACCEPTED, EventKind.ACTIVATED})


def order_json(order: Order | OrderState, rules: Rules) -> dict[str, Any]:
    """An order as its owner sees it."""
    average = order.filled_notional / order.filled if order.filled else None
    return {
        "id": str(order.id),
        "client_order_id": order.client_order_id,
        "account": order.account_id,
        "symbol": rules.symbol,
        "side": order.side,
        "type": order.type,
        "time_in_force": order.time_in_force,
        "post_only": order.post_only,
        "stp_mode": order.stp_mode,
        "price": _price(order.price, rules),
        "protection_price": _price(order.protection_price, rules),
        "quantity": text(order.quantity, rules.quantity_decimals),
        "filled": text(order.filled, rules.quantity_decimals),
        "leaves": text(order.leaves, rules.quantity_decimals),
        "prevented": text(order.prevented, rules.quantity_decimals),
        "average_price": None if average is None else text(average, rules.price_decimals + 4),
        "filled_notional": text(order.filled_notional, rules.quote_decimals),
        "held": text(order.held, rules.quote_decimals if order.side == Side.BUY else rules.base_decimals),
        "status": order.status,
        "reason": order.reason,
        "trigger_price": _price(order.trigger_price, rules),
        "trigger_by": order.trigger_by or None,
        "triggered_at": None if order.triggered_at is None else rfc3339(order.triggered_at),
        "trail_amount": _price(order.trail_amount, rules),
        "trail_percent": None if order.trail_bps is None else text(Decimal(order.trail_bps) / 100, 2),
        "trail_step": _price(order.trail_step, rules),
        "display_quantity": _quantity(order.display_quantity, rules),
        "min_quantity": _quantity(order.min_quantity, rules),
        "quote_quantity": None
        if order.quote_quantity is None
        else text(order.quote_quantity, rules.quote_decimals),
        "reduce_only": order.reduce_only,
        "expires_at": None if order.expires_at is None else rfc3339(order.expires_at),
        "link": order.link or None,
        "parent": _id(order.parent_id),
        "partner": _id(order.partner_id),
        "list_id": _id(order.list_id),
        "seq": order.last_seq,
        "created_at": rfc3339(order.created_at),
    }


def trade_json(trade: Trade | TradeRow, rules: Rules) -> dict[str, Any]:
    """A trade as everybody may see it."""
    return {
        "id": str(trade.id),
        "symbol": rules.symbol,
        "seq": trade.seq,
        "price": text(trade.price, rules.price_decimals),
        "quantity": text(trade.quantity, rules.quantity_decimals),
        "taker_side": trade.taker_side,
        "time": rfc3339(trade.at),
    }


def fill_json(fill: FillRow, rules: Rules) -> dict[str, Any]:
    """A fill as its owner sees it in the feed."""
    return fill_shape(
        trade_id=fill.trade.id,
        order_id=fill.order.id,
        account_id=fill.order.account_id,
        side=fill.order.side,
        liquidity=fill.liquidity,
        price=fill.trade.price,
        quantity=fill.trade.quantity,
        fee=fill.fee,
        at=fill.trade.at,
        rules=rules,
    )


def stored_fill_json(fill: Fill, rules: Rules) -> dict[str, Any]:
    """A fill as its owner sees it in the API."""
    return fill_shape(
        trade_id=fill.trade_id,
        order_id=fill.order_id,
        account_id=fill.account_id,
        side=fill.side,
        liquidity=fill.liquidity,
        price=fill.price,
        quantity=fill.quantity,
        fee=fill.fee,
        at=fill.at,
        rules=rules,
    )


def fill_shape(
    *,
    trade_id: int,
    order_id: int,
    account_id: int,
    side: str,
    liquidity: str,
    price: Decimal,
    quantity: Decimal,
    fee: Decimal,
    at: datetime,
    rules: Rules,
) -> dict[str, Any]:
    """The one shape of a fill."""
    return {
        "trade_id": str(trade_id),
        "order_id": str(order_id),
        "account": account_id,
        "symbol": rules.symbol,
        "side": side,
        "liquidity": liquidity,
        "price": text(price, rules.price_decimals),
        "quantity": text(quantity, rules.quantity_decimals),
        "fee": text(fee, rules.quote_decimals),
        "fee_asset": rules.quote_code,
        "time": rfc3339(at),
    }


def depth_json(depth: Depth, rules: Rules, *, limit: int) -> dict[str, Any]:
    """A book's `limit` best levels a side, and the checksum of its ten best (so `depth` must have ten)."""
    return {
        "symbol": rules.symbol,
        "seq": depth.seq,
        "bids": [_level(level, rules) for level in depth.bids[:limit]],
        "asks": [_level(level, rules) for level in depth.asks[:limit]],
        "checksum": book_checksum(asks=_digits(depth.asks, rules), bids=_digits(depth.bids, rules)),
    }


def forecast_json(found: Forecast, order: NewOrder) -> dict[str, Any]:
    """What an order would do."""
    rules, taken = found.rules, found.taken
    buy, quote = order.side == Side.BUY, rules.quote_decimals
    paid_with = rules.quote_decimals if buy else rules.base_decimals
    average = taken.notional / taken.quantity if taken.quantity else None
    return {
        "account": order.account_id,
        "symbol": rules.symbol,
        "side": order.side,
        "type": order.type,
        "time_in_force": found.time_in_force,
        "hold": {
            "asset": rules.quote_code if buy else rules.base_code,
            "amount": text(found.held, paid_with),
            "available": text(found.available, paid_with),
        },
        "taken": {
            "quantity": text(taken.quantity, rules.quantity_decimals),
            "average_price": None if average is None else text(average, rules.price_decimals + 4),
            "notional": text(taken.notional, quote),
            "fee": text(taken.fee, quote),
        },
        "rest": {
            "quantity": text(found.rest, rules.quantity_decimals),
            "fee": text(found.rest_fee, quote),
        },
        "reason": found.reason,
        "duplicate_of": None if found.duplicate_of is None else str(found.duplicate_of),
        "seq": found.seq,
    }


def indicative_json(found: Indicative, rules: Rules) -> dict[str, str]:
    """What an auction would do now: price, quantity, and how much more is bid than asked at that price."""
    return {
        "price": text(found.price, rules.price_decimals),
        "quantity": text(found.quantity, rules.quantity_decimals),
        "surplus": text(found.surplus, rules.quantity_decimals),
    }


def event_json(event: Event, order_id: int, rules: Rules, *, trigger_ticks: int = 0) -> dict[str, Any]:
    """An event as the owner of `order_id` sees it; the other side of a trade is nobody's business.

    `trigger_ticks` is the trigger price that the order came with, 0 for one without.
    """
    if event.kind == EventKind.TRAILED:
        trigger_ticks = event.price_ticks
    elif event.kind != EventKind.ACCEPTED:
        trigger_ticks = 0
    trade, taker = event.kind == EventKind.TRADE, event.order_id == order_id
    liquidity = Liquidity.TAKER if taker else Liquidity.MAKER
    return {
        "id": str(event.id),
        "seq": event.seq,
        "time": rfc3339(event.at),
        "kind": EventKind(event.kind).name.lower(),
        "reason": REASON_WORD[event.reason_code] if event.kind in _EXPLAINED else None,
        "waits_for": _waits_for(event),
        "price": _ticks(event.price_ticks, rules),
        "trigger_price": _ticks(trigger_ticks, rules),
        "quantity": text(rules.quantity(event.quantity_lots), rules.quantity_decimals),
        "leaves": text(
            rules.quantity(event.leaves_lots if taker else event.maker_leaves_lots), rules.quantity_decimals
        ),
        "liquidity": liquidity.value if trade else None,
        "trade_id": str(event.id) if trade else None,
    }


def _waits_for(event: Event) -> str | None:
    """What parks the order from this event on."""
    if event.kind not in _PARKING:
        return None
    if event.flags & EventFlag.WAITING:
        return "parent"
    return "trigger" if event.flags & EventFlag.ARMED else None


def _ticks(ticks: int, rules: Rules) -> str | None:
    return text(rules.price(ticks), rules.price_decimals) if ticks else None


def _level(level: tuple[Decimal, Decimal], rules: Rules) -> list[str]:
    price, quantity = level
    return [text(price, rules.price_decimals), text(quantity, rules.quantity_decimals)]


def _digits(levels: list[tuple[Decimal, Decimal]], rules: Rules) -> list[tuple[int, int]]:
    """Levels in units of the last printed digit, as the checksum counts them."""
    return [
        (int(price.scaleb(rules.price_decimals)), int(quantity.scaleb(rules.quantity_decimals)))
        for price, quantity in levels[:10]
    ]


def _id(number: int) -> str | None:
    return str(number) if number else None


def _quantity(quantity: Decimal | None, rules: Rules) -> str | None:
    return None if quantity is None else text(quantity, rules.quantity_decimals)


def _price(price: Decimal | None, rules: Rules) -> str | None:
    return None if price is None else text(price, rules.price_decimals)


def timer_json(timer: CancelTimer) -> dict[str, Any]:
    """A cancel timer as the account's owner sees it; `seconds` is 0 while it is off."""
    return {
        "account": timer.account_id,
        "kind": timer.kind,
        "symbol": None if timer.instrument is None else timer.instrument.symbol,
        "seconds": 0 if timer.due_at is None else timer.seconds,
        "due_at": timer.due_at and rfc3339(timer.due_at),
        "fired_at": timer.fired_at and rfc3339(timer.fired_at),
    }


def shard_json(state: ShardState, now: datetime) -> dict[str, Any]:
    """Where a shard stands, as an operator sees it."""
    shard = state.shard
    return {
        "id": shard.pk,
        "status": shard.status,
        "stop_reason": shard.stop_reason,
        "leader": shard.owner,
        "epoch": shard.epoch,
        "taken_at": shard.taken_at and rfc3339(shard.taken_at),
        "position": shard.position,
        "drained_at": shard.drained_at and rfc3339(shard.drained_at),
        "waiting": state.backlog.waiting,
        "lag_seconds": round(state.backlog.lag_seconds(now), 3),
        "books": [_shard_book(book) for book in state.books],
    }


def _shard_book(book: Book) -> dict[str, Any]:
    return {
        "symbol": book.instrument.symbol,
        "phase": Phase(book.phase).name.lower(),
        "seq": book.seq,
        "state_hash": book.state_hash,
        "last_event_at": rfc3339(moment(book.last_time)) if book.seq else None,
    }
