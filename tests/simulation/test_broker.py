"""A broker that drops, doubles, shuffles, delays, replays and forgets changes no outcome."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from django.utils import timezone

from orders.models import Command, CommandStatus, Side
from orders.tasks import drain_shard, poll
from tests.factories import Market, make_market
from tradeplatform.common.invariants import check_all

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "readonly"])

STEPS = 40


class HostileBroker:
    """Keeps what it is given, and delivers what it likes when it likes."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.waiting: list[int] = []
        self.ever: list[int] = []

    def take(self, shard_ids: list[int]) -> None:
        """In the place of a wake-up."""
        self.waiting += shard_ids
        self.ever += shard_ids

    def misbehave(self) -> None:
        """One of its ways."""
        what = self.chance.choice(["drop", "double", "shuffle", "delay", "replay", "purge"])
        delivered: list[int] = []
        if what == "purge":
            self.waiting.clear()
        elif what == "replay":
            delivered = self.chance.choices(self.ever, k=3)
        elif what != "delay" and self.waiting:
            self.chance.shuffle(self.waiting)
            first = self.waiting.pop()
            delivered = {"drop": [], "double": [first, first], "shuffle": [first]}[what]
        for shard_id in delivered:
            drain_shard(shard_id=shard_id)


def trade(markets: list[Market], seed: int, broker: HostileBroker | None) -> list[object]:
    """The same orders each time; what came of them in each market."""
    chance = random.Random(seed)
    traders = [[market.trader(), market.trader()] for market in markets]
    for _ in range(STEPS):
        number, side = chance.randrange(len(markets)), chance.choice(list(Side))
        account, price = chance.choice(traders[number]), 50_000 + chance.randint(-2, 2)
        markets[number].send(markets[number].request(account, side, 1, price), now=timezone.now())
        if broker is None:
            markets[number].drain()
        else:
            broker.misbehave()
    Command.objects.update(at=timezone.now() - timedelta(minutes=1))
    poll([market.shard.id for market in markets])
    return [(market.trades(), market.events()) for market in markets]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_whatever_the_broker_does_the_outcomes_are_the_same(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = trade([make_market(), make_market()], seed, None)
    broker = HostileBroker(seed)
    monkeypatch.setattr("orders.services.wake.wake", broker.take)

    found = trade([make_market(), make_market()], seed, broker)

    assert found == expected
    assert len(broker.ever) == STEPS
    assert not Command.objects.filter(status=CommandStatus.PENDING).exists()
    assert [finding for finding in check_all() if not finding.holds] == []
