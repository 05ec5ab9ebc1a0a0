"""The shapes of what the order and market doors answer; orders/rendering.py makes the answers themselves."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from orders.models import (
    EventKind,
    Link,
    Liquidity,
    OrderStatus,
    OrderType,
    Side,
    StpMode,
    TimeInForce,
    TriggerBy,
)
from orders.services.requests import ListKind
from tradeplatform.common.api_shapes import DecimalText, DecimalTextOrNull, IdText, ProblemShape

EVENT_KINDS = [(kind.name.lower(), kind.label) for kind in EventKind]
WAITS_FOR = [("trigger", "trigger"), ("parent", "parent")]
LIST_KINDS = [(kind.value, kind.value) for kind in ListKind]


class OrderShape(serializers.Serializer[Any]):
    """An order: quantity = filled + leaves + prevented + what was cancelled.

    Where an order is for a `quote_quantity`, its quantity is what it has filled. The leaves of an `attached`
    order are what its parent has filled.
    """

    id = IdText()
    client_order_id = serializers.CharField()
    account = serializers.IntegerField()
    symbol = serializers.CharField()
    side = serializers.ChoiceField(choices=Side.choices)
    type = serializers.ChoiceField(choices=OrderType.choices)
    time_in_force = serializers.ChoiceField(choices=TimeInForce.choices)
    post_only = serializers.BooleanField()
    stp_mode = serializers.ChoiceField(choices=StpMode.choices)
    price = DecimalTextOrNull(help_text="The limit; null for an order that trades at market.")
    protection_price = DecimalTextOrNull(
        help_text="The worst price at which an order may trade that trades at market."
    )
    quantity = DecimalText()
    filled = DecimalText()
    leaves = DecimalText(help_text="Still open.")
    prevented = DecimalText(
        help_text="Taken off, and so never to trade: by self-trade prevention, or of a reduce_only order "
        "what went beyond the position when it was placed."
    )
    average_price = DecimalTextOrNull(help_text="null before the first fill.")
    filled_notional = DecimalText()
    held = DecimalText(
        help_text="Reserved for it: of the quote asset for a buy, of the base asset for a sell."
    )
    status = serializers.ChoiceField(
        choices=OrderStatus.choices,
        help_text="`pending`: accepted and stored, not yet seen by the book. `waiting`: for its parent. "
        "`pending_trigger`: for its trigger price.",
    )
    reason = serializers.CharField(help_text="Why it ended, where it was not filled; else empty.")
    trigger_price = DecimalTextOrNull(help_text="Where it goes live; of a trailing stop: where it is now.")
    trigger_by = serializers.ChoiceField(choices=TriggerBy.choices, allow_null=True)
    triggered_at = serializers.DateTimeField(allow_null=True)
    trail_amount = DecimalTextOrNull()
    trail_percent = DecimalTextOrNull()
    trail_step = DecimalTextOrNull()
    display_quantity = DecimalTextOrNull(help_text="The slice it shows; 0: hidden; null: all of it.")
    min_quantity = DecimalTextOrNull()
    quote_quantity = DecimalTextOrNull()
    reduce_only = serializers.BooleanField()
    expires_at = serializers.DateTimeField(allow_null=True)
    link = serializers.ChoiceField(
        choices=Link.choices, allow_null=True, help_text="How it depends on the others of its list."
    )
    parent = IdText(  # type: ignore[assignment]  # a name that serializers give to something else
        allow_null=True, help_text="The order whose fills it waits for."
    )
    partner = IdText(allow_null=True, help_text="The order that ends with it; null once it has fills.")
    list_id = IdText(allow_null=True, help_text="The list it was placed in.")
    seq = serializers.IntegerField(help_text="The book's seq at the last event that changed it.")
    created_at = serializers.DateTimeField()


class HoldShape(serializers.Serializer[Any]):
    """What would be held while the order lives, and what there is of it now."""

    asset = serializers.CharField()
    amount = DecimalText()
    available = DecimalText()


class TakenShape(serializers.Serializer[Any]):
    """What would trade at once."""

    quantity = DecimalText()
    average_price = DecimalTextOrNull()
    notional = DecimalText(help_text="In the quote asset, as all below.")
    fee = DecimalText(help_text="As a taker.")


class RestShape(serializers.Serializer[Any]):
    """What would wait: in the book, or for its trigger."""

    quantity = DecimalText()
    fee = DecimalText(help_text="If it is filled at its price (triggered: at its trigger price).")


class ForecastShape(serializers.Serializer[Any]):
    """What an order would do, were it placed now."""

    account = serializers.IntegerField()
    symbol = serializers.CharField()
    side = serializers.ChoiceField(choices=Side.choices)
    type = serializers.ChoiceField(choices=OrderType.choices)
    time_in_force = serializers.ChoiceField(choices=TimeInForce.choices)
    hold = HoldShape()
    taken = TakenShape()
    rest = RestShape()
    reason = serializers.CharField(
        help_text="What the book would say where it would not do all that is asked; else empty."
    )
    duplicate_of = IdText(
        allow_null=True, help_text="The order that was placed with this client_order_id: it stays as it is."
    )
    seq = serializers.IntegerField(help_text="The seq of the book that was looked at.")


class ListShape(serializers.Serializer[Any]):
    """Orders that depend on each other, in the order of the request."""

    id = IdText(help_text="GET /orders?list=... and DELETE /orders?list=... know the list by it.")
    kind = serializers.ChoiceField(choices=LIST_KINDS)
    orders = OrderShape(many=True)


class BatchItemShape(serializers.Serializer[Any]):
    """What became of one order of a batch: `order` where it was accepted, `error` where it was refused."""

    status = serializers.IntegerField(help_text="The status it would have been answered with alone.")
    order = OrderShape(required=False)
    error = ProblemShape(required=False)


class BatchShape(serializers.Serializer[Any]):
    """Outcomes in the order of the request."""

    accepted = serializers.IntegerField()
    denied = serializers.IntegerField()
    results = BatchItemShape(many=True)


class CancelledShape(serializers.Serializer[Any]):
    """An order that was asked to be cancelled, as it stands now."""

    id = IdText()
    client_order_id = serializers.CharField()
    symbol = serializers.CharField()
    status = serializers.ChoiceField(choices=OrderStatus.choices)


class EventShape(serializers.Serializer[Any]):
    """One step in an order's life."""

    id = IdText()
    seq = serializers.IntegerField(help_text="Place in the book's history, without gaps over all its orders.")
    time = serializers.DateTimeField()
    kind = serializers.ChoiceField(choices=EVENT_KINDS)
    reason = serializers.CharField(allow_null=True)
    waits_for = serializers.ChoiceField(
        choices=WAITS_FOR,
        allow_null=True,
        help_text="What the order waits for from then on, out of the book's sight; null: nothing.",
    )
    price = DecimalTextOrNull(
        help_text="Of a trade, its own. Else the order's limit or, if it trades at market, its protection "
        "price; of `trailed` the trigger's."
    )
    trigger_price = DecimalTextOrNull(
        help_text="Of `accepted`, the trigger that the order came with; of `trailed`, the one it has now."
    )
    quantity = DecimalText()
    leaves = DecimalText(help_text="Open after it.")
    liquidity = serializers.ChoiceField(choices=Liquidity.choices, allow_null=True, help_text="On a trade.")
    trade_id = IdText(allow_null=True)


class FillShape(serializers.Serializer[Any]):
    """Your side of a trade."""

    trade_id = IdText()
    order_id = IdText()
    account = serializers.IntegerField()
    symbol = serializers.CharField()
    side = serializers.ChoiceField(choices=Side.choices)
    liquidity = serializers.ChoiceField(choices=Liquidity.choices)
    price = DecimalText()
    quantity = DecimalText()
    fee = DecimalText()
    fee_asset = serializers.CharField()
    time = serializers.DateTimeField()


class TradeShape(serializers.Serializer[Any]):
    """A trade as everybody sees it."""

    id = IdText()
    symbol = serializers.CharField()
    seq = serializers.IntegerField()
    price = DecimalText()
    quantity = DecimalText()
    taker_side = serializers.ChoiceField(choices=Side.choices)
    time = serializers.DateTimeField()
