"""Doors to the kill switch, for those who may press it: sessions of staff, never an API key."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.callers import actor_of, require_right
from orders.approvals import RIGHT as RELEASE
from orders.kill_selectors import act_json, not_open, reach_of, reaches_of
from orders.models import ShardStatus
from orders.services import kill_switch
from risk.models import KillScope, KillStage
from risk.services.kill_switch import find_target
from tradeplatform.common.api_input import FlagField, StrictSerializer, TextField, parse
from tradeplatform.common.api_shapes import list_of

_LOOK, _STOP = "risk.view_killswitch", "risk.stop_killswitch"
# A worker takes it up in milliseconds; the rest is told by the list.
_PATIENCE = 5.0


class StopInput(StrictSerializer):
    """What to stop, and why."""

    scope = serializers.ChoiceField(choices=KillScope.choices)
    name = TextField(
        required=False,
        max_length=150,
        help_text="A symbol, an account number, a group's name, an API key's id; left out of global.",
    )
    reason = TextField(max_length=500, help_text="Recorded.")
    keep_orders = FlagField(default=False, help_text="Refuse new orders and amends alone; what rests stays.")


class ReleaseInput(StrictSerializer):
    """Why, and under which name of yours: sent again it is the same request."""

    reason = TextField(max_length=500, help_text="Recorded.")
    request_id = TextField(max_length=64)


class KillShardShape(serializers.Serializer[Any]):
    """Where a press took effect."""

    shard = serializers.IntegerField()
    status = serializers.ChoiceField(choices=ShardStatus.choices)
    position = serializers.IntegerField(
        allow_null=True, help_text="From here on nothing of the scope trades; null: it is still due."
    )
    in_effect_at = serializers.DateTimeField(allow_null=True)
    milliseconds = serializers.FloatField(allow_null=True, help_text="Since the press.")
    cancelled = serializers.IntegerField(help_text="Orders that were in the book.")
    refused = serializers.IntegerField(help_text="Orders and amends that had been accepted and waited.")


class KillShape(serializers.Serializer[Any]):
    """A scope that is not open, by its last press."""

    switch = serializers.IntegerField()
    act = serializers.IntegerField()
    scope = serializers.ChoiceField(choices=KillScope.choices)
    name = serializers.CharField()
    stage = serializers.ChoiceField(choices=KillStage.choices)
    pressed_at = serializers.DateTimeField()
    by = serializers.CharField()
    reason = serializers.CharField()
    press_to_last_effect_ms = serializers.FloatField(
        allow_null=True, help_text="null while it is due on a shard."
    )
    shards = KillShardShape(many=True)


class ReleaseShape(serializers.Serializer[Any]):
    """A step of a release that waits for another person."""

    approval = serializers.IntegerField()
    switch = serializers.IntegerField()
    state = serializers.CharField()


class KillSwitchView(APIView):
    """GET, POST /kill-switch."""

    @extend_schema(operation_id="kill_switch_list", tags=["kill switch"], responses=list_of(KillShape))
    def get(self, request: Request) -> Response:
        """What is stopped, or open for limit orders only, the newest first. For staff."""
        require_right(request, _LOOK)
        acts = not_open()
        reaches = reaches_of(acts)
        return Response({"results": [act_json(act, reaches[act.pk]) for act in acts]})

    @extend_schema(
        operation_id="kill_switch_stop",
        tags=["kill switch"],
        request=StopInput,
        responses={200: KillShape},
        examples=[
            OpenApiExample(
                "An instrument",
                value={"scope": "instrument", "name": "BTCUSDT", "reason": "prices of another planet"},
                request_only=True,
            )
        ],
    )
    def post(self, request: Request) -> Response:
        """Stop a scope: its orders are cancelled, new ones refused with `killed`, cancels taken. For staff.

        Nobody has to agree. Pressed again it is the same press. The answer says where it has taken effect.
        """
        require_right(request, _STOP)
        given = parse(StopInput, request.data)
        pressed = kill_switch.press(
            target=find_target(KillScope(given["scope"]), given.get("name", "")),
            actor=actor_of(request),
            now=timezone.now(),
            reason=given["reason"],
            keep_orders=given["keep_orders"],
        )
        kill_switch.bring_into_effect(pressed.act, clock=timezone.now, patience=_PATIENCE)
        return Response(act_json(pressed.act, reach_of(pressed.act)))


class KillReleaseView(APIView):
    """POST /kill-switch/{switch}/release."""

    @extend_schema(
        operation_id="kill_switch_release",
        tags=["kill switch"],
        request=ReleaseInput,
        responses={202: ReleaseShape},
        examples=[
            OpenApiExample(
                "A step",
                value={"reason": "it was mended", "request_id": "release-1"},
                request_only=True,
            )
        ],
    )
    def post(self, request: Request, switch: int) -> Response:
        """Ask for the next step of a release (limit orders only, then open); another person has to agree.

        That is done in the back office. For staff.
        """
        require_right(request, RELEASE)
        given = parse(ReleaseInput, request.data)
        asked = kill_switch.ask_release(
            switch_id=switch,
            request_id=given["request_id"],
            actor=actor_of(request),
            now=timezone.now(),
            reason=given["reason"],
        )
        return Response({"approval": asked.pk, "switch": switch, "state": asked.state}, status=202)
