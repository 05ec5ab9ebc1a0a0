"""Price alerts over the API: placed once, listed, cancelled; another person's are not there."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import TradingAccount
from audit.models import AuditRecord
from orders.market.models import PriceAlert
from orders.market.services import alerting
from orders.market.services.following import follow
from tests.api.client import Api, refused, signed_in
from tests.factories import NOW, Market, make_market


def body(market: Market, account: TradingAccount, /, **changes: Any) -> dict[str, Any]:
    whole = {
        "account": account.pk,
        "symbol": market.symbol,
        "direction": "above",
        "price": "50000",
        "request_id": "a-1",
    } | changes
    return {name: value for name, value in whole.items() if value is not None}


def test_placing_and_cancelling_are_recorded_once(market: Market, alice: TradingAccount, api: Api) -> None:
    placed = [api.post("/alerts", body(market, alice)).json()["id"] for _ in range(2)]
    for _ in range(2):
        assert api.delete(f"/alerts/{placed[0]}").status_code == 200

    rows = AuditRecord.objects.filter(target_type="marketdata.pricealert").order_by("id")
    assert [(row.action, row.target_id, row.actor_label, row.ip) for row in rows] == [
        (action, placed[0], alice.user.username, api.address)
        for action in ("market.alert.place", "market.alert.cancel")
    ]
    waiting = {"state": "active", "watches": "last", "direction": "above", "price": "50000"}
    assert [(row.before, row.after) for row in rows] == [
        ({}, waiting),
        ({"state": "active"}, {"state": "cancelled"}),
    ]


def test_ac_44_fires_once(market: Market, alice: TradingAccount, bob: TradingAccount, api: Api) -> None:
    placed = api.post("/alerts", body(market, alice))
    assert placed.status_code == 201
    assert placed.json() | {"id": "", "created_at": ""} == {
        "id": "",
        "request_id": "a-1",
        "account": alice.pk,
        "symbol": market.symbol,
        "watches": "last",
        "direction": "above",
        "price": "50000.00",
        "state": "active",
        "created_at": "",
        "fired_at": None,
        "fired_price": None,
        "trade_id": None,
        "cancelled_at": None,
    }

    states = []
    for price in (49999, 50001, 50002):
        market.sell(bob, "0.1", price)
        market.buy(alice, "0.1", price)
        market.drain()
        follow(now=NOW)
        states.append(api.get(f"/alerts/{placed.json()['id']}").json())

    assert [(row["state"], row["fired_price"]) for row in states] == [
        ("active", None),
        ("fired", "50001.00"),
        ("fired", "50001.00"),
    ]
    trades = {row["price"]: row for row in api.get(f"/instruments/{market.symbol}/trades").json()["results"]}
    assert (states[-1]["trade_id"], states[-1]["fired_at"]) == (
        trades["50001.00"]["id"],
        trades["50001.00"]["time"],
    )
    (listed,) = api.get("/alerts").json()["results"]
    assert listed == states[-1]
    refused(api.delete(f"/alerts/{listed['id']}"), "alert_not_active", 409)


def test_the_same_request_again_is_the_same_alert(market: Market, alice: TradingAccount, api: Api) -> None:
    first = api.post("/alerts", body(market, alice))
    again = api.post("/alerts", body(market, alice))

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    refused(api.post("/alerts", body(market, alice, price="50001")), "request_id_conflict", 409)
    assert PriceAlert.objects.count() == 1


def test_are_listed_newest_first_in_pages_by_symbol_and_state(
    market: Market, alice: TradingAccount, api: Api
) -> None:
    other = make_market()
    for number, where in enumerate((market, other, market)):
        api.post("/alerts", body(where, alice, request_id=f"a-{number}"))
    newest = api.get("/alerts?limit=1").json()
    api.delete(f"/alerts/{newest['results'][0]['id']}")

    def named(query: str) -> list[str]:
        return [row["request_id"] for row in api.get(f"/alerts?{query}").json()["results"]]

    assert named("limit=2") == ["a-2", "a-1"]
    assert named(f"cursor={newest['next_cursor']}") == ["a-1", "a-0"]
    assert named(f"symbol={market.symbol}&account={alice.pk}") == ["a-2", "a-0"]
    assert named("state=active") == ["a-1", "a-0"]
    assert named("state=cancelled") == ["a-2"]


def test_cancelling_again_changes_nothing(market: Market, alice: TradingAccount, api: Api) -> None:
    number = api.post("/alerts", body(market, alice)).json()["id"]

    first, again = (api.delete(f"/alerts/{number}") for _ in range(2))

    assert first.json()["state"] == "cancelled"
    assert first.json() == again.json()


def test_somebody_elses_are_not_there(market: Market, alice: TradingAccount, bob: TradingAccount) -> None:
    number = signed_in(alice).post("/alerts", body(market, alice)).json()["id"]
    stranger = signed_in(bob)

    for answer in (stranger.get(f"/alerts/{number}"), stranger.delete(f"/alerts/{number}")):
        refused(answer, "alert_not_found", 404)
    refused(stranger.post("/alerts", body(market, alice)), "account_not_found", 404)
    refused(stranger.get(f"/alerts?account={alice.pk}"), "account_not_found", 404)
    assert stranger.get("/alerts").json()["results"] == []
    for number in (10**18, 2**63, 10**30):
        refused(stranger.get(f"/alerts/{number}"), "alert_not_found", 404)
    assert PriceAlert.objects.get().state == "active"


def test_nobody_is_asked_who_they_are(market: Market, alice: TradingAccount, anonymous: Api) -> None:
    refused(anonymous.get("/alerts"), "not_authenticated", 401)
    refused(anonymous.post("/alerts", body(market, alice)), "not_authenticated", 401)


@pytest.mark.parametrize(
    ("changes", "code", "status"),
    [
        ({"price": "0"}, "invalid_number", 400),
        ({"price": "-5"}, "invalid_number", 400),
        ({"price": "5e4"}, "invalid_number", 400),
        ({"price": "1" * 40}, "invalid_number", 400),
        ({"price": "50000.001"}, "price_not_on_tick", 400),
        ({"price": None}, "invalid_field", 400),
        ({"direction": "ABOVE"}, "invalid_field", 400),
        ({"watches": "mid"}, "invalid_field", 400),
        ({"request_id": None}, "invalid_field", 400),
        ({"request_id": "with a blank"}, "invalid_field", 400),
        ({"request_id": "x" * 37}, "invalid_field", 400),
        ({"note": "hello"}, "invalid_field", 400),
        ({"symbol": "NOSUCH"}, "unknown_symbol", 404),
        ({"symbol": "\0"}, "invalid_field", 400),
        ({"account": 0}, "invalid_field", 400),
    ],
)
def test_bad_input_has_a_code_and_places_nothing(
    market: Market, alice: TradingAccount, api: Api, changes: dict[str, Any], code: str, status: int
) -> None:
    refused(api.post("/alerts", body(market, alice, **changes)), code, status)

    assert not PriceAlert.objects.exists()


def test_a_person_has_so_many_and_no_more(
    market: Market, alice: TradingAccount, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerting, "MOST_ACTIVE", 2)
    for number in range(2):
        api.post("/alerts", body(market, alice, request_id=f"a-{number}"))

    answer = refused(api.post("/alerts", body(market, alice, request_id="b")), "too_many_active_alerts", 409)

    assert answer["context"]["maximum"] == 2
    assert PriceAlert.objects.count() == 2
