"""What intake looks at is found by index, however much is stored beside it and whenever it was planned."""

from __future__ import annotations

import pytest

from orders.models import CommandKind, Order, Stage
from orders.selectors import asked_for
from orders.services.looking import _COUNT_LIVE, _IDENTITIES
from tests.factories import Market, make_market
from tests.orders.reading import rows_read
from tradeplatform.common.db import execute, fetch

pytestmark = pytest.mark.django_db

OTHERS = 60


@pytest.fixture
def market() -> Market:
    """A book with one order of the first trader and many of another."""
    market = make_market()
    market.buy(market.trader(), 1, 48_000)
    other = market.trader()
    for n in range(OTHERS):
        market.buy(other, 1, 48_100 + n)
    market.drain()
    # As doors ask, and with a plan made now; a join would have to be by something else than a nested loop.
    for setting in ("enable_seqscan", "enable_nestloop"):
        execute(f"SET LOCAL {setting} = off")
    execute("DISCARD PLANS")
    return market


def test_live_orders_are_counted_without_those_of_others(market: Market) -> None:
    first = Order.objects.earliest("id")

    def count() -> list[tuple[object, ...]]:
        return fetch(_COUNT_LIVE, [[first.account_id], [first.instrument_id]], prepared=True)

    for _ in range(8):
        before = rows_read("orders_order_")
        assert count() == [(first.account_id, first.instrument_id, 1)]
        assert rows_read("orders_order_") - before <= 2


def test_names_are_looked_up_without_those_of_others(market: Market) -> None:
    first = Order.objects.earliest("id")
    for _ in range(8):
        before = rows_read("orders_orderidentity")
        ((account, name, number, *_),) = fetch(
            _IDENTITIES, [[first.account_id], [first.client_order_id]], prepared=True
        )
        assert (account, name, number) == (first.account_id, first.client_order_id, first.id)
        assert rows_read("orders_orderidentity") - before <= 1


def test_what_an_order_waits_for_is_found_by_the_order(market: Market) -> None:
    """However much else waits, and however much did, which the index of what waits still has."""
    first, *others = Order.objects.order_by("id")
    for other in others:
        market.cancel(other.id)
    asked = [first.id], CommandKind.CANCEL
    assert asked_for(*asked, since=first.created_at).run() == set()
    for _ in range(8):
        before = rows_read("orders_command_")
        assert asked_for(*asked, since=first.created_at).run() == set()
        assert rows_read("orders_command_") - before <= 1
    market.cancel(first.id)
    assert asked_for(*asked, since=first.created_at).run() == {first.id}
    assert asked_for([first.id], CommandKind.AMEND, since=first.created_at).run() == set()


def test_a_plain_order_keeps_its_stage_until_it_is_over(market: Market) -> None:
    buyer, seller = market.trader(), market.trader()
    order = market.buy(buyer, 2, 49_500)
    stages = [Order.objects.get(id=order).stage]
    market.drain()
    stages.append(Order.objects.get(id=order).stage)
    market.sell(seller, 1, 49_500)
    market.drain()
    stages.append(Order.objects.get(id=order).stage)
    assert stages == [Stage.ACTIVE] * 3

    market.sell(seller, 1, 49_500)
    market.drain()

    assert Order.objects.get(id=order).stage == Stage.FINAL
