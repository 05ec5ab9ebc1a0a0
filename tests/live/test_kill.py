"""The crash tests: processes of the running platform are killed under load, and nothing acknowledged is lost.

The servers are those of `manage.py up`, durable as an operator has them. What is proved here is the death of
processes, not of the machine: what a killed process had written is in the kernel's cache either way.
"""

from __future__ import annotations

import random
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from http import HTTPStatus

import httpx
import psutil
import pytest
from django.db import InterfaceError, OperationalError, connections
from django.utils import timezone

from accounts.models import Role, TradingAccount
from orders.models import (
    Book,
    Command,
    CommandStatus,
    Order,
    OrderIdentity,
    OrderType,
    Shard,
    Side,
    Source,
    Trade,
)
from orders.selectors import find_order_by_client_id
from orders.services import books
from orders.services.intake import submit_order, submit_requests
from orders.services.requests import Accepted, CancelOrder, Denied, NewOrder
from orders.services.sending import pending_commands
from tests.factories import ACTOR, Market, fund, make_account, make_market, make_user
from tests.running import Platform
from tests.threads import start_elsewhere
from tests.tradeplatform.supervisor.waiting import wait_for
from tradeplatform.common.errors import Refusal
from tradeplatform.common.invariants import check_all
from tradeplatform.supervisor.processes import read_records

pytestmark = pytest.mark.live

KILLS = 3
STEPS = 60  # commands applied between two blows
PATIENCE = 40.0
PASSWORD = "correct horse battery staple"
DATABASE_AWAY = (OperationalError, InterfaceError)


@dataclass(slots=True)
class Journal:
    """What one client was told: which orders were acknowledged (with their ids), refused, or not answered."""

    acknowledged: dict[str, int] = field(default_factory=dict)
    denied: set[str] = field(default_factory=set)
    unknown: dict[str, NewOrder] = field(default_factory=dict)


@dataclass(slots=True)
class Client:
    """Somebody with money who sends orders and cancels until told to stop, and keeps a journal."""

    market: Market
    account: TradingAccount
    stop: threading.Event
    chance: random.Random
    journal: Journal = field(default_factory=Journal)
    count: int = 0

    def order(self) -> NewOrder:
        """A limit order near 50000; every seventh has half a lot too much and must be refused."""
        self.count += 1
        bad = self.count % 7 == 0
        return NewOrder(
            account_id=self.account.id,
            symbol=self.market.symbol,
            side=self.chance.choice(list(Side)),
            type=OrderType.LIMIT,
            quantity=Decimal(self.chance.randint(1, 50)) / 10_000 + (Decimal("0.00005") if bad else 0),
            price=Decimal(50_000 + self.chance.randint(-9, 9)),
            client_order_id=f"kill-{self.count}",
        )

    def run(self) -> None:
        """Send until told to stop, without running far ahead of the worker."""
        while not self.stop.is_set():
            self.step()
            self.stop.wait(0.01)
            with suppress(*DATABASE_AWAY):
                while pending_commands(shard_id=self.market.shard.id, at_most=501) > 500:
                    if self.stop.wait(0.02):
                        return

    def step(self) -> None:
        """Send something."""
        raise NotImplementedError

    def resolve(self) -> None:
        """Ask for each order without an answer by its client order id; send it again if it is not there."""
        raise NotImplementedError

    def forget_connections(self) -> None:
        """A connection that broke is no use any more; the next query opens another."""
        connections.close_all()
        self.stop.wait(0.1)


