"""A client of the Binance dialect, as its own clients send: parameters in the query or in a form, signed."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

from django.test import Client
from django.utils import timezone

from accounts.models import Scope, TradingAccount
from accounts.services.key_issuing import KeyWish, create_key
from audit.actor import Actor

FORM = "application/x-www-form-urlencoded"

Sign = Callable[[bytes], str]


class Venue(Client):
    """Paths are relative to /api/v3; parameters are keywords, in the order in which they are sent."""

    def ask(self, path: str, /, **parameters: Any) -> Any:
        """GET; the body of an answer that must be 200."""
        return answered(self.look(path, **parameters))

    def look(self, path: str, /, **parameters: Any) -> Any:
        """GET."""
        return self.get(f"/api/v3/{path}?{urlencode(parameters)}")


class Signed(Venue):
    """A client with a key: the time, then the signature, come last."""

    def __init__(self, key_id: str, sign: Sign) -> None:
        super().__init__(headers={"X-MBX-APIKEY": key_id})
        self.key_id = key_id
        self.sign = sign

    def look(self, path: str, /, **parameters: Any) -> Any:
        """GET with all in the query."""
        return self.get(f"/api/v3/{path}?{self.signed(parameters)}")

    def send(self, path: str, /, method: str = "POST", **parameters: Any) -> Any:
        """POST, PUT or DELETE with all in a form."""
        return self.generic(method, f"/api/v3/{path}", self.signed(parameters), content_type=FORM)

    def do(self, path: str, /, method: str = "POST", **parameters: Any) -> Any:
        """The same; the body of an answer that must be 200."""
        return answered(self.send(path, method, **parameters))

    def signed(self, parameters: dict[str, Any]) -> str:
        """A query or form."""
        stamped = parameters if "timestamp" in parameters else parameters | {"timestamp": now_ms()}
        text = urlencode({name: value for name, value in stamped.items() if value is not None})
        return f"{text}&signature={quote(self.sign(text.encode()), safe='')}"


def now_ms() -> int:
    """What a client's clock says."""
    return time.time_ns() // 1_000_000


def signed_hmac(secret: str) -> Sign:
    """Signing as most clients do."""
    return lambda payload: hmac.digest(secret.encode(), payload, "sha256").hex()


def client_of(
    account: TradingAccount, *, scopes: frozenset[Scope] = frozenset({Scope.READ, Scope.TRADE}), **wish: Any
) -> Signed:
    """A client with a fresh HMAC key of the account."""
    issued = create_key(
        KeyWish(account_id=account.pk, label=f"test {time.time_ns()}", scopes=scopes, **wish),
        actor=Actor.user(user_id=account.user_id, label=account.user.username),
        now=timezone.now(),
    )
    return Signed(issued.key.key_id, signed_hmac(issued.secret))


def answered(response: Any) -> Any:
    """The body of an answer that must be 200."""
    assert response.status_code == 200, response.content
    return response.json()


def refused(response: Any, code: int, msg: str, status: int = 400) -> dict[str, Any]:
    """Fail unless the answer is this error, letter by letter; its body."""
    body: dict[str, Any] = response.json()
    assert (body["code"], body["msg"], response.status_code) == (code, msg, status), body
    return body
