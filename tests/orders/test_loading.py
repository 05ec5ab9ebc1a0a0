"""Open orders are read by columns, to the same records as one by one."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tradeengine import codec

from instruments.selectors import Rules, rules_by_id
from orders.models import Order, StpMode
from orders.services import loading
from tests.factories import Market, make_market
from tests.orders.test_books import with_every_condition

pytestmark = pytest.mark.django_db


@pytest.fixture
def market() -> Market:
    return make_market()


def rules_of(market: Market) -> Rules:
    return rules_by_id([market.instrument.id])[market.instrument.id]


def by_id(records: bytes) -> list[codec.OpenOrder]:
    return sorted(codec.iter_open(records), key=lambda order: order.order_id)


def test_every_kind_of_order_is_read_as_it_is_by_itself(market: Market) -> None:
    with_every_condition(market)
    third = market.trader(trade_group=3, quote=10**9)
    market.buy(third, 2, 49500, stp=StpMode.EXPIRE_BOTH, post_only=True)
    taken = market.sell(third, 3, 50600)
    market.drain()
    # 0.75 of it is what another sells for less.
    market.buy(market.trader(), "1.75", 50600)
    market.drain()
    rules = rules_of(market)
    alone = [loading._record(order, rules) for order in Order.objects.in_engine()]

    read = by_id(loading.open_orders(rules))

    assert read == by_id(b"".join(alone))
    (partly,) = [order for order in read if order.order_id == taken]
    assert (partly.price, partly.leaves, partly.executed, partly.stp_group) == (5_060_000, 20_000, 10_000, 3)


def test_a_book_of_more_than_one_piece_is_whole(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "_BYTES", 500)
    trader = market.trader(quote=10**9)
    orders = [market.buy(trader, 1, 49000 + number) for number in range(20)]
    market.drain()

    assert [order.order_id for order in by_id(loading.open_orders(rules_of(market)))] == orders


def test_an_empty_book_is_no_record(market: Market) -> None:
    assert loading.open_orders(rules_of(market)) == b""


@pytest.mark.parametrize(
    "changes",
    [{"price": Decimal("50000.001")}, {"leaves": Decimal("4.99999")}, {"filled": Decimal("0.00001")}],
)
def test_what_is_no_whole_number_of_steps_is_not_rounded(market: Market, changes: dict[str, Decimal]) -> None:
    order_id = market.sell(market.trader(), 5, 50000)
    market.drain()
    Order.objects.filter(id=order_id).update(quantity=6, **changes)

    with pytest.raises(ValueError, match="not multiples"):
        loading.open_orders(rules_of(market))
