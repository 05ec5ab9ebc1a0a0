"""The door to an account's numbered events: what a client that was away missed."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.callers import reach_of
from accounts.models import DealKind
from accounts.selectors import require_own_account
from orders.api.shapes import EventShape, FillShape
from orders.models import PrivateKind, Side
from orders.private_selectors import private_events
from orders.services.private_events import number
from tradeplatform.common.api_input import StrictSerializer, WholeNumberField, parse
from tradeplatform.common.api_shapes import DecimalText, DecimalTextOrNull, IdText


class PrivateEventsQuery(StrictSerializer):
    """Where to read on."""

    after = WholeNumberField(default=0, help_text="The number of the last event that you have; 0 = none.")
    limit = WholeNumberField(min_value=1, max_value=1_000, default=100, help_text="Events of an answer.")


class OrderEventShape(EventShape):
    """One step in the life of one of your orders."""

    order_id = IdText()
    symbol = serializers.CharField()


class BalanceEventShape(serializers.Serializer[Any]):
    """What a balance is after its newest transfer; the ones between are in the ledger."""

    asset = serializers.CharField()
    balance = DecimalText()
    transfer_id = IdText()


class DealEventShape(serializers.Serializer[Any]):
    """A change of a leveraged position."""

    id = IdText()
    position_id = IdText()
    symbol = serializers.CharField()
    kind = serializers.ChoiceField(choices=DealKind.choices)
    side = serializers.ChoiceField(choices=Side.choices)
    volume = DecimalText()
    price = DecimalTextOrNull()
    pnl = DecimalText()
    commission = DecimalText()
    swap = DecimalText()


class PrivateEventShape(serializers.Serializer[Any]):
    """An event of the account, under a number that is its own for ever; three of the last four are null."""

    number = serializers.IntegerField(help_text="From 1, without gaps, in each account.")
    kind = serializers.ChoiceField(choices=PrivateKind.choices)
    time = serializers.DateTimeField()
    order = OrderEventShape(allow_null=True)
    fill = FillShape(allow_null=True)
    balance = BalanceEventShape(allow_null=True)
    deal = DealEventShape(allow_null=True)


class PrivateEventsShape(serializers.Serializer[Any]):
    """Some events, oldest first, and which there are."""

    first = serializers.IntegerField(help_text="The oldest number that can be asked for.")
    last = serializers.IntegerField(help_text="The newest number.")
    results = PrivateEventShape(many=True)


class PrivateEventsView(APIView):
    """GET /accounts/{account}/events."""

    @extend_schema(
        operation_id="private_events_list",
        tags=["orders"],
        parameters=[PrivateEventsQuery],
        responses=PrivateEventsShape,
    )
    def get(self, request: Request, account: int) -> Response:
        """The account's order events, fills, balances and deals after a number, oldest first.

        Numbering begins when they are first asked for, here or by the feed's channel `private`, which sends
        the same events under the same numbers. They are kept for 30 days; a number that is not there any
        more, or not yet, is refused (409) with what is there.
        """
        query = parse(PrivateEventsQuery, request.query_params)
        require_own_account(reach_of(request), account)
        number([account], now=timezone.now())
        page = private_events(account, after=query["after"], limit=query["limit"])
        return Response({"first": page.first, "last": page.last, "results": page.events})
