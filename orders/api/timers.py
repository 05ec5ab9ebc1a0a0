"""Doors to an account's cancel timers, its dead man's switches."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.callers import actor_of, reach_of
from accounts.models import Scope
from accounts.selectors import require_own_account
from orders.models import CancelTimer, TimerKind
from orders.rendering import timer_json
from orders.services.cancel_timers import LONGEST_SECONDS, set_cancel_after
from tradeplatform.common.api_input import StrictSerializer, TextField, WholeNumberField, parse
from tradeplatform.common.api_shapes import list_of


class CancelAfterInput(StrictSerializer):
    """How long from now."""

    seconds = WholeNumberField(
        max_value=LONGEST_SECONDS, help_text="0 takes the timer off; else at least what you need to renew it."
    )
    symbol = TextField(
        required=False,
        allow_null=True,
        max_length=64,
        help_text="Only the orders in this instrument, by a timer of its own. Leave it out for all.",
    )


class CancelTimerShape(serializers.Serializer[Any]):
    """When the orders of an account are cancelled, unless the timer is renewed before."""

    account = serializers.IntegerField()
    kind = serializers.ChoiceField(
        choices=TimerKind.choices,
        help_text="cancel_after: renewed by your calls. disconnect: by the open sockets that asked for it.",
    )
    symbol = serializers.CharField(allow_null=True, help_text="null: the orders in every instrument.")
    seconds = serializers.IntegerField(help_text="From a renewal until it is due; 0: it is off.")
    due_at = serializers.DateTimeField(allow_null=True, help_text="null: it is off.")
    fired_at = serializers.DateTimeField(
        allow_null=True, help_text="When it last cancelled orders; it was off from then on."
    )


class CancelAfterView(APIView):
    """GET, POST /accounts/{account}/cancel-after."""

    key_scope = Scope.TRADE

    @extend_schema(operation_id="cancel_after_list", tags=["orders"], responses=list_of(CancelTimerShape))
    def get(self, request: Request, account: int) -> Response:
        """The account's cancel timers: those that run, and those that were taken off or have fired."""
        require_own_account(reach_of(request), account)
        timers = CancelTimer.objects.filter(account_id=account).select_related("instrument").order_by("id")
        return Response({"results": [timer_json(timer) for timer in timers]})

    @extend_schema(
        operation_id="cancel_after_set",
        tags=["orders"],
        request=CancelAfterInput,
        responses={200: CancelTimerShape},
        examples=[OpenApiExample("A minute", value={"seconds": 60}, request_only=True)],
    )
    def post(self, request: Request, account: int) -> Response:
        """Cancel the account's orders in so many seconds, unless this is called again before.

        Each call begins anew. The timer fires once, within about a second of `due_at`, whatever became of
        you or of our servers meanwhile; orders placed after that stay. `fired_at` in the answer tells
        whether it fired before you renewed it.
        """
        given = parse(CancelAfterInput, request.data)
        require_own_account(reach_of(request), account)
        timer = set_cancel_after(
            account_id=account,
            symbol=given.get("symbol"),
            seconds=given["seconds"],
            actor=actor_of(request),
            now=timezone.now(),
        )
        return Response(timer_json(timer))
