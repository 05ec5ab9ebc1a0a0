"""How orders, fills and lists look in this dialect; some fields stand only where they apply."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from instruments.selectors import Rules
from orders.models import (
    FINAL,
    Fill,
    Link,
    Liquidity,
    Order,
    OrderStatus,
    OrderType,
    Side,
    StpMode,
    event_id,
)
from orders.prevention_selectors import PreventedMatch
from tradeplatform.gateways.binance import shapes
from tradeplatform.gateways.binance.shapes import Clock
from tradeplatform.gateways.binance.words import (
    SIDE_WORD,
    STP_WORD,
    ResponseWord,
    status_word,
    time_word,
    type_word,
)

#: In place of the id of what is not there, and of the time of what has not come.
NOTHING = -1


def placed(
    order: Order, fills: Iterable[Fill], rules: Rules, clock: Clock, response: ResponseWord
) -> dict[str, Any]:
    """A new order after the book has seen it."""
    body = _named(order, rules) | {"transactTime": clock.time(order.updated_at)}
    if response is ResponseWord.ACK:
        return body
    body |= _state(order, rules) | {"workingTime": _working_time(order, clock)} | _prevention(order, rules)
    if response is ResponseWord.FULL:
        body["fills"] = [_part(fill, rules) for fill in fills]
    return body


def cancelled(order: Order, rules: Rules, clock: Clock, *, cancel_id: str) -> dict[str, Any]:
    """An order that was taken off the book; `cancel_id` names the request that wanted it.

    The other order of a pair, which ends with it, was cancelled by the same request.
    """
    ended = {"status": "CANCELED"} if order.status == OrderStatus.CANCELLED else {}
    return (
        _named(order, rules)
        | {
            "origClientOrderId": order.client_order_id,
            "clientOrderId": cancel_id,
            "transactTime": clock.time(order.updated_at),
        }
        | _state(order, rules)
        | ended
        | _prevention(order, rules)
    )


def looked_up(order: Order, rules: Rules, clock: Clock) -> dict[str, Any]:
    """An order as its owner finds it."""
    return (
        _named(order, rules)
        | {"stopPrice": shapes.ZERO, "icebergQty": shapes.ZERO}
        | _state(order, rules)
        | {
            "time": clock.time(order.created_at),
            "updateTime": clock.time(order.updated_at),
            "isWorking": _works(order),
            "workingTime": _working_time(order, clock),
        }
        | _prevention(order, rules)
    )


def amended(order: Order, rules: Rules, clock: Clock) -> dict[str, Any]:
    """An order with less quantity, in its old place; here an order keeps its name for ever."""
    state = _state(order, rules)
    body = _named(order, rules) | {
        "origClientOrderId": order.client_order_id,
        "price": state["price"],
        "qty": state["origQty"],
        "executedQty": state["executedQty"],
        "preventedQty": shapes.quantity(order.prevented, rules),
        "quoteOrderQty": state["origQuoteOrderQty"],
        "cumulativeQuoteQty": state["cummulativeQuoteQty"],
    }
    body |= {name: state[name] for name in ("status", "timeInForce", "type", "side")}
    body["workingTime"] = _working_time(order, clock)
    return {
        "transactTime": clock.time(order.updated_at),
        "executionId": event_id(order.instrument_id, order.last_seq),
        "amendedOrder": body | _prevention(order, rules),
    }


def my_trade(fill: Fill, rules: Rules, clock: Clock, list_id: int) -> dict[str, Any]:
    """One's own side of a trade."""
    return {
        "symbol": rules.symbol,
        "id": fill.trade_id,
        "orderId": fill.order_id,
        "orderListId": list_id or NOTHING,
        "price": shapes.price(fill.price, rules),
        "qty": shapes.quantity(fill.quantity, rules),
        "quoteQty": shapes.quote(fill.price * fill.quantity, rules),
        "commission": shapes.quote(fill.fee, rules),
        "commissionAsset": rules.quote_code,
        "time": clock.time(fill.at),
        "isBuyer": fill.side == Side.BUY,
        "isMaker": fill.liquidity == Liquidity.MAKER,
        "isBestMatch": True,
    }


