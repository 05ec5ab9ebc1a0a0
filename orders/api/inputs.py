"""What the order doors take."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from orders.models import OrderStatus, OrderType, Side, StpMode, TimeInForce, TriggerBy
from orders.services.awaiting import MAX_WAIT_MS
from orders.services.conditions import clash
from orders.services.requests import ListKind, NewList, NewOrder
from tradeplatform.common.api_input import (
    DecimalField,
    FlagField,
    PageQuery,
    QueryFlagField,
    StrictSerializer,
    TextField,
    WholeNumberField,
    WordField,
    read,
)

USUAL_WAIT_MS = 1_000
_ACCOUNT = "Id of one of your accounts, as GET /accounts lists them."
_SYMBOL = "As GET /instruments lists them."
_ZONED = re.compile(r"T.*(Z|[+-][0-9]{2}:[0-9]{2})\Z", re.ASCII)
_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)


@extend_schema_field({"type": ["string", "null"], "pattern": "^[.A-Z:/a-z0-9_-]{1,36}$"})
class ClientOrderIdField(TextField):
    """Any text: intake judges it, so that every door gives the same refusal."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_blank=True, **kwargs)
        self.validators = []


class MomentField(serializers.DateTimeField):
    """A moment that arithmetic can start from."""

    def to_internal_value(self, value: Any) -> datetime:
        """Return the moment; before 1970 and after 8999 there is no market."""
        moment = super().to_internal_value(value)
        if not _FIRST <= moment < _LAST:
            raise ValidationError("There is no market at that time.")
        return moment


class ExpiryField(MomentField):
    """A moment that says its zone: what money depends on is not guessed."""

    def to_internal_value(self, value: Any) -> datetime:
        """Return the moment."""
        if not isinstance(value, str) or not _ZONED.search(value):
            raise ValidationError("Write a moment with its zone, such as 2030-01-31T12:00:00Z.")
        return super().to_internal_value(value)


class WaitQuery(StrictSerializer):
    """How long the answer may wait for the book."""

    wait = WholeNumberField(
        max_value=MAX_WAIT_MS,
        default=USUAL_WAIT_MS,
        help_text="Milliseconds to wait for the book before answering 202. The request is committed anyway.",
    )


class LegInput(StrictSerializer):
    """A new order without its account and symbol. Which fields go together is said with the types."""

    side = WordField(Side)
    type = WordField(
        OrderType,
        help_text="stop and trailing_stop sell when the price has fallen to the trigger (buy: risen), "
        "take_profit when it has risen (buy: fallen); then they trade at market, with _limit at a limit.",
    )
    quantity = DecimalField(
        required=False,
        allow_null=True,
        help_text="Units of the base asset, a multiple of the instrument's lot_size. Required but for "
        "quote_quantity.",
    )
    price = DecimalField(
        required=False,
        allow_null=True,
        help_text="The limit of limit, stop_limit and take_profit_limit orders, a multiple of tick_size. It "
        "must lie within the instrument's price_band of the price the order is expected to trade at: its "
        "trigger_price; without one, the price of the order whose fills it waits for; else the last trade.",
    )
    time_in_force = WordField(
        TimeInForce,
        required=False,
        allow_null=True,
        help_text="Default: ioc for market orders, gtc for all others.",
    )
    post_only = FlagField(default=False, help_text="Reject the order rather than let it take.")
    stp_mode = WordField(
        StpMode, default=StpMode.EXPIRE_TAKER, help_text="What happens where you would trade with yourself."
    )
    client_order_id = ClientOrderIdField(
        required=False,
        allow_null=True,
        help_text="Your own id, unique in the account for ever: the same order may be sent again with it.",
    )
    trigger_price = DecimalField(
        required=False,
        allow_null=True,
        help_text="Of stop and take_profit orders. Any price of the instrument, however far from the market; "
        "where it is reached already the order goes live at once.",
    )
    trigger_by = WordField(
        TriggerBy,
        required=False,
        allow_null=True,
        help_text="What the trigger watches: last trades (the default), or the best quote that the order "
        "would meet (buy: ask, sell: bid).",
    )
    trail_amount = DecimalField(
        required=False, allow_null=True, help_text="How far a trailing stop stays behind the best price."
    )
    trail_percent = DecimalField(
        required=False,
        allow_null=True,
        help_text="The same in percent, 0.01 to 99.99; instead of trail_amount.",
    )
    trail_step = DecimalField(
        required=False,
        allow_null=True,
        help_text="A trailing stop moves by multiples of this. Default: a tick.",
    )
    limit_offset = DecimalField(
        required=False,
        allow_null=True,
        help_text="How far the limit of a trailing_stop_limit lies beyond its stop; may be 0.",
    )
    display_quantity = DecimalField(
        required=False,
        allow_null=True,
        help_text="What the book shows of a resting limit order at a time; 0 hides it.",
    )
    min_quantity = DecimalField(
        required=False,
        allow_null=True,
        help_text="The order ends unless so much of it trades when it goes live.",
    )
    quote_quantity = DecimalField(
        required=False,
        allow_null=True,
        help_text="Of a market order, instead of quantity: trade for so much of the quote asset, rounded "
        "down to tick_size x lot_size; fees come on top.",
    )
    protection_price = DecimalField(
        required=False,
        allow_null=True,
        help_text="The worst price an order may trade at that trades at market. Default: the edge of the "
        "band around the trigger price or, without a trigger, around the price it is measured from (see "
        "price). What it cannot trade within it is cancelled with the reason price_protection: so ends a "
        "stop whose trigger the market has left behind by more than the band before it was placed.",
    )
    reduce_only = FlagField(
        default=False,
        help_text="Sell no more than what is available of the base asset when it is placed: what goes beyond "
        "is cut off, and the answer counts it as `prevented`.",
    )
    expires_at = ExpiryField(required=False, allow_null=True, help_text="When a gtd order ends.")


