"""Change an order: cancel it and place another, or take quantity off it in its place; or only try one."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any

from django.db import transaction
from django.utils import timezone

from instruments.selectors import require_rules
from orders.models import Source
from orders.selectors import load_orders
from orders.services.awaiting import MAX_WAIT_MS, await_commands, require_done
from orders.services.batching import amend_soon
from orders.services.intake import submit_order
from orders.services.requests import Changes
from tradeplatform.common.errors import Refusal
from tradeplatform.gateways.binance import errors, order_shapes, shapes
from tradeplatform.gateways.binance.errors import BinanceError
from tradeplatform.gateways.binance.keys import Security
from tradeplatform.gateways.binance.order_reading import ORDER, Reader
from tradeplatform.gateways.binance.orders import cancel_one, find, place_one
from tradeplatform.gateways.binance.parameters import Parameters, must
from tradeplatform.gateways.binance.refusals import DUPLICATE, NO_EFFECT, Asked, translated
from tradeplatform.gateways.binance.serving import Call, Later, endpoint


class Mode(StrEnum):
    """What becomes of the new order when the old one could not be cancelled."""

    STOP_ON_FAILURE = "STOP_ON_FAILURE"
    ALLOW_FAILURE = "ALLOW_FAILURE"


class Exceeded(StrEnum):
    """What becomes of the cancel when the account may not place another order."""

    DO_NOTHING = "DO_NOTHING"
    CANCEL_ONLY = "CANCEL_ONLY"


_FAILURE, _SUCCESS, _NOT_TRIED = "FAILURE", "SUCCESS", "NOT_ATTEMPTED"


@endpoint(
    *("cancelReplaceMode", "cancelNewClientOrderId", "cancelOrigClientOrderId", "cancelOrderId"),
    *("cancelRestrictions", "orderRateLimitExceededMode"),
    more=ORDER,
    security=Security.TRADE,
    asked=Asked.PLACE,
)
def cancel_replace(call: Call) -> dict[str, Any]:
    """POST /order/cancelReplace: the one, then the other, each with its own outcome."""
    rules = require_rules(call.parameters.symbol())
    name = "cancelReplaceMode"
    mode = must(call.parameters.word(name, Mode, errors.invalid(name)), name)
    name = "orderRateLimitExceededMode"
    exceeded = call.parameters.word(name, Exceeded, errors.invalid(name)) or Exceeded.DO_NOTHING
    reader = Reader(call.parameters, rules, call.account_id, call.name)
    order = reader.order()
    response = reader.response(order.type)
    if exceeded is Exceeded.DO_NOTHING:
        call.orders.require_room()
    cancelled = _outcome(
        lambda: cancel_one(call, rules, "cancelOrderId", "cancelOrigClientOrderId", "cancelNewClientOrderId"),
        Asked.CANCEL,
    )
    data: dict[str, Any] = {"cancelResult": _result(cancelled), "newOrderResult": _NOT_TRIED}
    data |= {"cancelResponse": _shown(cancelled), "newOrderResponse": None}
    if isinstance(cancelled, BinanceError) and mode is Mode.STOP_ON_FAILURE:
        raise errors.not_replaced(data)
    placed = _outcome(lambda: place_one(call, order, rules, response), Asked.PLACE)
    data |= {"newOrderResult": _result(placed), "newOrderResponse": _shown(placed)}
    failures = [one for one in (cancelled, placed) if isinstance(one, BinanceError)]
    if not failures:
        return data
    raise errors.half_replaced(data) if len(failures) == 1 else errors.not_replaced(data)


def _outcome(act: Callable[[], Later], asked: Asked) -> dict[str, Any] | BinanceError:
    """What is answered, or the error in its place. What is unknown is no outcome, and is raised."""
    try:
        shown: dict[str, Any] = act().finish()
    except Refusal as refusal:
        failed = translated(refusal, asked)
    except BinanceError as error:
        failed = error
    else:
        return shown
    if failed.code == errors.timed_out().code:
        raise failed
    return failed


def _result(outcome: dict[str, Any] | BinanceError) -> str:
    return _FAILURE if isinstance(outcome, BinanceError) else _SUCCESS


def _shown(outcome: dict[str, Any] | BinanceError) -> dict[str, Any]:
    return outcome.body() if isinstance(outcome, BinanceError) else outcome


@endpoint(
    *("symbol", "orderId", "origClientOrderId", "newClientOrderId", "newQty"),
    weight=4,
    security=Security.TRADE,
    asked=Asked.AMEND,
)
def amend_keep_priority(call: Call) -> dict[str, Any]:
    """PUT /order/amend/keepPriority: less quantity, the same place in the queue, and the same name."""
    rules = require_rules(call.parameters.symbol())
    quantity = must(call.parameters.decimal("newQty", digits=rules.base_decimals), "newQty")
    new_name = call.parameters.client_id("newClientOrderId")
    order = find(call, rules, "orderId", "origClientOrderId")
    if new_name not in {None, order.client_order_id}:
        raise errors.not_required("newClientOrderId")
    if quantity == order.quantity:
        raise errors.amend_rejected(NO_EFFECT)
    if quantity > order.quantity:
        raise errors.amend_rejected("Order amend (quantity increase) is not supported.")
    call.check_fresh()
    requested = amend_soon(
        order_id=order.pk,
        account_id=call.account_id,
        changes=Changes(quantity=quantity),
        actor=call.actor,
        source=Source.API,
    )
    if not await_commands([requested], wait_ms=MAX_WAIT_MS):
        raise errors.timed_out()
    require_done(requested)
    stored = load_orders([(order.pk, order.created_at)])[order.pk]
    return order_shapes.amended(stored, rules, call.clock)


def _test_weight(parameters: Parameters) -> int:
    return 20 if parameters.has("computeCommissionRates") else 1


@endpoint(
    "computeCommissionRates", more=ORDER, weight=_test_weight, security=Security.TRADE, asked=Asked.PLACE
)
def try_order(call: Call) -> dict[str, Any]:
    """POST /order/test: all that placing would refuse, funds included; then it is undone."""
    rules = require_rules(call.parameters.symbol())
    reader = Reader(call.parameters, rules, call.account_id, call.name)
    order, with_rates = reader.order(), call.parameters.flag("computeCommissionRates")
    reader.response(order.type)
    call.check_fresh()
    with transaction.atomic():
        accepted = submit_order(order=order, actor=call.actor, source=Source.API, now=timezone.now())
        transaction.set_rollback(True)
    if accepted.duplicate:
        raise errors.order_rejected(DUPLICATE)
    if not with_rates:
        return {}
    nothing = {"maker": shapes.ZERO, "taker": shapes.ZERO}
    return {
        "standardCommissionForOrder": {
            "maker": shapes.rate(rules.maker_fee),
            "taker": shapes.rate(rules.taker_fee),
        },
        "specialCommissionForOrder": nothing,
        "taxCommissionForOrder": nothing,
        "discount": NO_DISCOUNT,
    }


#: Fees are paid in the quote asset, and nothing makes them less.
NO_DISCOUNT = {
    "enabledForAccount": False,
    "enabledForSymbol": False,
    "discountAsset": "",
    "discount": shapes.ZERO,
}
