"""Wall 14: identity is forever: (account, client order id) has one outcome, with a fingerprint."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from orders.models import Command, Order, OrderIdentity, OrderType, Side, StpMode, TimeInForce, TriggerBy
from orders.services.requests import Accepted, NewOrder, fingerprint
from tests.factories import NOW, Market, everything_stored, make_market, stored
from tests.threads import all_at_once
from tradeplatform.common.errors import Code, Refusal


@pytest.mark.django_db
def test_wall_14_the_table_of_identities_is_not_partitioned_and_unique() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relkind, c.relispartition, pg_get_constraintdef(k.oid) FROM pg_class c"
            " JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype = 'u'"
            " WHERE c.relname = 'orders_orderidentity'"
        )
        assert cursor.fetchall() == [("r", False, "UNIQUE (account_id, client_order_id)")]


@pytest.mark.django_db
def test_wall_14_the_same_id_means_the_same_order_years_later() -> None:
    market = make_market()
    trader = market.trader()
    request = market.request(trader, Side.SELL, 1, 50000, client_order_id="mine")
    first = market.send(request)
    market.cancel(first.order_id, trader)
    market.drain()
    before = everything_stored()

    for years in (1, 10, 50):
        again = market.send(request, now=NOW + timedelta(days=366 * years))
        assert (again.order_id, again.created_at, again.duplicate) == (first.order_id, NOW, True)

    assert everything_stored() == before
    with pytest.raises(Refusal) as caught:
        market.send(
            market.request(trader, Side.SELL, 2, 50000, client_order_id="mine"),
            now=NOW + timedelta(days=4000),
        )
    assert (caught.value.code, caught.value.status) == (Code.CLIENT_ORDER_ID_CONFLICT, 409)
    assert everything_stored() == before


@pytest.mark.django_db(transaction=True)
def test_wall_14_sixteen_at_once_place_one_order() -> None:
    market = make_market()
    trader = market.trader()
    request = market.request(trader, Side.SELL, 1, 50000, client_order_id="mine")

    results = all_at_once([lambda: market.send(request)] * 16)

    accepted = [result for result in results if isinstance(result, Accepted)]
    assert len({result.order_id for result in accepted}) == 1
    assert sorted(result.duplicate for result in accepted) == [False] + [True] * 15
    assert (Order.objects.filter(account=trader).count(), Command.objects.count()) == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_wall_14_of_two_payloads_at_once_one_wins_and_the_other_conflicts() -> None:
    market = make_market()
    trader = market.trader()

    def place(quantity: int) -> Callable[[], Accepted]:
        return lambda: market.send(market.request(trader, Side.SELL, quantity, 50000, client_order_id="mine"))

    results = all_at_once([place(number % 2 + 1) for number in range(16)])

    codes = [result.code for result in results if isinstance(result, Refusal)]
    assert codes == [Code.CLIENT_ORDER_ID_CONFLICT] * 8
    assert Order.objects.filter(account=trader).count() == 1


@pytest.mark.django_db
def test_wall_14_the_database_refuses_a_second_order_by_one_name() -> None:
    market = make_market()
    trader = market.trader()
    order_id = market.send(market.request(trader, Side.SELL, 1, 50000, client_order_id="mine")).order_id

    with pytest.raises(IntegrityError, match="order_identity_forever"), transaction.atomic():
        OrderIdentity.objects.create(
            order_id=order_id + 1,
            account=trader,
            client_order_id="mine",
            order_created_at=NOW + timedelta(days=400),
            fingerprint="",
        )


BASE = NewOrder(
    account_id=1,
    symbol="BTC-USDT",
    side=Side.BUY,
    type=OrderType.LIMIT,
    quantity=Decimal(1),
    price=Decimal(50000),
)


def changed(**values: Any) -> str:
    fields = {name: getattr(BASE, name) for name in BASE.__slots__}
    return fingerprint(NewOrder(**(fields | values)))


def test_wall_14_the_fingerprint_covers_everything_that_was_asked() -> None:
    others = [
        changed(symbol="ETH-USDT"),
        changed(side=Side.SELL),
        changed(type=OrderType.MARKET),
        changed(quantity=Decimal("1.0001")),
        changed(price=Decimal("50000.01")),
        changed(price=None),
        changed(time_in_force=TimeInForce.IOC),
        changed(post_only=True),
        changed(stp_mode=StpMode.DECREMENT),
    ]

    assert len({fingerprint(BASE), *others}) == 10


def test_wall_14_the_fingerprint_does_not_depend_on_how_numbers_are_written() -> None:
    assert changed(quantity=Decimal("1.000"), price=Decimal("5E+4")) == fingerprint(BASE)


def test_wall_14_a_default_that_is_spelled_out_is_no_other_request() -> None:
    stop = {"type": OrderType.STOP, "price": None, "trigger_price": Decimal(51000)}

    assert changed(time_in_force=TimeInForce.GTC) == fingerprint(BASE)
    assert changed(**stop, trigger_by=TriggerBy.LAST) == changed(**stop)
    assert changed(**stop, trigger_by=TriggerBy.QUOTE) != changed(**stop)


def test_wall_14_the_fingerprint_of_a_request_never_changes() -> None:
    """Written down: a release that computes it differently would call every repeat a conflict."""
    assert fingerprint(BASE) == "c4cb83a8cb9c580cbeb55dff8ac58d4cb7c145e9b0450c07d6027dd2dc23c82b"


@pytest.mark.django_db
def test_wall_14_the_order_is_found_by_its_name_however_it_ended() -> None:
    market: Market = make_market()
    trader = market.trader()
    order_id = market.send(
        market.request(trader, Side.BUY, 1, 50000, tif=TimeInForce.IOC, client_order_id="mine")
    ).order_id
    market.drain()

    identity = OrderIdentity.objects.get(account=trader, client_order_id="mine")
    assert (identity.order_id, identity.order_created_at) == (order_id, stored(order_id).created_at)
