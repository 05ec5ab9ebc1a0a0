"""What the order doors take."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from orders.market_selectors import Interval
from orders.models import OrderStatus, OrderType, Side, StpMode, TimeInForce
from orders.services.awaiting import MAX_WAIT_MS
from orders.services.requests import NewOrder
from tradeplatform.common.api_input import (
    DecimalField,
    FlagField,
    PageQuery,
    StrictSerializer,
    TextField,
    WholeNumberField,
    WordField,
)

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


class WaitQuery(StrictSerializer):
    """How long the answer may wait for the book."""

    wait = WholeNumberField(
        max_value=MAX_WAIT_MS,
        default=1_000,
        help_text="Milliseconds to wait for the book before answering 202. The request is committed anyway.",
    )


class OrderInput(StrictSerializer):
    """A new order."""

    account = WholeNumberField(min_value=1, help_text="Id of one of your accounts.")
    symbol = TextField(max_length=64, allow_blank=True)
    side = WordField(Side)
    type = WordField(OrderType)
    quantity = DecimalField(help_text="Units of the base asset, a multiple of the instrument's lot_size.")
    price = DecimalField(
        required=False,
        allow_null=True,
        help_text="The limit, a multiple of tick_size; not for a market order.",
    )
    time_in_force = WordField(
        TimeInForce,
        required=False,
        allow_null=True,
        help_text="Default: gtc for limit, ioc for market orders.",
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


class CancelAllQuery(WaitQuery):
    """Whose orders to cancel, and where."""

    account = WholeNumberField(min_value=1)
    symbol = TextField(required=False, max_length=64, help_text="Leave it out for every instrument.")


class OrderListQuery(PageQuery):
    """Which orders to list."""

    account = WholeNumberField(min_value=1, required=False, help_text="Leave it out for all your accounts.")
    symbol = TextField(required=False, max_length=64)
    status = WordField(OrderStatus, required=False)
    open = FlagField(required=False, help_text="true: pending, open or partially filled; false: final.")


class FillListQuery(PageQuery):
    """Which fills to list."""

    account = WholeNumberField(min_value=1, required=False, help_text="Leave it out for all your accounts.")
    symbol = TextField(required=False, max_length=64)


class DepthQuery(StrictSerializer):
    """How much of the book."""

    limit = WholeNumberField(min_value=1, max_value=5_000, default=100, help_text="Levels a side.")


class TickersQuery(StrictSerializer):
    """Which tickers."""

    symbols = TextField(
        required=False, max_length=1_000, help_text="Symbols with commas between; leave it out for all."
    )


class CandlesQuery(StrictSerializer):
    """Which candles."""

    interval = WordField(Interval)
    limit = WholeNumberField(
        min_value=1,
        max_value=1_000,
        default=100,
        help_text="Intervals to look back, those without trades included.",
    )
    before = MomentField(
        required=False, help_text="The last candle is the one this moment falls in. Default: now."
    )


def new_order(given: dict[str, Any]) -> NewOrder:
    """The validated body of an order, as intake takes it."""
    return NewOrder(
        account_id=given["account"],
        symbol=given["symbol"],
        side=given["side"],
        type=given["type"],
        quantity=given["quantity"],
        price=given.get("price"),
        time_in_force=given.get("time_in_force"),
        post_only=given["post_only"],
        stp_mode=given["stp_mode"],
        client_order_id=given.get("client_order_id"),
    )
