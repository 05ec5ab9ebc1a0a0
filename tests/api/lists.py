"""Lists of orders that depend on each other, as a client sends them, and how their orders stand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from accounts.models import TradingAccount
from tests.api.client import Api
from tests.factories import Market

Sent = Callable[..., dict[str, Any]]


def leg(side: str, quantity: str = "1", **fields: Any) -> dict[str, Any]:
    """An order of a list."""
    return {"side": side, "type": "limit", "quantity": quantity} | fields


def oco(market: Market, account: TradingAccount, **changes: Any) -> dict[str, Any]:
    """Sell one at 52000, or at market below 48000."""
    legs = [leg("sell", price="52000"), leg("sell", type="stop", trigger_price="48000")]
    return {"account": account.id, "symbol": market.symbol, "kind": "oco", "orders": legs} | changes


def bracket(market: Market, account: TradingAccount, **changes: Any) -> dict[str, Any]:
    """Buy one at 50000, then sell it above 52000 or below 48000."""
    return {
        "account": account.id,
        "symbol": market.symbol,
        "kind": "bracket",
        "orders": [leg("buy", price="50000")],
        "take_profit": {"trigger_price": "52000"},
        "stop_loss": {"trigger_price": "48000"},
    } | changes


def oto(market: Market, account: TradingAccount, *children: dict[str, Any]) -> dict[str, Any]:
    """Buy one at 50000, then the children."""
    orders = [leg("buy", price="50000"), *children]
    return {"account": account.id, "symbol": market.symbol, "kind": "oto", "orders": orders}


def named(body: dict[str, Any], *names: str) -> dict[str, Any]:
    """The list with client order ids."""
    orders = [order | {"client_order_id": name} for order, name in zip(body["orders"], names, strict=True)]
    return body | {"orders": orders}


def statuses(api: Api, placed: dict[str, Any]) -> list[tuple[str, str]]:
    """(status, reason) of each order of a list, in the order of the request."""
    found = [api.get(f"/orders/{order['id']}").json() for order in placed["orders"]]
    return [(order["status"], order["reason"]) for order in found]


def in_the_book(api: Api, placed: dict[str, Any]) -> list[str]:
    """Where each order of a list stands."""
    return [status for status, _reason in statuses(api, placed)]
