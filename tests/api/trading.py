"""What the tests share that trade through the API: restarts, trades of strangers, how an order stands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from orders.services import books
from tests.api.client import Api
from tests.factories import Market

Place = Callable[..., dict[str, Any]]


def restart(market: Market) -> None:
    """Apply what waits, then throw the engine away: the next drain rebuilds it and compares the hash."""
    market.drain()
    books.forget(market.shard.id)


def trade_at(market: Market, price: str | int, quantity: str | int = "0.1") -> None:
    """Let two strangers trade at a price, through an empty stretch of the book."""
    market.buy(market.trader(), quantity, price)
    market.sell(market.trader(), quantity, price)
    restart(market)


def status(api: Api, order: dict[str, Any]) -> tuple[str, str, str]:
    """(status, filled, reason) of an order now."""
    found = api.get(f"/orders/{order['id']}").json()
    return found["status"], found["filled"], found["reason"]
