"""Reading orders, depth and waiting shards."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from instruments.selectors import rules_by_id
from orders import selectors
from orders.models import Shard, ShardStatus, Side
from tests.factories import NOW, Market, make_market, short
from tradeplatform.common.errors import Code, Refusal

pytestmark = pytest.mark.django_db

LIMIT = (Side.SELL, 1, 50000)


@pytest.fixture
def market() -> Market:
    return make_market()


def depth(market: Market, limit: int = 100) -> tuple[int, list[tuple[str, str]], list[tuple[str, str]]]:
    """(seq, bids, asks), best first, as short text."""
    found = selectors.depth(rules_by_id([market.instrument.id])[market.instrument.id], limit=limit)
    return (
        found.seq,
        [(short(price), short(quantity)) for price, quantity in found.bids],
        [(short(price), short(quantity)) for price, quantity in found.asks],
    )


def test_depth_adds_up_each_price_best_first(market: Market) -> None:
    trader = market.trader()
    for quantity, price in ((1, 49000), (2, 49500), ("0.5", 49000)):
        market.buy(trader, quantity, price)
    for quantity, price in ((1, 51000), (3, 50500), (2, 51000)):
        market.sell(trader, quantity, price)
    assert depth(market) == (0, [], [])
    market.drain()

    assert depth(market) == (6, [("49500", "2"), ("49000", "1.5")], [("50500", "3"), ("51000", "3")])
    assert depth(market, limit=1) == (6, [("49500", "2")], [("50500", "3")])


def test_an_unknown_and_another_accounts_order_look_the_same(market: Market) -> None:
    owner, other = market.trader(), market.trader()
    order_id = market.send(market.request(owner, *LIMIT, client_order_id="mine")).order_id

    def code(find: Callable[..., Any], **key: Any) -> Code:
        with pytest.raises(Refusal) as caught:
            find(**key)
        return caught.value.code

    assert selectors.find_order(order_id=order_id, account_id=owner.id).id == order_id
    assert code(selectors.find_order, order_id=order_id, account_id=other.id) == Code.ORDER_NOT_FOUND
    by_name = selectors.find_order_by_client_id
    assert by_name(account_id=owner.id, client_order_id="mine").id == order_id
    assert code(by_name, account_id=other.id, client_order_id="mine") == Code.ORDER_NOT_FOUND


@pytest.mark.parametrize("name", ["", "a\0", "mine\0", "\ud800", "x" * 1000, "\u202e"])
def test_an_impossible_client_id_is_an_unknown_one(market: Market, name: str) -> None:
    owner = market.trader()
    market.send(market.request(owner, *LIMIT, client_order_id="mine"))

    with pytest.raises(Refusal) as caught:
        selectors.find_order_by_client_id(account_id=owner.id, client_order_id=name)

    assert caught.value.code == Code.ORDER_NOT_FOUND
    caught.value.context["client_order_id"].encode()


class TestWaitingShards:
    """Those whose wake-up was lost, which the sweep looks for."""

    def waiting(self, after: float) -> list[int]:
        now = NOW + timedelta(seconds=after)
        return selectors.waiting_shards(now=now, longer_than=timedelta(seconds=1))

    def test_only_those_with_something_older_than_a_second(self, market: Market) -> None:
        make_market()
        market.sell(market.trader(), 1, 50000)

        assert self.waiting(1) == []
        assert self.waiting(1.000001) == [market.shard.id]
        market.drain()
        assert self.waiting(60) == []

    def test_not_a_stopped_one(self, market: Market) -> None:
        market.sell(market.trader(), 1, 50000)
        Shard.objects.filter(id=market.shard.id).update(status=ShardStatus.STOPPED)

        assert self.waiting(60) == []
