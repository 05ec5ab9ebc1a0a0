"""A client of the API as a person would have: signed in, and suspicious of every answer."""

from __future__ import annotations

import secrets
from contextlib import suppress
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any

from django.http import HttpResponse
from django.urls import Resolver404, resolve
from rest_framework.test import APIClient

from accounts.models import TradingAccount, User
from tests.api.document import check
from tests.factories import Market, tokens_of

V1 = "/api/v1"


class Api(APIClient):
    """Holds every answer against the committed document. Paths are relative to /api/v1.

    Each calls from an address of its own: what strangers may ask is counted by address, over all tests.
    """

    def __init__(self) -> None:
        self.address = str(ip_address((10 << 24) + secrets.randbelow(1 << 24)))
        super().__init__(REMOTE_ADDR=self.address)

    def generic(self, *args: Any, **kwargs: Any) -> Any:
        """Send the request and check the answer."""
        method, path, *rest = args
        response = super().generic(method, V1 + path, *rest, **kwargs)
        if response.status_code != HTTPStatus.METHOD_NOT_ALLOWED:
            with suppress(Resolver404):
                check(response, resolve(response.request["PATH_INFO"]).route, method)
        return response

    def bearer(self, token: object) -> Api:
        """Send this token from now on."""
        self.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
        return self

    def sign_in(self, user: User) -> Api:
        """Send this person's token from now on, of a session of its own."""
        return self.bearer(tokens_of(user).access)


def signed_in(account: TradingAccount) -> Api:
    """A client of the account's owner."""
    return Api().sign_in(account.user)


def order_body(market: Market, account: TradingAccount, /, **changes: Any) -> dict[str, Any]:
    """The smallest valid order: buy one at 50000. A change to None leaves the field out."""
    body = {
        "account": account.id,
        "symbol": market.symbol,
        "side": "buy",
        "type": "limit",
        "quantity": "1",
        "price": "50000",
    }
    return {name: value for name, value in (body | changes).items() if value is not None}


def refused(response: HttpResponse, code: str, status: int = 400) -> dict[str, Any]:
    """Fail unless the answer is this refusal; its body."""
    body: dict[str, Any] = response.json()  # type: ignore[attr-defined]
    assert (body.get("code"), response.status_code) == (code, status), body
    assert response["Content-Type"] == "application/problem+json"
    assert body["status"] == status
    assert body["correlation_id"] == response["X-Correlation-ID"]
    return body
