"""Single requests that arrive together go in together, and each comes out as if it had come alone."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest
from django.db import OperationalError

from accounts.models import TradingAccount
from audit.actor import Actor
from orders.models import Command, Order, Side, Source
from orders.services import batching
from orders.services.batching import submit_now
from orders.services.intake import submit_sent
from orders.services.requests import Accepted, Denied, Origin, Outcome, Requested, Sent
from tests.factories import Market, make_market
from tests.threads import start_elsewhere
from tests.tradeplatform.supervisor.waiting import wait_for
from tradeplatform.common.errors import Code
from tradeplatform.common.together import Together

pytestmark = pytest.mark.django_db(transaction=True)


class Gate:
    """Stands before intake: counts the batches, and holds the first until it is told."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.arrived, self.open = threading.Event(), threading.Event()

    def submit(self, sent: Sequence[Sent], *, now: datetime) -> Any:
        """As intake does, once the gate is open."""
        self.sizes.append(len(sent))
        self.arrived.set()
        assert self.open.wait(20)
        return submit_sent(sent, now=now)


@pytest.fixture
def market() -> Market:
    return make_market()


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    found = Gate()
    monkeypatch.setattr(batching, "submit_sent", found.submit)
    return found


def origin(name: str) -> Origin:
    return Origin(Actor.user(user_id=1, label=name, credential=f"session:{name}"), Source.API, f"id-{name}")


Batcher = Together[Sent, Outcome | Requested]


def send(batcher: Batcher, market: Market, account: TradingAccount, name: str, quantity: str = "1") -> Any:
    order = market.request(account, Side.BUY, quantity, 49000, client_order_id=name)
    return start_elsewhere(lambda: batcher(Sent(order, origin(name))))


def test_the_first_goes_alone_and_those_behind_it_together(market: Market, gate: Gate) -> None:
    batcher, traders = Batcher(submit_now), [market.trader() for _ in range(6)]
    first = send(batcher, market, traders[0], "n0")
    gate.arrived.wait(20)
    rest = [send(batcher, market, trader, f"n{n}") for n, trader in enumerate(traders[1:], start=1)]
    wait_for(lambda: batcher.waiting() == 5, "all to queue")
    gate.open.set()

    accepted = [future.result(20) for future in (first, *rest)]

    assert gate.sizes == [1, 5]
    assert all(isinstance(one, Accepted) and not one.duplicate for one in accepted)
    rows = Order.objects.order_by("client_order_id")
    assert [(row.client_order_id, row.account_id, row.actor_label, row.credential, row.correlation_id)
            for row in rows] == [
        (f"n{n}", trader.pk, f"n{n}", f"session:n{n}", f"id-n{n}") for n, trader in enumerate(traders)
    ]  # fmt: skip
    names = dict(Order.objects.values_list("id", "client_order_id"))
    commands = Command.objects.values_list("order_id", "actor_label", "correlation_id")
    assert sorted((names[order], *by) for order, *by in commands) == [
        (f"n{n}", f"n{n}", f"id-n{n}") for n in range(6)
    ]


def test_one_that_is_denied_does_not_stop_its_neighbours(market: Market, gate: Gate) -> None:
    batcher, rich, poor = Batcher(submit_now), market.trader(), market.trader(quote=1)
    first = send(batcher, market, rich, "n0")
    gate.arrived.wait(20)
    good, bad = send(batcher, market, rich, "n1"), send(batcher, market, poor, "n2")
    wait_for(lambda: batcher.waiting() == 2, "both to queue")
    gate.open.set()

    assert isinstance(first.result(20), Accepted)
    assert isinstance(good.result(20), Accepted)
    denied = bad.result(20)
    assert isinstance(denied, Denied)
    assert denied.refusal.code == Code.INSUFFICIENT_FUNDS
    assert Order.objects.count() == 2


def test_the_same_order_twice_in_one_batch_is_one_order(market: Market, gate: Gate) -> None:
    batcher, trader = Batcher(submit_now), market.trader()
    first = send(batcher, market, trader, "n0")
    gate.arrived.wait(20)
    twice = [send(batcher, market, trader, "same") for _ in range(2)]
    wait_for(lambda: batcher.waiting() == 2, "both to queue")
    gate.open.set()

    first.result(20)
    one, other = (future.result(20) for future in twice)

    assert one.order_id == other.order_id
    assert sorted([one.duplicate, other.duplicate]) == [False, True]


def test_a_fault_of_one_is_not_its_neighbours(
    market: Market, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(sent: Sequence[Sent], *, now: datetime) -> Any:
        if any(getattr(each.request, "client_order_id", "") == "bad" for each in sent):
            raise ZeroDivisionError
        return gate.submit(sent, now=now)

    monkeypatch.setattr(batching, "submit_sent", broken)
    batcher, trader = Batcher(submit_now), market.trader()
    first = send(batcher, market, trader, "n0")
    gate.arrived.wait(20)
    good, bad = send(batcher, market, trader, "n1"), send(batcher, market, trader, "bad")
    wait_for(lambda: batcher.waiting() == 2, "both to queue")
    gate.open.set()

    assert isinstance(first.result(20), Accepted)
    assert isinstance(good.result(20), Accepted)
    with pytest.raises(ZeroDivisionError):
        bad.result(20)


def test_a_lost_database_is_told_to_all_and_the_next_go_on(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    batcher, trader = Batcher(submit_now), market.trader()

    def lost(_sent: Sequence[Sent], *, now: datetime) -> Any:
        raise OperationalError("gone")

    with monkeypatch.context() as patched:
        patched.setattr(batching, "submit_sent", lost)
        with pytest.raises(OperationalError):
            send(batcher, market, trader, "n0").result(20)
    assert isinstance(send(batcher, market, trader, "n0").result(20), Accepted)


def test_what_fails_after_the_commit_sends_nothing_again(
    market: Market, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> Any:
        raise ZeroDivisionError("a fault of ours in the wake-up")

    monkeypatch.setattr("orders.services.wake.client", broken)
    batcher, trader = Batcher(submit_now), market.trader()
    first = start_elsewhere(lambda: batcher(Sent(market.request(trader, Side.BUY, 1, 49000), origin("a"))))
    gate.arrived.wait(20)
    rest = [
        start_elsewhere(lambda: batcher(Sent(market.request(trader, Side.BUY, 1, 49000), origin("b"))))
        for _ in range(2)
    ]
    wait_for(lambda: batcher.waiting() == 2, "both to queue")
    gate.open.set()

    assert all(isinstance(one.result(20), Accepted) for one in (first, *rest))
    assert gate.sizes == [1, 2]
    assert Order.objects.count() == 3
