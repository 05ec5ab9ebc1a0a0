"""Clients that keep books of their own: what each was told of every order, and when.

An order is acknowledged, refused or unknown. What is unknown is asked for by its client order id and sent
again where it is not there, until it is one of the other two.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http import HTTPStatus

import httpx

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

    def __init__(self, market: Market, base_url: str, seed: int) -> None:
        self.user: User = make_user(Role.TRADER)
        self.account = make_account(currency=market.instrument.quote, user=self.user)
        now = self.account.created_at
        fund(self.account, market.instrument.base, 1_000, now=now)
        fund(self.account, market.instrument.quote, 100_000_000, now=now)
        self.journal = Journal()
        self._symbol, self._chance, self._count = market.symbol, random.Random(seed), 0
        self._http = httpx.Client(base_url=f"{base_url}/api/v1/", timeout=_PATIENCE)
        self._http.headers["Authorization"] = f"Bearer {tokens_of(self.user).access}"

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
    def of(cls, market: Market, base_url: str, *, clients: int, seed: int) -> Load:
        """So many of them on one market."""
        return cls([Client(market, base_url, seed * 1000 + number) for number in range(clients)])

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
        found = [_next_outcome(client.journal, at) for at in self.strikes for client in self.clients]
        return sorted(wait for wait in found if wait is not None)

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
