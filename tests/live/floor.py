"""A floor for who asks for orders as bytes: people with money, and whom of the platform they meet."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import psutil
from django.utils import timezone
from rest_framework_simplejwt.tokens import AccessToken

from accounts.models import Role, TradingAccount
from instruments.models import Instrument
from orders.models import Book, Order
from tests.accounts.keys import Key
from tests.factories import fund, make_account, make_user, tag, tokens_of
from tests.live.lines import Answer, Line, request
from tests.running import Platform
from tests.tradeplatform.supervisor.waiting import wait_for
from tradeplatform.supervisor.processes import read_records

PATIENCE = 40.0
#: A header that no plain request has: the views answer.
UNPLAIN = {"X_Other": "1"}


@dataclass
class Trader:
    """Somebody with money, a session, and a way to be answered: `more` headers go with each request."""

    symbol: str
    account: TradingAccount
    token: str
    more: dict[str, str]

    def order(self, **changes: Any) -> dict[str, Any]:
        """A bid that rests far below all that is offered; what is None is left out."""
        usual = {
            "account": self.account.pk,
            "symbol": self.symbol,
            "side": "buy",
            "type": "limit",
            "quantity": "1",
            "price": "46000",
        }
        return {name: value for name, value in (usual | changes).items() if value is not None}

    def ask(self, method: str, target: str, body: object, **headers: str | None) -> bytes:
        """A request in their session."""
        return request(
            method, target, body, **{"Authorization": f"Bearer {self.token}", **self.more, **headers}
        )

    def post(self, target: str, body: object, **headers: str | None) -> bytes:
        """A request with a body in their session."""
        return self.ask("POST", target, body, **headers)

    def place(self, target: str = "orders?wait=5000", /, **changes: Any) -> bytes:
        """A request for an order."""
        return self.post(target, self.order(**changes))

    def signed(self, key: Key, target: str = "orders?wait=5000", /, age_ms: int = 0, **forged: str) -> bytes:
        """The same signed by a key."""
        body = json.dumps(self.order()).encode()
        return self._signed(key, "POST", target, body, age_ms=age_ms, **forged)

    def _signed(
        self, key: Key, method: str, target: str, body: bytes | None, *, age_ms: int = 0, **forged: str
    ) -> bytes:
        timestamp = str(int(timezone.now().timestamp() * 1_000) - age_ms)
        text = f"{timestamp}\n{tag()}\n{method}\n/api/v1/{target}\n".encode() + (body or b"")
        nonce = text.split(b"\n")[1].decode()
        headers: dict[str, str | None] = {
            "Authorization": None,
            "X_API_KEY": key.key_id,
            "X_API_TIMESTAMP": timestamp,
            "X_API_NONCE": nonce,
            "X_API_SIGNATURE": key.sign(text),
        }
        return self.ask(method, target, body, **headers | forged)

    def signed_cancel(self, key: Key, placed: Answer) -> bytes:
        """A request to take an order off, signed by a key."""
        return self._signed(key, "DELETE", f"orders/{placed.json['id']}?wait=5000", None)

    def cancel(self, placed: Answer, wait: str = "?wait=5000", body: object = None, **headers: str) -> bytes:
        """A request to take an order off."""
        return self.ask("DELETE", f"orders/{placed.json['id']}{wait}", body, **headers)

    def amend(self, placed: Answer, body: object, wait: str = "?wait=5000", **headers: str) -> bytes:
        """A request to change an order."""
        return self.ask("PATCH", f"orders/{placed.json['id']}{wait}", body, **headers)

    def orders(self) -> list[Order]:
        """What is stored."""
        return list(Order.objects.filter(account=self.account))


@dataclass(frozen=True)
class Floor:
    """An instrument on which 1,000 are offered at 50000, and another that is halted."""

    platform: Platform
    instrument: Instrument
    halted: Instrument

    def trader(self, more: dict[str, str] | None = None, *, quote: int = 1_000_000_000) -> Trader:
        """A new person."""
        user = make_user(Role.TRADER)
        account = make_account(currency=self.instrument.quote, user=user)
        fund(account, self.instrument.base, 10_000, now=timezone.now())
        fund(account, self.instrument.quote, quote, now=timezone.now())
        return Trader(self.instrument.symbol, account, tokens_of(user).access, more or {})

    def ask(self, sent: bytes) -> Answer:
        """On a connection of its own."""
        with Line(self.platform) as line:
            return line.ask(sent)

    def in_lists(self, answers: list[Answer]) -> list[bool]:
        """Whether each was answered in a list, as the log says, which is written after the answer."""
        return [" [tradeplatform.express.answering] " in self._finished(one) for one in answers]

    def _finished(self, answer: Answer) -> str:
        name = answer.header("X-Correlation-ID")
        wait_for(partial(self.are_finished, [name]), "the log to tell of it")
        return self._lines(name)[-1]

    def are_finished(self, names: list[str]) -> bool:
        """Whether the log tells of the ends of all requests of these correlation ids."""
        return all(self._lines(name) for name in names)

    def finished(self, names: list[str]) -> list[str]:
        """The same correlation ids in the order of their ends, once the log tells of all."""
        wait_for(partial(self.are_finished, names), "the log to tell of them")
        ended = [line.partition(" request_id=")[2].split()[0] for line in self._ends()]
        return [name for name in ended if name in set(names)]

    def _lines(self, name: str) -> list[str]:
        return [line for line in self._ends() if f" request_id={name} " in f"{line} "]

    def _ends(self) -> list[str]:
        lines = (self.platform.var_dir / "log" / "web.log").read_text().splitlines()
        return [line for line in lines if "request_finished" in line]


def web_process(platform: Platform) -> psutil.Process:
    """The process that answers."""
    master = psutil.Process(next(one.pid for one in read_records(platform.var_dir) if one.name == "web"))
    (process,) = master.children()
    return process


def callers_of(platform: Platform) -> int:
    """How many connections it has of those who ask, whatever it has of its own."""
    port = int(platform.base_url.rpartition(":")[2])
    held = web_process(platform).net_connections()
    return sum(one.laddr.port == port and one.status != psutil.CONN_LISTEN for one in held)


def worker_of(floor: Floor) -> psutil.Process:
    """The process that matches on the floor."""
    name = f"shard-{Book.objects.get(instrument=floor.instrument).shard_id}"
    return psutil.Process(next(one.pid for one in read_records(floor.platform.var_dir) if one.name == name))


def batch(*items: object) -> dict[str, object]:
    return {"orders": list(items)}


def access_token(trader: Trader) -> Any:
    """Theirs, to be read or changed."""
    return AccessToken(trader.token)  # type: ignore[arg-type]  # a token is made of text as well


def expired(trader: Trader) -> str:
    """A token of their session that was good."""
    token = access_token(trader)
    token.set_exp(lifetime=-timedelta(seconds=1))
    return str(token)
