"""A trader's desk at the running platform: everything it does goes through the HTTP API."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Self

import httpx
from django.utils import timezone

from accounts.models import AccountType, Role
from instruments.models import Instrument, Realm
from tests.factories import fund, make_account, make_instrument, make_user, short, tokens_of
from tests.servers import Platform

_WAIT = {"wait": 5_000}


class Desk:
    """A fresh instrument with an empty book, and the traders who come to it.

    All that the tests do behind the API's back is opening instruments, funded accounts and sessions.
    """

    def __init__(self, platform: Platform, **instrument: Any) -> None:
        self.base_url = f"{platform.base_url}/api/v1/"
        self.ws_url, self.var_dir = platform.ws_url, platform.var_dir
        self.instrument: Instrument = make_instrument(**instrument)
        self.public = httpx.Client(base_url=self.base_url, timeout=15)
        self._traders: list[Trader] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for client in (self.public, *(trader.http for trader in self._traders)):
            client.close()

    @property
    def symbol(self) -> str:
        """Of the instrument."""
        return self.instrument.symbol

    def trader(self, *, base: str | int = 10_000, quote: str | int = 1_000_000_000) -> Trader:
        """A new person with a funded account and a session; a login would cost half a second of hashing."""
        user = make_user(Role.TRADER)
        kind = AccountType.DEMO if self.instrument.realm == Realm.DEMO else AccountType.LIVE
        account = make_account(currency=self.instrument.quote, user=user, type=kind)
        fund(account, self.instrument.base, base, now=timezone.now())
        fund(account, self.instrument.quote, quote, now=timezone.now())
        trader = Trader(self, tokens_of(user).access, account.id)
        self._traders.append(trader)
        return trader

    def depth(self) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        """(bids, asks), best first, as (price, quantity) in short text."""
        book = self.public.get(f"instruments/{self.symbol}/depth").raise_for_status().json()
        return plain(book["bids"]), plain(book["asks"])

    def trades(self) -> list[tuple[str, str]]:
        """(quantity, price) of every trade, oldest first, in short text."""
        page = self.public.get(f"instruments/{self.symbol}/trades").raise_for_status().json()
        return [(number(t["quantity"]), number(t["price"])) for t in reversed(page["results"])]

    def ticker(self) -> dict[str, str]:
        """The instrument's ticker, numbers in short text."""
        found = self.public.get(f"instruments/{self.symbol}/ticker").raise_for_status().json()
        return {name: number(found[name]) for name in ("bid", "ask", "spread", "mid")}


class Trader:
    """One person and their account."""

    def __init__(self, desk: Desk, token: str, account: int) -> None:
        self.desk, self.account = desk, account
        self.http = httpx.Client(base_url=desk.base_url, timeout=15)
        self.http.headers["Authorization"] = f"Bearer {token}"

    def body(self, side: str, quantity: str, price: str | None, **more: Any) -> dict[str, Any]:
        """An order as JSON: limit where a price is given, else market."""
        return {
            "account": self.account,
            "symbol": self.desk.symbol,
            "side": side,
            "type": "market" if price is None else "limit",
            "quantity": quantity,
            **({} if price is None else {"price": price}),
            **more,
        }

    def send(self, body: dict[str, Any]) -> httpx.Response:
        """POST an order and wait for the book."""
        return self.http.post("orders", json=body, params=_WAIT)

    def buy(self, quantity: str, price: str | None = None, **more: Any) -> dict[str, Any]:
        """Buy; the order as the book has answered it."""
        return self._placed(self.body("buy", quantity, price, **more))

    def sell(self, quantity: str, price: str | None = None, **more: Any) -> dict[str, Any]:
        """Sell; the order as the book has answered it."""
        return self._placed(self.body("sell", quantity, price, **more))

    def _placed(self, body: dict[str, Any]) -> dict[str, Any]:
        answer = self.send(body)
        assert answer.status_code == 201, answer.text
        placed: dict[str, Any] = answer.json()
        return placed

    def order(self, placed: dict[str, Any]) -> tuple[str, str, str, str]:
        """(status, filled, leaves, reason) of an order now."""
        found = self.http.get(f"orders/{placed['id']}").raise_for_status().json()
        return found["status"], number(found["filled"]), number(found["leaves"]), found["reason"]

    def cancel(self, order_id: str) -> httpx.Response:
        """DELETE an order and wait for the book."""
        return self.http.delete(f"orders/{order_id}", params=_WAIT)

    def fees(self, placed: dict[str, Any]) -> list[tuple[str, str]]:
        """(liquidity, fee) of each fill of an order."""
        fills = self.http.get(f"orders/{placed['id']}/fills").raise_for_status().json()["results"]
        return [(fill["liquidity"], number(fill["fee"])) for fill in fills]

    def balances(self) -> dict[str, tuple[str, str]]:
        """(balance, held) by "base" and "quote"."""
        rows = self.http.get(f"accounts/{self.account}/balances").raise_for_status().json()["results"]
        names = {self.desk.instrument.base.code: "base", self.desk.instrument.quote.code: "quote"}
        return {names[row["asset"]]: (number(row["balance"]), number(row["held"])) for row in rows}

    def order_count(self) -> int:
        """How many orders the account has ever had."""
        page = self.http.get("orders", params={"account": self.account}).raise_for_status().json()
        return len(page["results"])


def number(text: str) -> str:
    """A decimal string without trailing zeros."""
    return short(Decimal(text))


def plain(levels: list[list[str]]) -> list[tuple[str, str]]:
    """Levels with short numbers."""
    return [(number(price), number(quantity)) for price, quantity in levels]
