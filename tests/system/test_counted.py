"""What is counted where: exact differences, through the doors that clients use."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import TradingAccount
from orders.feed.hub import Hub
from orders.models import OrderType, Shard, Side
from orders.services import drain as draining
from orders.services.drain import Fenced, drain
from orders.services.requests import ListKind
from tests.api.client import Api, order_body
from tests.factories import NOW, Market, make_market, tag
from tests.system.counting import Figures, here, risen
from tradeplatform.common.errors import Refusal
from tradeplatform.common.limits import Limit, take

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def market() -> Market:
    return make_market()


@pytest.fixture
def before(market: Market) -> Figures:
    return here()


def _api(account: TradingAccount) -> Api:
    return Api().sign_in(account.user)


def test_an_order_by_http_is_accepted_once_however_often_it_is_sent(market: Market) -> None:
    account = market.trader()
    api, before = _api(account), here()
    body = order_body(market, account, price="49000") | {"client_order_id": "once"}

    for _ in range(2):
        assert api.post("/orders?wait=0", body).status_code in {200, 201, 202}

    assert risen(before) == {
        ("orders_accepted_total", "api"): 1,
        ("commands_accepted_total", "new"): 1,
        ("intake_batch_size_count",): 2,
        ("http_requests_total", "api", "2xx"): 2,
        ("http_seconds_count", "api"): 2,
    }


def test_what_funds_do_not_cover_is_denied_and_a_hold_that_failed(market: Market) -> None:
    account = market.trader(quote=1)
    api, before = _api(account), here()

    answer = api.post("/orders?wait=0", order_body(market, account, price="49000"))

    assert answer.json()["code"] == "insufficient_funds"
    assert risen(before) == {
        ("orders_denied_total", "insufficient_funds"): 1,
        ("hold_failures_total",): 1,
        ("intake_batch_size_count",): 1,
        ("http_requests_total", "api", "4xx"): 1,
        ("http_seconds_count", "api"): 1,
    }


def test_a_list_that_is_denied_is_so_many_orders(market: Market, before: Figures) -> None:
    poor = market.trader(base=0)
    legs = (
        market.request(poor, Side.SELL, 1, 51000),
        market.request(poor, Side.SELL, 1, kind=OrderType.STOP, trigger=48000),
    )
    with pytest.raises(Refusal):
        market.send_list(ListKind.OCO, *legs)

    assert risen(before) == {
        ("orders_denied_total", "insufficient_funds"): 2,
        ("hold_failures_total",): 1,
    }


def test_a_drain_counts_its_batch_and_each_commands_wait(market: Market) -> None:
    account, now = market.trader(), timezone.now()
    for price in (49000, 49010):
        market.send(market.request(account, Side.BUY, 1, price), now=now - timedelta(seconds=3))
    market.send(market.request(account, Side.BUY, 1, 49020), now=now)
    before = here()

    market.drain(now=now)

    assert risen(before) == {
        ("drain_batch_size_count",): 1,
        ("outcome_seconds_count",): 3,
        ("shard_takeovers_total",): 1,
    }
    after = here()
    waited = after["outcome_seconds_sum",] - before["outcome_seconds_sum",]
    assert 6 <= waited < 9
    in_two = ("outcome_seconds_bucket", "2.0")
    assert after[in_two] - before[in_two] == 1


def test_a_shard_says_when_it_was_taken_over_and_keeps_it(market: Market) -> None:
    account, before = market.trader(), here()
    for minutes, owner in enumerate(("one", "one", "other")):
        market.send(market.request(account, Side.BUY, 1, 49000))
        drain(shard_id=market.shard.id, now=NOW + timedelta(minutes=minutes), owner=owner)
        taken = Shard.objects.get(pk=market.shard.id).taken_at
        assert taken == NOW + timedelta(minutes=2 if owner == "other" else 0)

    assert risen(before)["shard_takeovers_total",] == 2


def test_a_batch_that_was_fenced_is_counted_and_nothing_else(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = market.trader()
    market.buy(account, 1, 49000)
    market.drain()
    market.buy(account, 1, 49010)
    shard = Shard.objects.get(pk=market.shard.id)
    shard.epoch -= 1
    monkeypatch.setattr(draining, "_take", lambda *_by, **_how: shard)
    before = here()

    with pytest.raises(Fenced):
        drain(shard_id=market.shard.id, now=NOW, owner=shard.owner)

    assert risen(before) == {("fenced_total",): 1}


async def test_a_missing_frame_is_a_gap_and_each_reading_a_resync(monkeypatch: pytest.MonkeyPatch) -> None:
    hub, before = Hub(), here()

    hub.frame("shards", b'{"shard_id":1,"first_position":1,"position":2}')
    hub._positions.begin({1: 2})
    hub.frame("shards", b'{"shard_id":1,"first_position":9,"position":9}')

    assert risen(before) == {("feed_gaps_total", "batch_missed"): 1}


def test_a_call_too_many_is_counted_by_the_kind_of_its_limit(before: Figures) -> None:
    limit = Limit(f"login:{tag()}", 1, 60)
    take([limit], now=0)
    with pytest.raises(Refusal):
        take([limit], now=0)

    assert risen(before) == {("limiter_rejects_total", "login", "throttled"): 1}