class InProcess(Client):
    """Calls intake itself, with lists of orders and cancels."""

    def step(self) -> None:
        orders = [self.order() for _ in range(10)]
        known = sorted(self.journal.acknowledged)
        cancels = [
            CancelOrder(account_id=self.account.id, client_order_id=name)
            for name in self.chance.sample(known, min(3, len(known)))
        ]
        try:
            outcomes = submit_requests(
                requests=[*orders, *cancels], actor=ACTOR, source=Source.API, now=timezone.now()
            )
        except DATABASE_AWAY:
            self.journal.unknown |= {str(order.client_order_id): order for order in orders}
            self.forget_connections()
            return
        for order, outcome in zip(orders, outcomes, strict=False):
            name = str(order.client_order_id)
            if isinstance(outcome, Accepted):
                self.journal.acknowledged[name] = outcome.order_id
            elif isinstance(outcome, Denied):
                self.journal.denied.add(name)

    def resolve(self) -> None:
        while self.journal.unknown:
            name, order = self.journal.unknown.popitem()
            with suppress(Refusal):
                stored = find_order_by_client_id(account_id=self.account.id, client_order_id=name)
                self.journal.acknowledged[name] = stored.id
                continue
            try:
                accepted = submit_order(order=order, actor=ACTOR, source=Source.API, now=timezone.now())
            except Refusal:
                self.journal.denied.add(name)
            else:
                assert not accepted.duplicate
                self.journal.acknowledged[name] = accepted.order_id


@dataclass(slots=True)
class OverHttp(Client):
    """Uses the API, one order a request, and cancels every third."""

    api: httpx.Client = field(default_factory=httpx.Client)

    def step(self) -> None:
        order = self.order()
        self.send(order)
        placed = self.journal.acknowledged.get(str(order.client_order_id))
        if placed and self.count % 3 == 0:
            with suppress(httpx.TransportError):
                answer = self.api.delete(f"orders/{placed}", params={"wait": 0})
                assert answer.status_code < 500 or answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE

    def send(self, order: NewOrder) -> None:
        name = str(order.client_order_id)
        body = {
            "account": order.account_id,
            "symbol": order.symbol,
            "side": order.side,
            "type": order.type,
            "quantity": str(order.quantity),
            "price": str(order.price),
            "client_order_id": name,
        }
        try:
            answer = self.api.post("orders", json=body, params={"wait": 0})
        except httpx.TransportError:
            self.journal.unknown[name] = order
            return
        if answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
            self.journal.unknown[name] = order
        elif answer.status_code in {HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED}:
            self.journal.acknowledged[name] = int(answer.json()["id"])
        else:
            assert answer.status_code == HTTPStatus.BAD_REQUEST, answer.text
            self.journal.denied.add(name)

    def resolve(self) -> None:
        while self.journal.unknown:
            name, order = self.journal.unknown.popitem()
            found = self.api.get(f"orders/by-client-id/{self.account.id}/{name}")
            if found.status_code == HTTPStatus.OK:
                self.journal.acknowledged[name] = int(found.json()["id"])
            elif found.status_code == HTTPStatus.NOT_FOUND:
                self.send(order)
            else:
                # A connection of the server's pool that broke with the database: the next one works.
                assert found.status_code == HTTPStatus.SERVICE_UNAVAILABLE, found.text
                self.journal.unknown[name] = order


@dataclass(slots=True)
class Scene:
    """A market on a shard of the running platform, and two clients at work."""

    platform: Platform
    market: Market
    clients: list[Client]
    stop: threading.Event
    at_work: list[Future[None]]

    def applied(self) -> int:
        """How many commands the shard has applied; -1 while the database is away."""
        try:
            return Shard.objects.get(id=self.market.shard.id).position
        except DATABASE_AWAY:
            connections.close_all()
            return -1

    def wait_for_progress(self) -> None:
        """Return when some more commands were applied than now."""
        wait_for(lambda: self.applied() >= 0, "the database to answer", seconds=PATIENCE)
        goal = self.applied() + STEPS
        wait_for(lambda: self.applied() >= goal, "the shard to go on", seconds=PATIENCE)
        wait_for(
            lambda: all(len(one.journal.acknowledged) > 5 and one.journal.denied for one in self.clients),
            "both clients to have orders taken and orders denied",
            seconds=PATIENCE,
        )

    def strike(self, name: str, what: signal.Signals) -> None:
        """Send a signal to a child of the supervisor; return when that process has ended."""
        process = psutil.Process(self.pid(name))
        process.send_signal(what)
        process.wait(PATIENCE)

    def pid(self, name: str) -> int:
        """The process that runs a child of the supervisor now."""
        return next(found.pid for found in read_records(self.platform.var_dir) if found.name == name)

    def rest(self) -> None:
        """Let the clients stop; raises what went wrong with them."""
        self.stop.set()
        for client in self.at_work:
            client.result(timeout=PATIENCE)


