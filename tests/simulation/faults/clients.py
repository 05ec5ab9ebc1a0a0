"""Clients that keep books of their own: what each was told of every order, and when.

An order is acknowledged, refused or unknown. What is unknown is asked for by its client order id and sent
again where it is not there, until it is one of the other two.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import httpx
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from accounts.models import Role, User
from orders.models import Fill, Order, OrderIdentity
from tests.factories import Market, fund, make_account, make_user, tokens_of

_TOLD = frozenset({HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED})
#: Longer than any answer may take, so that one that hangs is measured and not cut short.
_PATIENCE = 60.0
_PAUSE = 0.02


@dataclass(slots=True)
class Journal:
    """What one client was told, and its requests: when each began and ended, and with which status."""

    acknowledged: dict[str, int] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    unknown: dict[str, dict[str, str | int]] = field(default_factory=dict)
    requests: list[tuple[float, float, int]] = field(default_factory=list)
    #: Of what is no outcome: the codes of the answers, or the kinds of broken connections.
    heard: Counter[str] = field(default_factory=Counter)
    surprises: list[str] = field(default_factory=list)


class Client:
    """Somebody with money who sends an order at a time, near 50000; every seventh has half a lot too much."""

    def __init__(self, market: Market, base_url: str, seed: int, *, patience: float = _PATIENCE) -> None:
        self.user: User = make_user(Role.TRADER)
        self.account = make_account(currency=market.instrument.quote, user=self.user)
        now = self.account.created_at
        fund(self.account, market.instrument.base, 1_000, now=now)
        fund(self.account, market.instrument.quote, 100_000_000, now=now)
        self.journal = Journal()
        self._symbol, self._chance, self._count = market.symbol, random.Random(seed), 0
        self.token = tokens_of(self.user).access
        self._http = httpx.Client(base_url=f"{base_url}/api/v1/", timeout=patience)
        self._http.headers["Authorization"] = f"Bearer {self.token}"

    def close(self) -> None:
        """Hang up."""
        self._http.close()

    def step(self) -> None:
        """Send an order, and ask for one whose outcome is unknown."""
        self._count += 1
        name = f"fault-{self._count}"
        bad = self._count % 7 == 0
        body: dict[str, str | int] = {
            "account": self.account.id,
            "symbol": self._symbol,
            "side": self._chance.choice(["buy", "sell"]),
            "type": "limit",
            "quantity": f"0.{self._chance.randint(1, 50):04}{'5' if bad else ''}",
            "price": str(50_000 + self._chance.randint(-9, 9)),
            "client_order_id": name,
        }
        self._send(name, body)
        if self.journal.unknown:
            self.ask()

    def _send(self, name: str, body: dict[str, str | int]) -> None:
        answer = self._call("POST", "orders", body)
        if answer is not None and answer.status_code in _TOLD:
            self.journal.acknowledged[name] = int(answer.json()["id"])
        elif answer is not None and answer.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
            if answer.status_code != HTTPStatus.BAD_REQUEST:
                self.journal.surprises.append(answer.text[:300])
            self.journal.refused.add(name)
        else:
            self.journal.unknown[name] = body

    def ask(self) -> None:
        """Of the oldest order without an outcome, by its client order id."""
        name, body = next(iter(self.journal.unknown.items()))
        found = self._call("GET", f"orders/by-client-id/{self.account.id}/{name}")
        if found is None or found.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return
        del self.journal.unknown[name]
        if found.status_code == HTTPStatus.OK:
            self.journal.acknowledged[name] = int(found.json()["id"])
        else:
            self._send(name, body)

    def _call(self, method: str, path: str, body: object = None) -> httpx.Response | None:
        began, code = time.monotonic(), 0
        try:
            answer = self._http.request(method, path, json=body, params={"wait": 0} if body else None)
        except httpx.TransportError as error:
            self.journal.heard[type(error).__name__] += 1
            return None
        else:
            code = answer.status_code
            if code >= HTTPStatus.INTERNAL_SERVER_ERROR:
                self.journal.heard[_code_of(answer)] += 1
                if code != HTTPStatus.SERVICE_UNAVAILABLE:
                    self.journal.surprises.append(answer.text[:300])
            return answer
        finally:
            self.journal.requests.append((began, time.monotonic(), code))


class SocketClient(Client):
    """The same by the socket: what is unknown is sent again, and answered with what there is."""

    def __init__(self, market: Market, base_url: str, seed: int, url: str) -> None:
        super().__init__(market, base_url, seed)
        self._url, self._socket = url, None
        self._numbers = 0

    _socket: ClientConnection | None

    def close(self) -> None:
        """Hang up."""
        super().close()
        self._hang_up()

    def ask(self) -> None:
        """Send the oldest order without an outcome again."""
        name, body = next(iter(self.journal.unknown.items()))
        self._send(name, body)

    def _send(self, name: str, body: dict[str, str | int]) -> None:
        began, code, said = time.monotonic(), 0, None
        try:
            said = self._converse(body)
            code = _status_of(said)
        except (OSError, TimeoutError, WebSocketException) as error:
            self.journal.heard[type(error).__name__] += 1
            self._hang_up()
        self.journal.requests.append((began, time.monotonic(), code))
        self.journal.unknown.pop(name, None)
        if said is not None and code == HTTPStatus.CREATED:
            self.journal.acknowledged[name] = int(said["order"]["id"])
        elif said is not None and code == HTTPStatus.BAD_REQUEST:
            self.journal.refused.add(name)
        else:
            if said is not None:
                self.journal.heard[f"{code} {said['code']}"] += 1
            self.journal.unknown[name] = body

    def _converse(self, body: dict[str, str | int]) -> dict[str, Any]:
        if self._socket is None:
            self._socket = connect(
                self._url, open_timeout=_PATIENCE, close_timeout=0, ping_interval=None, proxy=None
            )
            said = self._hear_of({"op": "auth", "token": self.token})
            if said["type"] != "authenticated":
                # Who is not let in has asked for nothing yet.
                self._hang_up()
                return {"type": "error", "code": "unavailable"}
        return self._hear_of({"op": "place", "order": body})

    def _hear_of(self, message: dict[str, object]) -> dict[str, Any]:
        assert self._socket is not None
        self._numbers += 1
        self._socket.send(json.dumps(message | {"id": self._numbers}))
        deadline = time.monotonic() + _PATIENCE
        while True:
            said: dict[str, Any] = json.loads(self._socket.recv(timeout=deadline - time.monotonic()))
            if said.get("id") == self._numbers:
                return said

    def _hang_up(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = None


#: What a socket says while it cannot tell, or cannot do it now.
_NO_OUTCOME = frozenset({"unavailable", "overloaded", "throttled", "internal_error", "not_authenticated"})


def _status_of(said: dict[str, Any]) -> int:
    if said["type"] == "placed":
        return HTTPStatus.CREATED
    no_outcome = said["code"] in _NO_OUTCOME
    return HTTPStatus.SERVICE_UNAVAILABLE if no_outcome else HTTPStatus.BAD_REQUEST


def _code_of(answer: httpx.Response) -> str:
    try:
        return f"{answer.status_code} {answer.json()['code']}"
    except (ValueError, KeyError):
        return str(answer.status_code)


@dataclass(slots=True)
class Load:
    """Clients at work, each in a thread, from `start` to `rest`; and when something was struck."""

    clients: list[Client]
    strikes: list[float] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    @classmethod
    def of(
        cls, market: Market, base_url: str, *, clients: int, seed: int, patience: float = _PATIENCE
    ) -> Load:
        """So many of them on one market."""
        numbers = range(seed * 1000, seed * 1000 + clients)
        return cls([Client(market, base_url, number, patience=patience) for number in numbers])

    def start(self) -> None:
        """Let them begin."""
        self._threads = [threading.Thread(target=self._run, args=[client]) for client in self.clients]
        for thread in self._threads:
            thread.start()

    def _run(self, client: Client) -> None:
        while not self._stop.wait(_PAUSE):
            client.step()

    def rest(self) -> None:
        """Let them end what they are at; then they learn what came of all that is unknown."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def learn(self, *, seconds: float = 60.0) -> int:
        """Ask for all that is unknown; how many orders still are."""
        deadline = time.monotonic() + seconds
        for client in self.clients:
            while client.journal.unknown and time.monotonic() < deadline:
                client.ask()
        return sum(len(client.journal.unknown) for client in self.clients)

    def close(self) -> None:
        """Hang up, after `rest`."""
        self._stop.set()
        for client in self.clients:
            client.close()

    def struck(self) -> None:
        """Now."""
        self.strikes.append(time.monotonic())

    def all_told_since(self, moment: float) -> bool:
        """Whether each has had an outcome of what it asked after a moment."""
        return all(_next_outcome(client.journal, moment) is not None for client in self.clients)

    def waits(self) -> list[float]:
        """Seconds from each strike to each client's next outcome; those that had none are left out."""
        return sorted(wait for at in self.strikes for wait in self.waits_since(at))

    def waits_since(self, moment: float) -> list[float]:
        """Seconds from a moment to each client's next outcome, of those that have had one."""
        found = [_next_outcome(client.journal, moment) for client in self.clients]
        return [wait for wait in found if wait is not None]

    def longest_request(self) -> float:
        """Seconds."""
        times = [ended - began for client in self.clients for began, ended, _ in client.journal.requests]
        return max(times, default=0.0)