class OrderInput(LegInput):
    """A new order."""

    account = WholeNumberField(min_value=1, help_text=_ACCOUNT)
    symbol = TextField(max_length=64, allow_blank=True, help_text=_SYMBOL)


class ExitInput(StrictSerializer):
    """One of the two exits of a bracket: at market, or at a limit where a price is given."""

    trigger_price = DecimalField()
    price = DecimalField(required=False, allow_null=True)
    trigger_by = WordField(TriggerBy, required=False, allow_null=True)
    client_order_id = ClientOrderIdField(required=False, allow_null=True)


class FewField(serializers.ListField):
    """A list of which the length is looked at before anything in it: each item costs a serializer's run."""

    def to_internal_value(self, data: Any) -> list[Any]:
        """Return the validated items."""
        if isinstance(data, list) and self.max_length is not None and len(data) > self.max_length:
            raise serializers.ValidationError(f"At most {self.max_length} items.", code="max_length")
        return super().to_internal_value(data)


class ListInput(StrictSerializer):
    """Orders that depend on each other, taken or refused together."""

    account = WholeNumberField(min_value=1, help_text=_ACCOUNT)
    symbol = TextField(max_length=64, allow_blank=True, help_text=_SYMBOL)
    kind = WordField(
        ListKind,
        help_text="oco: two orders of one side and quantity, one of which ends the other. oto: an order, "
        "then one that goes live when it is filled, or two that are a pair. bracket: an entry and two exits.",
    )
    orders = FewField(child=LegInput(), min_length=1, max_length=3, help_text="Of a bracket: the entry.")
    take_profit = ExitInput(required=False, allow_null=True, help_text="Of a bracket.")
    stop_loss = ExitInput(required=False, allow_null=True, help_text="Of a bracket.")


@extend_schema_field(
    {"type": "array", "items": {"$ref": "#/components/schemas/OrderInput"}, "minItems": 1, "maxItems": 1_000}
)
class ItemsField(serializers.ListField):
    """A list whose items are judged one by one later."""


class BatchInput(StrictSerializer):
    """Up to 1,000 orders, each accepted or refused by itself."""

    orders = ItemsField(help_text="Each item is an OrderInput.")


class AmendInput(StrictSerializer):
    """What to change; what is left out stays."""

    price = DecimalField(required=False, allow_null=True)
    quantity = DecimalField(
        required=False, allow_null=True, help_text="The new total, what is filled already included."
    )
    trigger_price = DecimalField(
        required=False,
        allow_null=True,
        help_text="Of an order that waits for its trigger; not of a trailing one.",
    )


