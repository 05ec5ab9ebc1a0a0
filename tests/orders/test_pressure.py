"""A shard that is behind takes nothing that asks for more; whatever asks for less goes on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from accounts.models import TradingAccount
from orders.models import Command, CommandKind, OrderType, Side
from orders.services.drain import drain
from orders.services.pressure import Pressure
from orders.services.requests import Accepted, Denied, ListKind, NewOrder
from tests.api.client import order_body, refused, signed_in
from tests.factories import NOW, Market, everything_stored, make_market
from tests.gateways.binance.client import client_of
from tradeplatform.common.errors import Code, Refusal

pytestmark = pytest.mark.django_db

LIMIT = 5.0


class Clock:
    """Says what it is told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """The time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def watching(settings: Settings, monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    """This process watches the shards as a door does, and looks anew when the clock has moved."""
    settings.SHARD_LAG_LIMIT_SECONDS = LIMIT
    fresh = Pressure(clock)
    for user in ("intake", "order_lists"):
        monkeypatch.setattr(f"orders.services.{user}.PRESSURE", fresh)


@pytest.fixture
def market() -> Market:
    return make_market()


@pytest.fixture
def alice(market: Market) -> TradingAccount:
    return market.trader()


@pytest.fixture
def resting(market: Market, alice: TradingAccount) -> int:
    """An order of Alice's in the book: buy 2 at 49000."""
    order_id = market.buy(alice, 2, 49000)
    market.drain()
    return order_id


@pytest.fixture
def fall_behind(market: Market, clock: Clock) -> Callable[[], None]:
    """Let an order wait for the book for seven seconds."""

    def act() -> None:
        trader = market.trader()
        market.buy(trader, 1, 48000)
        late = timezone.now() - timedelta(seconds=7)
        Command.objects.filter(status="pending").update(at=late)
        clock.now += 1

    return act


def request(market: Market, account: TradingAccount, **more: str) -> NewOrder:
    return market.request(account, Side.BUY, 1, 49000, **more)  # type: ignore[arg-type]


def test_a_new_order_is_refused_with_when_to_come_again_and_nothing_moves(
    market: Market, alice: TradingAccount, fall_behind: Callable[[], None]
) -> None:
    fall_behind()
    before = everything_stored()

    response = signed_in(alice).post("/orders?wait=0", order_body(market, alice))

    body = refused(response, "overloaded", 503)
    # Its pace is not known: it has taken seven seconds so far.
    assert response["Retry-After"] == str(body["context"]["retry_after"])
    assert 7 <= body["context"]["lag_seconds"] <= body["context"]["retry_after"] + 0.1
    assert body["context"]["retry_after"] <= 60
    assert everything_stored() == before


