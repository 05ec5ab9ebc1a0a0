"""GET /system/shards: where each shard stands, as operators see it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Role
from orders.models import Shard, ShardStatus, Side
from tests.api.client import Api
from tests.factories import Market, make_user

pytestmark = pytest.mark.django_db


def test_an_operator_sees_leader_position_lag_and_every_books_hash(market: Market) -> None:
    market.buy(market.trader(), 1, 49000)
    market.drain()
    late = market.request(market.trader(), Side.BUY, 1, 49010)
    market.send(late, now=timezone.now() - timedelta(minutes=2))
    stored, book = Shard.objects.get(pk=market.shard.id), market.book()
    api = Api().sign_in(make_user(Role.SUPPORT))

    shards = {shard["id"]: shard for shard in api.get("/system/shards").json()["results"]}

    shard = shards[market.shard.id]
    assert 120 <= shard.pop("lag_seconds") < 180
    assert shard == {
        "id": market.shard.id,
        "status": "running",
        "stop_reason": "",
        "leader": stored.owner,
        "epoch": 1,
        "taken_at": "2026-03-02T12:00:00.000000Z",
        "position": 1,
        "drained_at": "2026-03-02T12:00:00.000000Z",
        "waiting": 1,
        "books": [
            {
                "symbol": market.symbol,
                "phase": "open",
                "seq": 1,
                "state_hash": book.state_hash,
                "last_event_at": "2026-03-02T12:00:00.000000Z",
            }
        ],
    }
    assert len(book.state_hash) > 8


def test_a_stopped_shard_says_why(market: Market) -> None:
    Shard.objects.filter(pk=market.shard.id).update(status=ShardStatus.STOPPED, stop_reason="hash differs")
    api = Api().sign_in(make_user(Role.RISK_MANAGER))

    (shard,) = (one for one in api.get("/system/shards").json()["results"] if one["id"] == market.shard.id)

    assert (shard["status"], shard["stop_reason"]) == ("stopped", "hash differs")
    assert (shard["leader"], shard["taken_at"], shard["lag_seconds"]) == ("", None, 0)
    assert shard["books"][0]["last_event_at"] is None