class Credential(StrEnum):
    """Which orders, by what they were placed with."""

    CURRENT = "current"


class CancelAllInput(StrictSerializer):
    """Whose orders to cancel, and which of them."""

    account = WholeNumberField(min_value=1, help_text=_ACCOUNT)
    symbol = TextField(required=False, max_length=64, help_text="Leave it out for every instrument.")
    side = WordField(Side, required=False)
    list = WholeNumberField(min_value=1, required=False, help_text="Only the orders of this list.")
    credential = WordField(
        Credential,
        required=False,
        help_text="current: only the orders placed in the session of this request's token. A session begins "
        "with a login, and every token renewed from it is of the same session.",
    )
    group = TextField(
        required=False,
        max_length=36,
        help_text="Only the orders of this group: those whose client_order_id begins with it and a slash.",
    )


class CancelAllQuery(CancelAllInput, WaitQuery):
    """Whose orders to cancel, and which of them."""


class OrderListQuery(PageQuery):
    """Which orders to list."""

    account = WholeNumberField(min_value=1, required=False, help_text="Leave it out for all your accounts.")
    symbol = TextField(required=False, max_length=64)
    status = WordField(OrderStatus, required=False)
    open = QueryFlagField(required=False, help_text="true: everything that is not final; false: final.")
    list = WholeNumberField(min_value=1, required=False, help_text="Only the orders of this list.")


class FillListQuery(PageQuery):
    """Which fills to list."""

    account = WholeNumberField(min_value=1, required=False, help_text="Leave it out for all your accounts.")
    symbol = TextField(required=False, max_length=64)


_LEG_FIELDS = (
    "side", "type", "quantity", "price", "time_in_force", "post_only", "stp_mode", "client_order_id",
    "trigger_price", "trigger_by", "trail_amount", "trail_percent", "trail_step", "limit_offset",
    "display_quantity", "min_quantity", "quote_quantity", "protection_price", "reduce_only", "expires_at",
)  # fmt: skip


#: Made once: making one costs more than reading an order with it does.
_ORDER = OrderInput()


def read_order(data: Any) -> NewOrder:
    """The body of an order, as intake takes it. Raises Refusal, as `parse` does."""
    return new_order(read(_ORDER, data))


def new_order(given: dict[str, Any]) -> NewOrder:
    """The validated body of an order, as intake takes it."""
    return _leg(given, account_id=given["account"], symbol=given["symbol"])


def new_list(given: dict[str, Any]) -> NewList:
    """The validated body of a list. Raises invalid_combination where exits are missing or too many."""
    where = {"account_id": given["account"], "symbol": given["symbol"]}
    orders = [_leg(leg, **where) for leg in given["orders"]]
    exits = {name: given.get(name) for name in ("take_profit", "stop_loss")}
    if given["kind"] != ListKind.BRACKET:
        if any(exits.values()):
            raise clash("take_profit and stop_loss go with a bracket.", "kind", *exits)
    elif len(orders) != 1 or not all(exits.values()):
        raise clash("A bracket has one order, a take_profit and a stop_loss.", "orders", *exits)
    else:
        entry = orders[0]
        orders += [
            _exit(entry, exits["take_profit"], OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT),
            _exit(entry, exits["stop_loss"], OrderType.STOP, OrderType.STOP_LIMIT),
        ]
    return NewList(kind=given["kind"], orders=orders)


def _leg(given: dict[str, Any], **where: Any) -> NewOrder:
    return NewOrder(**where, **{name: given[name] for name in _LEG_FIELDS if name in given})


def _exit(entry: NewOrder, given: Any, at_market: OrderType, at_limit: OrderType) -> NewOrder:
    return NewOrder(
        account_id=entry.account_id,
        symbol=entry.symbol,
        side=Side.SELL if entry.side == Side.BUY else Side.BUY,
        type=at_market if given.get("price") is None else at_limit,
        quantity=entry.quantity,
        price=given.get("price"),
        stp_mode=entry.stp_mode,
        client_order_id=given.get("client_order_id"),
        trigger_price=given["trigger_price"],
        trigger_by=given.get("trigger_by"),
    )