def test_a_refusal_is_one_error_in_the_log(
    market: Market, alice: TradingAccount, fall_behind: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    fall_behind()

    refused(signed_in(alice).post("/orders?wait=0", order_body(market, alice)), "overloaded", 503)

    (said,) = [record for record in caplog.records if record.levelname in {"WARNING", "ERROR"}]
    line: Any = said.msg
    assert (line["event"], line["code"]) == ("request_finished", 503)


def test_in_the_words_of_binance(
    market: Market, alice: TradingAccount, fall_behind: Callable[[], None]
) -> None:
    fall_behind()
    client = client_of(alice)
    before = everything_stored()

    answer = client.send(
        "order",
        symbol=market.symbol,
        side="BUY",
        type="LIMIT",
        timeInForce="GTC",
        quantity="1",
        price="49000",
    )

    assert (answer.status_code, answer.json()) == (503, {
        "code": -1008,
        "msg": "Server is currently overloaded with other requests. Please try again in a few minutes.",
    })  # fmt: skip
    assert 7 <= int(answer["Retry-After"]) <= 60
    assert everything_stored() == before


def test_a_batch_is_refused_item_by_item(
    market: Market, alice: TradingAccount, fall_behind: Callable[[], None]
) -> None:
    """What it has sent before is answered as before, and another shard's orders are taken."""
    api, other = signed_in(alice), make_market()
    known = order_body(market, alice, client_order_id="known", price="47000")
    assert api.post("/orders?wait=0", known).status_code == 202
    fall_behind()
    elsewhere = order_body(other, other.trader(user=alice.user))

    response = api.post("/orders/batch?wait=0", {"orders": [known, order_body(market, alice), elsewhere]})

    assert response.status_code == 207
    assert [one["status"] for one in response.json()["results"]] == [200, 503, 202]
    assert 7 <= int(response["Retry-After"]) <= 60


def test_a_list_is_refused(market: Market, alice: TradingAccount, fall_behind: Callable[[], None]) -> None:
    fall_behind()
    before = everything_stored()
    leg = market.request(alice, Side.SELL, 1, 51000)
    stop = market.request(alice, Side.SELL, 1, None, kind=OrderType.STOP, trigger=49000)

    with pytest.raises(Refusal) as refused_:
        market.send_list(ListKind.OCO, leg, stop)

    assert refused_.value.code == Code.OVERLOADED
    assert everything_stored() == before


def test_what_asks_for_less_is_taken(
    market: Market, alice: TradingAccount, resting: int, fall_behind: Callable[[], None]
) -> None:
    other = market.buy(alice, 1, 49500)
    market.drain()
    fall_behind()
    api = signed_in(alice)

    assert api.patch(f"/orders/{resting}?wait=0", {"quantity": "1.5"}).status_code == 202
    assert api.delete(f"/orders/{other}?wait=0").status_code == 202
    assert api.delete(f"/orders?account={alice.pk}&wait=0").status_code == 202

    waiting = Command.objects.filter(status="pending", account_id=alice.pk).order_by("id")
    assert [CommandKind(one.kind).name for one in waiting] == ["AMEND", "CANCEL", "MASS_CANCEL"]


@pytest.mark.parametrize("more", [{"quantity": "3"}, {"price": "48000"}, {"quantity": "1", "price": "48000"}])
def test_an_amend_that_asks_for_more_is_refused(
    alice: TradingAccount, resting: int, fall_behind: Callable[[], None], more: dict[str, str]
) -> None:
    fall_behind()
    before = everything_stored()

    refused(signed_in(alice).patch(f"/orders/{resting}?wait=0", more), "overloaded", 503)

    assert everything_stored() == before


def test_orders_are_taken_again_when_the_shard_has_caught_up(
    market: Market, alice: TradingAccount, fall_behind: Callable[[], None], clock: Clock
) -> None:
    fall_behind()
    (outcome,) = market.send_all([request(market, alice)])
    assert isinstance(outcome, Denied)
    market.drain()
    clock.now += 0.05
    (outcome,) = market.send_all([request(market, alice)])
    assert isinstance(outcome, Denied), "what was seen holds for a tenth of a second"
    clock.now += 0.06

    (outcome,) = market.send_all([request(market, alice)])

    assert isinstance(outcome, Accepted)


def test_when_to_come_again_is_by_the_pace_of_the_shard(
    market: Market, alice: TradingAccount, fall_behind: Callable[[], None], clock: Clock
) -> None:
    """Ten of forty done in two seconds: six more."""
    for _ in range(39):
        market.buy(market.trader(), 1, 48000)
    fall_behind()
    market.send_all([request(market, alice)])
    drain(shard_id=market.shard.id, now=NOW, batch=10)
    clock.now += 2

    (outcome,) = market.send_all([request(market, alice)])

    assert isinstance(outcome, Denied)
    assert outcome.refusal.context["retry_after"] == 6


def test_many_orders_cost_one_look(market: Market, alice: TradingAccount, clock: Clock) -> None:
    market.send_all([request(market, alice)])
    clock.now += 1
    with CaptureQueriesContext(connection) as asked:
        market.send_all([request(market, alice) for _ in range(20)])
        market.send_all([request(market, alice) for _ in range(20)])

    looks = [query for query in asked.captured_queries if "ORDER BY id DESC LIMIT 1" in query["sql"]]
    assert len(looks) == 1


def test_the_platforms_own_acts_are_not_held_up(
    market: Market, alice: TradingAccount, fall_behind: Callable[[], None], settings: Settings
) -> None:
    """Its workers and commands close positions and send on what they have promised: their limit is none."""
    settings.SHARD_LAG_LIMIT_SECONDS = 0
    fall_behind()

    (outcome,) = market.send_all([request(market, alice)])

    assert isinstance(outcome, Accepted)
