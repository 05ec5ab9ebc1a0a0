"""Plain requests, as the door that answers them in lists is given them."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

import orjson
from django.http import HttpRequest
from django.utils import timezone

from orders.api.listed import Listed
from orders.api.placing import BATCH, ORDERS, PlacingDoor
from tests.accounts.keys import Key
from tradeplatform.common.asked import Answer, Asked, ListDoor

DOOR = PlacingDoor()


def plain(
    body: object,
    token: str = "",
    *,
    key: Key | None = None,
    path: str = ORDERS,
    method: str = "POST",
    query: str = "wait=0",
    address: str = "",
    correlation_id: str = "",
    sent: Mapping[str, str] | None = None,
) -> Asked:
    """A request with this body, None for none; `sent` are headers that are not what they should be."""
    http = HttpRequest()
    http.method, http.path, http.path_info = method, path, path
    raw = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
    uri = f"{path}?{query}" if query else path
    http.META = {
        "REMOTE_ADDR": address or str(ip_address((10 << 24) + secrets.randbelow(1 << 24))),
        "QUERY_STRING": query,
        "RAW_URI": uri,
        "HTTP_HOST": "localhost",
    }
    if token:
        http.META["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    if key:
        stamp = str(int(timezone.now().timestamp() * 1_000))
        http.META["HTTP_X_API_KEY"] = key.key_id
        http.META["HTTP_X_API_TIMESTAMP"] = stamp
        http.META["HTTP_X_API_SIGNATURE"] = key.sign(f"{stamp}\n\n{method}\n{uri}\n".encode() + raw)
    http.META |= dict(sent or {})
    return Asked(http, raw, correlation_id or secrets.token_hex(16))


def batch(*items: object) -> dict[str, Any]:
    """The body of a batch."""
    return {"orders": list(items)}


class Answers:
    """What each of many was told, in the order they asked; None where it was left to the view."""

    def __init__(self, *asked: Asked, door: ListDoor[Any] = DOOR) -> None:
        self._told: dict[int, Answer] = {}
        self._ready = door.prepare(asked)
        door.perform([one for one in self._ready if one is not None], self._tell)

    def _tell(self, one: Listed, answer: Answer) -> None:
        assert id(one) not in self._told, "told twice"
        self._told[id(one)] = answer

    def told(self) -> list[Answer | None]:
        """Of each; None also while it waits."""
        return [self._told.get(id(one)) for one in self._ready]

    def said(self) -> list[tuple[int, Any] | None]:
        """Status and body of each."""
        return [(int(answer.status), orjson.loads(answer.body)) if answer else None for answer in self.told()]

    def whole(self) -> list[tuple[int, Any]]:
        """The same where nobody was left to the view, and all were told."""
        return [said for said in self.said() if said is not None]

    def codes(self) -> list[tuple[int, str] | None]:
        """Status, and the order's status or the code of the refusal, of each single order."""
        return [said and (said[0], said[1].get("code") or said[1]["status"]) for said in self.said()]


__all__ = ["BATCH", "DOOR", "ORDERS", "Answers", "batch", "plain"]
