"""Many callers at once: funds are never spent twice, one id is one order, and nobody waits for ever."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier, Event
from typing import Any

import pytest
from django.db import connection, transaction

from accounts.models import LedgerAccount, TradingAccount
from orders.models import Order
from tests.api.client import Api, order_body, refused
from tests.factories import Market, fund, make_account, money, tokens_of
from tradeplatform.common.db import execute

pytestmark = pytest.mark.django_db(transaction=True)

_CALLERS = 25


def _at_once(calls: Iterable[Callable[[], Any]]) -> list[Any]:
    """Make the calls from threads that start together, each over a connection of its own."""
    waiting = list(calls)
    start = Barrier(len(waiting))

    def run(call: Callable[[], Any]) -> Any:
        try:
            start.wait(timeout=30)
            return call()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(waiting)) as pool:
        return list(pool.map(run, waiting))


def _codes(responses: Iterable[Any]) -> Counter[str]:
    return Counter(response.json().get("code", str(response.status_code)) for response in responses)


def test_100_orders_at_once_never_overdraw(market: Market, alice: TradingAccount) -> None:
    """Each order needs 1001 of a balance of 10000: nine fit, whatever the order they come in."""
    poor = make_account(currency=market.instrument.quote)
    fund(poor, market.instrument.quote, 10_000)
    token = tokens_of(poor.user).access
    body = order_body(market, poor, quantity="0.02")

    def four() -> list[Any]:
        api = Api().bearer(token)
        return [api.post("/orders?wait=0", body) for _ in range(4)]

    answers = [answer for answered in _at_once([four] * _CALLERS) for answer in answered]

    assert _codes(answers) == {"202": 9, "insufficient_funds": 91}
    assert money(poor, market.instrument.quote) == ("10000", "9009")
    market.sell(alice, 1)
    market.drain()
    assert money(poor, market.instrument.quote) == ("995.5", "0")
    assert money(poor, market.instrument.base) == ("0.18", "0")
    assert all(row.balance >= row.held >= 0 for row in LedgerAccount.objects.filter(account__isnull=False))


def test_one_client_order_id_at_once_is_one_order(market: Market, alice: TradingAccount, api: Api) -> None:
    body = order_body(market, alice, client_order_id="once")

    answers = _at_once([lambda: api.post("/orders?wait=0", body)] * _CALLERS)

    assert _codes(answers) == {"202": 1, "200": _CALLERS - 1}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert Order.objects.count() == 1
    assert money(alice, market.instrument.quote) == ("10000000", "50050")


def test_one_client_order_id_for_different_orders_goes_to_the_first(
    market: Market, alice: TradingAccount, api: Api
) -> None:
    bodies = [order_body(market, alice, client_order_id="once", quantity=f"0.{n:04}") for n in range(1, 26)]

    answers = _at_once([partial(api.post, "/orders?wait=0", body) for body in bodies])

    assert _codes(answers) == {"202": 1, "client_order_id_conflict": _CALLERS - 1}
    (accepted,) = [answer.json() for answer in answers if answer.status_code == 202]
    assert Order.objects.get().id == int(accepted["id"])
    assert money(alice, market.instrument.quote)[1] == accepted["held"].rstrip("0").rstrip(".")


def test_one_list_at_once_is_one_list(market: Market, alice: TradingAccount, api: Api) -> None:
    body = {
        "account": alice.id,
        "symbol": market.symbol,
        "kind": "oco",
        "orders": [
            {"side": "sell", "type": "limit", "quantity": "60", "price": "52000", "client_order_id": "a"},
            {
                "side": "sell",
                "type": "stop",
                "quantity": "60",
                "trigger_price": "48000",
                "client_order_id": "b",
            },
        ],
    }

    answers = _at_once([lambda: api.post("/orders/lists?wait=0", body)] * _CALLERS)

    assert _codes(answers) == {"202": 1, "200": _CALLERS - 1}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert Order.objects.count() == 2
    assert money(alice, market.instrument.base) == ("100", "60")


def test_lists_at_once_never_overdraw(market: Market, alice: TradingAccount, api: Api) -> None:
    """Each holds 30 of a balance of 100: three fit."""
    leg = {"side": "sell", "quantity": "30"}
    body = {
        "account": alice.id,
        "symbol": market.symbol,
        "kind": "oco",
        "orders": [
            leg | {"type": "limit", "price": "52000"},
            leg | {"type": "stop", "trigger_price": "48000"},
        ],
    }

    answers = _at_once([lambda: api.post("/orders/lists?wait=0", body)] * 10)

    assert _codes(answers) == {"202": 3, "insufficient_funds": 7}
    assert Order.objects.count() == 6
    assert money(alice, market.instrument.base) == ("100", "90")


def test_reduce_only_orders_at_once_sell_the_position_once(
    market: Market, alice: TradingAccount, bob: TradingAccount, api: Api
) -> None:
    body = order_body(market, alice, side="sell", quantity="60", reduce_only=True)

    answers = _at_once([lambda: api.post("/orders?wait=0", body)] * 8)

    assert _codes(answers) == {"202": 2, "reduce_only": 6}
    market.buy(bob, 150, 50000)
    market.drain()
    assert money(alice, market.instrument.base) == ("0", "0")


def test_batches_that_name_accounts_in_opposite_order_do_not_lock_each_other_out(
    market: Market, alice: TradingAccount, api: Api
) -> None:
    second = make_account(currency=market.instrument.quote, user=alice.user)
    fund(second, market.instrument.quote, 10_000_000)
    there = [order_body(market, account, quantity="0.001") for account in (alice, second)] * 5

    answers = _at_once(
        [partial(api.post, "/orders/batch?wait=0", {"orders": items}) for items in (there, there[::-1]) * 6]
    )

    assert [answer.json()["accepted"] for answer in answers] == [10] * 12
    assert Order.objects.count() == 120


def test_one_refresh_token_at_once_gives_one_new_pair(alice: TradingAccount, anonymous: Api) -> None:
    body = {"refresh": tokens_of(alice.user).refresh}

    answers = _at_once([lambda: anonymous.post("/auth/refresh", body)] * 8)

    assert _codes(answers) == {"200": 1, "not_authenticated": 7}


def test_a_door_that_cannot_get_through_says_so_and_stores_nothing(
    market: Market, alice: TradingAccount, api: Api
) -> None:
    """The account's row is held elsewhere for longer than a door may wait."""
    holding, release = Event(), Event()

    def hold() -> None:
        with transaction.atomic():
            TradingAccount.objects.select_for_update().get(id=alice.id)
            holding.set()
            assert release.wait(30)
        connection.close()

    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(hold)
        assert holding.wait(30)
        execute("SET lock_timeout = '50ms'")
        try:
            response = api.post("/orders?wait=0", order_body(market, alice, client_order_id="mine"))
        finally:
            execute("RESET lock_timeout")
            release.set()
        held.result()

    refused(response, "unavailable", 503)
    assert response["Retry-After"] == "1"
    refused(api.get(f"/orders/by-client-id/{alice.id}/mine"), "order_not_found", 404)
    assert money(alice, market.instrument.quote) == ("10000000", "0")


def test_mass_cancels_at_once_end_everything_once(market: Market, alice: TradingAccount, api: Api) -> None:
    for price in (50000, 49000):
        market.buy(alice, 1, price)
    market.drain()

    answers = _at_once([lambda: api.delete(f"/orders?account={alice.id}&wait=0")] * 8)
    market.drain()

    assert set(_codes(answers)) <= {"200", "202"}
    assert set(Order.objects.values_list("status", flat=True)) == {"cancelled"}
    assert money(alice, market.instrument.quote) == ("10000000", "0")


def test_cancels_at_once_cancel_once(market: Market, alice: TradingAccount, api: Api) -> None:
    order = market.buy(alice, 1, 50000)
    market.drain()

    answers = _at_once([lambda: api.delete(f"/orders/{order}?wait=0")] * 8)
    market.drain()

    assert set(_codes(answers)) <= {"202", "order_not_open"}
    assert Order.objects.get().status == "cancelled"
    assert money(alice, market.instrument.quote) == ("10000000", "0")
