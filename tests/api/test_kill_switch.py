"""The kill switch over the API: staff stop, are told where it took effect, and ask for a release."""

from __future__ import annotations

import pytest
from django.utils import timezone

from accounts.models import Role, TradingAccount
from audit.models import ApprovalRequest, AuditRecord
from risk.models import KillAct, KillSwitch
from tests.api.client import Api, order_body
from tests.audit.agreeing import agree
from tests.factories import Market, make_user, stored

STOP = {"scope": "instrument", "reason": "runaway robot"}


@pytest.fixture
def risk() -> Api:
    return Api().sign_in(make_user(Role.RISK_MANAGER))


def test_it_stops_says_where_and_refuses_orders_by_name(
    market: Market, bob: TradingAccount, risk: Api
) -> None:
    resting = market.buy(bob, 1, 49000)
    market.drain()

    said = risk.post("/kill-switch", STOP | {"name": market.symbol}).json()

    assert (said["scope"], said["name"], said["stage"]) == ("instrument", market.symbol, "stopped")
    (shard,) = said["shards"]
    assert (shard["shard"], shard["position"], shard["cancelled"]) == (market.shard.id, 2, 1)
    assert said["press_to_last_effect_ms"] > 0
    assert stored(resting).reason == "killed"
    refused = Api().sign_in(bob.user).post("/orders", order_body(market, bob, price="49000"))
    assert (refused.status_code, refused.json()["code"]) == (409, "killed")
    assert refused.json()["context"] == {"scope": "instrument", "stage": "stopped"}
    assert AuditRecord.objects.get(action="risk.kill_switch.stop").reason == "runaway robot"


def test_the_list_shows_it_until_it_is_open(market: Market, risk: Api) -> None:
    assert risk.get("/kill-switch").json() == {"results": []}
    switch = risk.post("/kill-switch", STOP | {"name": market.symbol}).json()["switch"]

    for step in ("stopped", "limit_only"):
        (listed,) = risk.get("/kill-switch").json()["results"]
        assert listed["stage"] == step
        asked = risk.post(f"/kill-switch/{switch}/release", {"reason": "mended", "request_id": step})
        assert (asked.status_code, asked.json()["state"]) == (202, "pending")
        agree(ApprovalRequest.objects.get(id=asked.json()["approval"]), now=timezone.now())

    assert risk.get("/kill-switch").json() == {"results": []}


def test_clients_and_support_stop_nothing(market: Market, bob: TradingAccount) -> None:
    for user in (bob.user, make_user(Role.SUPPORT)):
        answer = Api().sign_in(user).post("/kill-switch", STOP | {"name": market.symbol})
        assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")

    assert not KillAct.objects.exists()


def test_what_is_none_or_has_no_reason_stops_nothing(market: Market, risk: Api) -> None:
    answers = [
        risk.post("/kill-switch", STOP | {"name": "NOPE"}),
        risk.post("/kill-switch", STOP),
        risk.post("/kill-switch", {"scope": "global"}),
        risk.post("/kill-switch", {"scope": "global", "name": "BTCUSDT", "reason": "runaway robot"}),
        risk.post("/kill-switch", {"scope": "planet", "reason": "runaway robot"}),
        risk.post(
            f"/kill-switch/{KillSwitch.objects.get().pk}/release", {"reason": "mended", "request_id": "one"}
        ),
    ]

    codes = [(answer.status_code, answer.json()["code"]) for answer in answers]
    assert codes == [
        (404, "unknown_symbol"),
        (404, "unknown_symbol"),
        (400, "invalid_field"),
        (400, "invalid_field"),
        (400, "invalid_field"),
        (400, "no_change"),
    ]
    assert not KillAct.objects.exists()