@pytest.fixture
def scene(platform: Platform) -> Iterator[Scene]:
    """Two clients, one of them over HTTP, trade with each other on a fresh instrument of shard 1."""
    market = make_market(shard=Shard.objects.get(id=1))
    accounts = [funded_account(market) for _ in range(2)]
    stop = threading.Event()
    with httpx.Client(base_url=f"{platform.base_url}/api/v1/", timeout=30) as api:
        login = {"username": accounts[0].user.username, "password": PASSWORD}
        tokens = api.post("auth/login", json=login).json()
        api.headers["Authorization"] = f"Bearer {tokens['access']}"
        clients: list[Client] = [
            OverHttp(market, accounts[0], stop, random.Random(1), api=api),
            InProcess(market, accounts[1], stop, random.Random(2)),
        ]
        scene = Scene(platform, market, clients, stop, [start_elsewhere(client.run) for client in clients])
        try:
            yield scene
        finally:
            scene.rest()


def funded_account(market: Market) -> TradingAccount:
    account = make_account(currency=market.instrument.quote, user=make_user(Role.TRADER, password=PASSWORD))
    fund(account, market.instrument.base, 1_000, now=timezone.now())
    fund(account, market.instrument.quote, 100_000_000, now=timezone.now())
    return account


def assert_nothing_was_lost(scene: Scene) -> None:
    """What was acknowledged is there once, what was refused is not, and everything fits together."""
    connections.close_all()
    instrument = scene.market.instrument
    mine = Command.objects.filter(instrument_id=instrument.id, status=CommandStatus.PENDING)
    wait_for(lambda: not mine.exists(), "every command to be applied", seconds=PATIENCE)
    for client in scene.clients:
        assert len(client.journal.acknowledged) > 5
        assert client.journal.denied
        assert not client.journal.unknown
        acknowledged = sorted(client.journal.acknowledged.items())
        orders = Order.objects.filter(account=client.account).values_list("client_order_id", "id")
        identities = OrderIdentity.objects.filter(account=client.account)
        assert sorted(orders) == acknowledged
        assert sorted(identities.values_list("client_order_id", "order_id")) == acknowledged
        assert client.journal.denied.isdisjoint(client.journal.acknowledged)
    assert Trade.objects.filter(instrument=instrument).exists()
    broken = [finding for finding in check_all() if not finding.holds]
    assert broken == []
    book = Book.objects.get(instrument=instrument)
    assert books.rebuild([book]).state_hash(instrument.id) == book.state_hash


def test_a_killed_matching_worker_loses_and_doubles_nothing(scene: Scene) -> None:
    killed = set()
    for _ in range(KILLS):
        scene.wait_for_progress()
        killed.add(scene.pid("shard-1"))
        scene.strike("shard-1", signal.SIGKILL)
    scene.wait_for_progress()
    scene.rest()

    assert len(killed) == KILLS
    assert all(not client.journal.unknown for client in scene.clients)
    assert_nothing_was_lost(scene)


def test_after_postgresql_was_stopped_at_once_every_order_is_known_by_its_client_id(scene: Scene) -> None:
    """SIGQUIT is what `pg_ctl stop -m immediate` sends: sessions die, the log is replayed at the start."""
    scene.wait_for_progress()
    scene.strike("postgres", signal.SIGQUIT)
    # Who asks between the strike and the restart may just be answered later: until both were caught by one.
    while not all(client.journal.unknown for client in scene.clients):
        scene.wait_for_progress()
        scene.strike("postgres", signal.SIGQUIT)
    scene.wait_for_progress()
    scene.rest()

    for client in scene.clients:
        client.resolve()
    assert_nothing_was_lost(scene)