def prevented_match(match: PreventedMatch, rules: Rules, clock: Clock) -> dict[str, Any]:
    """A meeting of two orders of one account or group that was no trade."""
    body: dict[str, Any] = {
        "symbol": rules.symbol,
        "preventedMatchId": match.id,
        "takerOrderId": match.taker_order_id,
        "makerSymbol": rules.symbol,
        "makerOrderId": match.maker_order_id or NOTHING,
        "tradeGroupId": match.stp_group or NOTHING,
        "selfTradePreventionMode": STP_WORD[StpMode(match.stp_mode)],
        "price": shapes.price(match.price, rules),
    }
    for name, lots in (
        ("makerPreventedQuantity", match.maker_lots),
        ("takerPreventedQuantity", match.taker_lots),
    ):
        if lots:
            body[name] = shapes.quantity(rules.quantity(lots), rules)
    return body | {"transactTime": clock.time(match.at)}


def order_list(orders: Sequence[Order], rules: Rules, clock: Clock) -> dict[str, Any]:
    """Orders that depend on each other, in order of id. The list is named as its first order is."""
    first = orders[0]
    done = all(order.status in FINAL for order in orders)
    contingency = "OCO" if all(order.link == Link.OCO for order in orders) else "OTO"
    return {
        "orderListId": first.list_id,
        "contingencyType": contingency,
        "listStatusType": "ALL_DONE" if done else "EXEC_STARTED",
        "listOrderStatus": "ALL_DONE" if done else "EXECUTING",
        "listClientOrderId": first.client_order_id,
        "transactionTime": clock.time(max(order.updated_at for order in orders)),
        "symbol": rules.symbol,
        "orders": [
            {"symbol": rules.symbol, "orderId": order.pk, "clientOrderId": order.client_order_id}
            for order in orders
        ],
    }


def _named(order: Order, rules: Rules) -> dict[str, Any]:
    return {
        "symbol": rules.symbol,
        "orderId": order.pk,
        "orderListId": order.list_id or NOTHING,
        "clientOrderId": order.client_order_id,
    }


def _state(order: Order, rules: Rules) -> dict[str, Any]:
    body: dict[str, Any] = {
        "price": shapes.price(order.price, rules),
        "origQty": shapes.quantity(order.quantity, rules),
        "executedQty": shapes.quantity(order.filled, rules),
        "origQuoteOrderQty": shapes.quote(order.quote_quantity, rules),
        "cummulativeQuoteQty": shapes.quote(order.filled_notional, rules),
        "status": status_word(order),
        "timeInForce": time_word(order),
        "type": type_word(order).value,
        "side": SIDE_WORD[Side(order.side)],
    }
    if order.trigger_price is not None:
        body["stopPrice"] = shapes.price(order.trigger_price, rules)
    if order.trail_bps is not None:
        body |= {"trailingDelta": order.trail_bps, "trailingTime": NOTHING}
    if order.display_quantity is not None:
        body["icebergQty"] = shapes.quantity(order.display_quantity, rules)
    return body


def _prevention(order: Order, rules: Rules) -> dict[str, Any]:
    body: dict[str, Any] = {"selfTradePreventionMode": STP_WORD[StpMode(order.stp_mode)]}
    if status_word(order) == "EXPIRED_IN_MATCH":
        body["preventedMatchId"] = event_id(order.instrument_id, order.last_seq)
        body["preventedQuantity"] = shapes.quantity(order.quantity - order.filled, rules)
    return body


def _works(order: Order) -> bool:
    """Whether it has come to the book: it waits for nothing any more."""
    if order.status == OrderStatus.WAITING:
        return False
    return not OrderType(order.type).is_triggered or order.triggered_at is not None


def _working_time(order: Order, clock: Clock) -> int:
    return clock.time(order.triggered_at or order.created_at) if _works(order) else NOTHING


def _part(fill: Fill, rules: Rules) -> dict[str, Any]:
    return {
        "price": shapes.price(fill.price, rules),
        "qty": shapes.quantity(fill.quantity, rules),
        "commission": shapes.quote(fill.fee, rules),
        "commissionAsset": rules.quote_code,
        "tradeId": fill.trade_id,
    }
