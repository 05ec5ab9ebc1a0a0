"""What a flow sends by the service door is taken: a refusal in a load is the platform's, not the load's."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from django.utils import timezone

from orders.models import Command, CommandKind, Order, OrderStatus
from orders.services.drain import drain_all
from tests.factories import make_shard
from tests.load.clients import read_clients, write_clients
from tests.load.flow import Flow
from tests.load.mix import EXCHANGE
from tests.load.producing import heard
from tests.load.service_door import ServiceDoor
from tests.load.world import make_world

pytestmark = pytest.mark.django_db


def test_everything_is_taken_and_does_what_the_mix_says() -> None:
    shard = make_shard().id
    world = make_world(accounts=10, shard=shard)
    flow, door = Flow(EXCHANGE, world.tickers, world.holders, seed=3, tag="t"), ServiceDoor()
    stock = flow.stock(60, 60)
    heard(flow, stock, door.send(stock))
    refused, kinds = Counter[str](), Counter[str]()
    for _ in range(8):
        drain_all(shard_id=shard, clock=timezone.now)
        actions = [flow.next() for _ in range(50)]
        answers = door.send(actions)
        heard(flow, actions, answers)
        refused += Counter(answer.refused for answer in answers if answer.refused)
        kinds += Counter(type(action).__name__ for action in actions)
    drain_all(shard_id=shard, clock=timezone.now)

    assert refused == {}
    assert kinds.total() == 400
    commands = Counter(Command.objects.filter(shard_id=shard).values_list("kind", flat=True))
    assert commands[CommandKind.NEW] == kinds["Place"] + len(stock)
    assert commands[CommandKind.CANCEL] == kinds["Cancel"]
    assert commands[CommandKind.AMEND] == kinds["Amend"]
    # Each cancel found its order, so none of them had traded before.
    assert Order.objects.filter(status=OrderStatus.CANCELLED, reason="client").count() == kinds["Cancel"]
    takers = Order.objects.filter(time_in_force="ioc")
    assert takers.filter(filled__gt=0).count() >= 0.8 * takers.count() > 0


def test_clients_are_read_as_they_were_written(tmp_path: Path) -> None:
    world = make_world(accounts=2, shard=make_shard().id, keys=True)
    file = tmp_path / "clients.json"

    write_clients(world, file)

    assert read_clients(file) == world
    assert file.stat().st_mode & 0o077 == 0
    assert all(len(holder.secret) == 64 for holder in world.holders)
