"""What is another person's is not there: the same 404 as for an id that never was, whatever the method."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import Role, TradingAccount, UserRole
from tests.api.client import Api, order_body, refused, signed_in
from tests.factories import Market, everything_stored

_UNKNOWN = 987_654_321

_ORDER_DOORS: dict[str, Callable[[Api, Any], Any]] = {
    "read": lambda api, order: api.get(f"/orders/{order}"),
    "fills": lambda api, order: api.get(f"/orders/{order}/fills"),
    "events": lambda api, order: api.get(f"/orders/{order}/events"),
    "amend": lambda api, order: api.patch(f"/orders/{order}?wait=0", {"price": "49000"}),
    "cancel": lambda api, order: api.delete(f"/orders/{order}?wait=0"),
}
_ACCOUNT_DOORS: dict[str, Callable[[Api, Any], Any]] = {
    "balances": lambda api, account: api.get(f"/accounts/{account}/balances"),
    "ledger": lambda api, account: api.get(f"/accounts/{account}/ledger"),
    "orders": lambda api, account: api.get(f"/orders?account={account}"),
    "fills": lambda api, account: api.get(f"/fills?account={account}"),
    "order by client id": lambda api, account: api.get(f"/orders/by-client-id/{account}/secret"),
    "cancel all": lambda api, account: api.delete(f"/orders?account={account}&wait=0"),
}


@pytest.fixture
def theirs(market: Market, bob: TradingAccount) -> int:
    """Bob's resting order, partly filled."""
    order = market.buy(bob, 1, 50000, client_order_id="secret")
    market.sell(market.trader(), "0.4")
    market.drain()
    return order


def _answer(response: Any) -> dict[str, Any]:
    """The refusal without what differs by nature."""
    body: dict[str, Any] = response.json()
    return {name: value for name, value in body.items() if name not in {"correlation_id", "context"}}


@pytest.mark.parametrize("door", _ORDER_DOORS.values(), ids=_ORDER_DOORS.keys())
def test_anothers_order_is_as_unknown_as_none(api: Api, theirs: int, door: Callable[[Api, Any], Any]) -> None:
    before = everything_stored()

    response = door(api, theirs)

    refused(response, "order_not_found", 404)
    assert _answer(response) == _answer(door(api, _UNKNOWN))
    assert everything_stored() == before


@pytest.mark.parametrize("door", _ACCOUNT_DOORS.values(), ids=_ACCOUNT_DOORS.keys())
def test_anothers_account_is_as_unknown_as_none(
    api: Api, bob: TradingAccount, theirs: int, door: Callable[[Api, Any], Any]
) -> None:
    before = everything_stored()

    response = door(api, bob.id)

    refused(response, "account_not_found", 404)
    assert _answer(response) == _answer(door(api, _UNKNOWN))
    assert everything_stored() == before


def test_an_order_for_anothers_account_is_refused(market: Market, bob: TradingAccount, api: Api) -> None:
    before = everything_stored()

    response = api.post("/orders?wait=0", order_body(market, bob))

    refused(response, "account_not_found", 404)
    assert _answer(response) == _answer(api.post("/orders?wait=0", order_body(market, bob, account=_UNKNOWN)))
    assert everything_stored() == before


@pytest.mark.parametrize("role", list(Role))
def test_no_role_opens_other_peoples_accounts_here(
    bob: TradingAccount, alice: TradingAccount, theirs: int, role: Role
) -> None:
    UserRole.objects.get_or_create(user=alice.user, role=role)
    type(alice.user).objects.filter(id=alice.user.id).update(is_staff=True, is_superuser=True)
    api = signed_in(alice)

    for door in _ORDER_DOORS.values():
        refused(door(api, theirs), "order_not_found", 404)
    for door in _ACCOUNT_DOORS.values():
        refused(door(api, bob.id), "account_not_found", 404)


def test_lists_hold_nothing_of_anyone_else(api: Api, theirs: int) -> None:
    assert api.get("/orders").json()["results"] == []
    assert api.get("/fills").json()["results"] == []


def test_anothers_client_order_id_is_free_for_me(
    market: Market, alice: TradingAccount, api: Api, theirs: int
) -> None:
    assert api.post("/orders?wait=0", order_body(market, alice, client_order_id="secret")).status_code == 202