def _next_outcome(journal: Journal, moment: float) -> float | None:
    # The list only grows, and the end of it is what is looked for.
    for began, ended, code in list(journal.requests):
        if began >= moment and HTTPStatus.OK <= code < HTTPStatus.INTERNAL_SERVER_ERROR:
            return ended - moment
    return None


@dataclass(slots=True)
class Verdict:
    """What the stored orders say of the journals."""

    acknowledged: int = 0
    refused: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    #: Stored, though it was refused or never answered for.
    strange: list[str] = field(default_factory=list)
    surprises: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether all that was told is so, and nothing else is."""
        return self.acknowledged > 0 and not (self.lost or self.doubled or self.strange or self.surprises)


def compare(load: Load) -> Verdict:
    """Look for what was acknowledged, order by order."""
    verdict = Verdict()
    for client in load.clients:
        journal, account = client.journal, client.account.id
        orders = list(Order.objects.filter(account_id=account).values_list("client_order_id", "id"))
        named = list(
            OrderIdentity.objects.filter(account_id=account).values_list("client_order_id", "order_id")
        )
        fills = Fill.objects.filter(account_id=account).values_list("trade_id", "order_id")
        verdict.acknowledged += len(journal.acknowledged)
        verdict.refused += len(journal.refused)
        for stored in (orders, named):
            verdict.lost += [
                f"{account} {name}"
                for name, number in journal.acknowledged.items()
                if dict(stored).get(name) != number
            ]
            verdict.strange += sorted({f"{account} {name}" for name, _ in stored} - _known(account, journal))
            times = Counter(name for name, _ in stored)
            verdict.doubled += [f"{account} {name}" for name, count in times.items() if count > 1]
        verdict.doubled += [f"fill {pair}" for pair, count in Counter(fills).items() if count > 1]
        verdict.surprises += journal.surprises
    return verdict


def _known(account: int, journal: Journal) -> set[str]:
    return {f"{account} {name}" for name in (*journal.acknowledged, *journal.unknown)}
