"""RabbitMQ as the broker: quorum queues, confirms, and nobody waits long. On a real one: make faults."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from celery import current_app

from tests.tradeplatform.test_valkey import Frozen
from tradeplatform.celery import _delay_nothing
from tradeplatform.common import broker
from tradeplatform.common.broker import ASK_AGAIN_SECONDS, Broker, BrokerAway
from tradeplatform.config import BASE_DIR

_URL = "amqp://trader:secret@broker:5672//"
_PRINT = """
import json, os
from tradeplatform.celery import app
queues = {name: dict(app.amqp.queues[name].queue_arguments or {}) for name in ("default", "shard-1")}
print(json.dumps({
    "url": app.conf.broker_url,
    "confirms": app.conf.broker_transport_options.get("confirm_publish", False),
    "heartbeat": app.conf.broker_heartbeat,
    "queues": queues,
    "beat": [entry["options"].get("confirm_timeout") for entry in app.conf.beat_schedule.values()
             if entry.get("options", {}).get("expires") == 1.0],
}))
"""


def rendered(**environment: str) -> dict[str, Any]:
    """What Celery makes of the settings, and the queues as it would declare them."""
    done = subprocess.run(
        [sys.executable, "-c", _PRINT],
        cwd=BASE_DIR,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_with_its_address_set_queues_are_quorum_queues_and_messages_are_confirmed() -> None:
    found = rendered(TRADEPLATFORM_BROKER_URL=_URL)

    assert (found["url"], found["confirms"], found["heartbeat"]) == (_URL, True, 10)
    assert found["queues"] == {"default": {"x-queue-type": "quorum"}, "shard-1": {"x-queue-type": "quorum"}}
    assert set(found["beat"]) == {2.0}


def test_without_it_valkey_carries_the_wake_ups() -> None:
    found = rendered(TRADEPLATFORM_BROKER_URL="", REDIS_URL="redis://:p@cache:6379/0")

    assert (found["url"], found["confirms"]) == ("redis://:p@cache:6379/0", False)
    assert found["queues"] == {"default": {}, "shard-1": {}}
    assert set(found["beat"]) == {None}


def test_a_worker_makes_no_queues_for_tasks_with_a_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    from celery.worker.consumer import Consumer  # noqa: PLC0415 - only workers load it

    before = set(Consumer.Blueprint.default_steps)
    monkeypatch.setattr(Consumer.Blueprint, "default_steps", Consumer.Blueprint.default_steps)
    _delay_nothing()

    assert before - set(Consumer.Blueprint.default_steps) == {
        "celery.worker.consumer.delayed_delivery:DelayedDelivery"
    }


def test_one_that_is_frozen_is_waited_for_once_and_asked_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(broker, "_clock", lambda: now[0])
    frozen, mine = Frozen(), Broker()
    url = f"amqp://trader:secret@127.0.0.1:{frozen.port}//"
    connect = current_app.connection_for_write
    monkeypatch.setattr(current_app, "connection_for_write", lambda **how: connect(url, **how))

    def fails() -> bool:
        try:
            mine.send("orders.drain_shard", kwargs={"shard_id": 1}, queue="shard-1")
        except BrokerAway:
            return True
        return False

    try:
        assert fails()
        asked = frozen.asked
        assert asked > 0

        assert [fails() for _ in range(50)] == [True] * 50
        assert frozen.asked == asked

        now[0] += ASK_AGAIN_SECONDS
        assert fails()
        assert frozen.asked > asked
    finally:
        frozen.close()
