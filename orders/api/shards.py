"""A door to the state of the shards, for operators."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.callers import require_right
from orders.models import Phase, ShardStatus
from orders.rendering import shard_json
from orders.shard_selectors import CAP, shard_states
from tradeplatform.common.api_shapes import list_of


class ShardBookShape(serializers.Serializer[Any]):
    """How far a book's events have come."""

    symbol = serializers.CharField()
    phase = serializers.ChoiceField(choices=[phase.name.lower() for phase in Phase])
    seq = serializers.IntegerField(help_text="Events so far; they have no gaps.")
    state_hash = serializers.CharField(help_text="The engine's hash of the book at seq. Empty: no event yet.")
    last_event_at = serializers.DateTimeField(allow_null=True)


class ShardShape(serializers.Serializer[Any]):
    """A set of books with one writer, as of its last commit."""

    id = serializers.IntegerField()
    status = serializers.ChoiceField(choices=ShardStatus.choices)
    stop_reason = serializers.CharField(help_text="Why it is stopped; empty while it runs.")
    leader = serializers.CharField(help_text="The process that owns it: host, process id, a random word.")
    epoch = serializers.IntegerField(help_text="Rises with each change of leader.")
    taken_at = serializers.DateTimeField(allow_null=True, help_text="When the leader took it over.")
    position = serializers.IntegerField(help_text="Commands applied so far.")
    drained_at = serializers.DateTimeField(allow_null=True, help_text="When it last applied a command.")
    waiting = serializers.IntegerField(help_text=f"Commands that wait, counted to {CAP + 1}.")
    lag_seconds = serializers.FloatField(help_text="How long the oldest waiting command has waited.")
    books = ShardBookShape(many=True)


class ShardsView(APIView):
    """GET /system/shards."""

    key_scope = None

    @extend_schema(operation_id="system_shards", tags=["system"], responses=list_of(ShardShape))
    def get(self, request: Request) -> Response:
        """Where each shard stands. For operators whose role may view shards."""
        require_right(request, "orders.view_shard")
        now = timezone.now()
        return Response({"results": [shard_json(state, now) for state in shard_states()]})
