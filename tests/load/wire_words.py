"""Actions in the words of API v1, and the signatures of its keys."""

from __future__ import annotations

import hmac
import time
from itertools import count
from typing import Any

import orjson

from tests.load.actions import Action, Amend, Cancel, Holder, Place, Transfer

_nonces = count()


def request_of(action: Action) -> tuple[str, str, bytes]:
    """(method, target, body) of an action over HTTP, answered when it is committed."""
    match action:
        case Place():
            return "POST", "/api/v1/orders?wait=0", orjson.dumps(order_of(action))
        case Cancel(order_id=order_id):
            return "DELETE", f"/api/v1/orders/{order_id}?wait=0", b""
        case Amend(order_id=order_id):
            return "PATCH", f"/api/v1/orders/{order_id}?wait=0", orjson.dumps(changes_of(action))
        case Transfer(holder=holder):
            body = {
                "to_account": action.to.account_id,
                "asset": action.asset,
                "amount": str(action.amount),
                "request_id": action.request_id,
            }
            return "POST", f"/api/v1/accounts/{holder.account_id}/transfers", orjson.dumps(body)


def order_of(place: Place) -> dict[str, Any]:
    """A new order."""
    order: dict[str, Any] = {
        "account": place.holder.account_id,
        "symbol": place.symbol,
        "side": "buy" if place.buy else "sell",
        "type": place.kind,
        "quantity": f"{place.quantity:f}",
        "client_order_id": place.name,
    }
    if place.price is not None:
        order["price"] = f"{place.price:f}"
    if place.worst is not None:
        order["protection_price"] = f"{place.worst:f}"
    if place.ioc:
        order["time_in_force"] = "ioc"
    return order


def changes_of(amend: Amend) -> dict[str, str]:
    """What an amend changes."""
    changes = {"price": amend.price, "quantity": amend.quantity}
    return {name: f"{value:f}" for name, value in changes.items() if value is not None}


def signed(holder: Holder, method: str, target: str, body: bytes = b"") -> tuple[str, str, str]:
    """(timestamp, nonce, signature) of a request by the holder's key; no two are equal."""
    stamp, nonce = str(time.time_ns() // 1_000_000), str(next(_nonces))
    payload = f"{stamp}\n{nonce}\n{method}\n{target}\n".encode() + body
    return stamp, nonce, hmac.digest(holder.secret.encode(), payload, "sha256").hex()
