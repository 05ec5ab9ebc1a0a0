"""How orders, trades and fills look outside: the same shape in the API and in the feed.

Numbers are fixed-point text: prices and quantities at the instrument's precision, money at the asset's.
Times are RFC 3339 with microseconds. No other client's account or order is ever in a public shape.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from instruments.scaling import text
from instruments.selectors import Rules
from orders.models import Fill, Order, Side, Trade
from tradeplatform.common.times import rfc3339

if TYPE_CHECKING:
    from orders.services.order_state import OrderState
    from orders.services.projecting import FillRow, TradeRow


def order_json(order: Order | OrderState, rules: Rules) -> dict[str, Any]:
    """An order as its owner sees it."""
    average = order.filled_notional / order.filled if order.filled else None
    return {
        "id": str(order.id),
        "client_order_id": order.client_order_id,
        "account": order.account_id,
        "symbol": rules.symbol,
        "side": str(order.side),
        "type": str(order.type),
        "time_in_force": str(order.time_in_force),
        "price": _price(order.price, rules),
        "protection_price": _price(order.protection_price, rules),
        "quantity": text(order.quantity, rules.quantity_decimals),
        "filled": text(order.filled, rules.quantity_decimals),
        "leaves": text(order.leaves, rules.quantity_decimals),
        "prevented": text(order.prevented, rules.quantity_decimals),
        "average_price": None if average is None else text(average, rules.price_decimals + 4),
        "filled_notional": text(order.filled_notional, rules.quote_decimals),
        "held": text(order.held, rules.quote_decimals if order.side == Side.BUY else rules.base_decimals),
        "status": str(order.status),
        "reason": order.reason,
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
        "taker_side": str(trade.taker_side),
        "time": rfc3339(trade.at),
    }


def fill_json(fill: FillRow, rules: Rules) -> dict[str, Any]:
    """A fill as its owner sees it in the feed."""
    return fill_shape(
        trade_id=fill.trade.id,
        order_id=fill.order.id,
        account_id=fill.order.account_id,
        side=str(fill.order.side),
        liquidity=str(fill.liquidity),
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


def _price(price: Decimal | None, rules: Rules) -> str | None:
    return None if price is None else text(price, rules.price_decimals)
