"""A market, two traders and their clients."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import TradingAccount
from tests.api.client import Api, order_body, signed_in
from tests.api.lists import Sent
from tests.api.trading import Place, restart
from tests.factories import Market, make_market


@pytest.fixture
def market(db: None) -> Market:
    """An instrument around 50000."""
    return make_market()


@pytest.fixture
def alice(market: Market) -> TradingAccount:
    """A trader with 100 of the base asset and 10,000,000 of the quote asset."""
    return market.trader()


@pytest.fixture
def bob(market: Market) -> TradingAccount:
    """Another one."""
    return market.trader()


@pytest.fixture
def api(alice: TradingAccount) -> Api:
    """Alice's client."""
    return signed_in(alice)


@pytest.fixture
def anonymous() -> Api:
    """A client without a token."""
    return Api()


@pytest.fixture
def place(market: Market, alice: TradingAccount, api: Api) -> Place:
    """Send an order of Alice's, let the book see it, restart the engine; the order as it then stands."""

    def send(**fields: Any) -> dict[str, Any]:
        answer = api.post("/orders?wait=0", order_body(market, alice, **{"price": None} | fields))
        assert answer.status_code == 202, answer.json()
        restart(market)
        found: dict[str, Any] = api.get(f"/orders/{answer.json()['id']}").json()
        return found

    return send


@pytest.fixture
def send(market: Market, alice: TradingAccount, api: Api) -> Sent:
    """Place a list of Alice's, let the book see it, restart the engine; the list as it was answered."""

    def place(body: dict[str, Any]) -> dict[str, Any]:
        answer = api.post("/orders/lists?wait=0", body)
        assert answer.status_code == 202, answer.json()
        restart(market)
        found: dict[str, Any] = answer.json()
        return found

    return place
