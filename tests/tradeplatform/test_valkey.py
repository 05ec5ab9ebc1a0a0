"""A Valkey that does not answer is asked once, and then left alone for a moment."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest
from redis import Redis
from redis.exceptions import RedisError

from tests.threads import PATIENCE, start_elsewhere
from tests.tradeplatform.supervisor.waiting import wait_for
from tradeplatform.common import valkey
from tradeplatform.common.valkey import ASK_AGAIN_SECONDS, make_client

_BRIEF = 0.1


class Frozen:
    """Takes connections and says nothing, like a server that was stopped; counts them."""

    def __init__(self) -> None:
        self.asked = 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self._taken: list[socket.socket] = []
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self) -> None:
        while True:
            try:
                connection, _address = self._server.accept()
            except OSError:
                return
            self._taken.append(connection)
            self.asked += 1

    def close(self) -> None:
        """No more of it."""
        for each in (self._server, *self._taken):
            # Who waits in accept() is not woken by a close.
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


@pytest.fixture
def frozen() -> Iterator[Frozen]:
    server = Frozen()
    yield server
    server.close()


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that the client goes by, as the only item."""
    moment = [100.0]
    monkeypatch.setattr(valkey, "_clock", lambda: moment[0])
    monkeypatch.setattr(valkey, "_away_until", 0.0)
    return moment


def fails(client: Redis) -> bool:
    try:
        client.get("anything")
    except RedisError:
        return True
    return False


def test_one_that_is_frozen_is_waited_for_once_and_asked_again_later(
    frozen: Frozen, now: list[float]
) -> None:
    client = make_client(f"redis://127.0.0.1:{frozen.port}", timeout=_BRIEF)
    assert fails(client)
    asked = frozen.asked
    assert asked > 0

    assert [fails(client) for _ in range(50)] == [True] * 50
    assert frozen.asked == asked

    now[0] += ASK_AGAIN_SECONDS
    assert fails(client)
    assert frozen.asked > asked


def test_one_that_is_frozen_is_asked_once_and_not_again_on_another_connection(
    frozen: Frozen, now: list[float]
) -> None:
    """The second would be waited for as long, by an order that is committed."""
    client = make_client(f"redis://127.0.0.1:{frozen.port}", timeout=_BRIEF)
    assert fails(client)
    wait_for(lambda: frozen.asked == 1, "the connection to be taken")
    now[0] += ASK_AGAIN_SECONDS
    assert fails(client)
    wait_for(lambda: frozen.asked == 2, "the other to be taken")


def test_while_one_finds_out_whether_it_is_back_the_others_go_without(
    frozen: Frozen, now: list[float]
) -> None:
    client = make_client(f"redis://127.0.0.1:{frozen.port}", timeout=PATIENCE)
    # As after an attempt in vain.
    valkey._away_until = now[0]
    finds_out = start_elsewhere(lambda: fails(client))
    wait_for(lambda: frozen.asked == 1, "the one to ask")

    assert [fails(client) for _ in range(50)] == [True] * 50
    assert frozen.asked == 1
    frozen.close()
    assert finds_out.result(PATIENCE)


def test_one_that_is_back_is_used_at_once(now: list[float], frozen: Frozen) -> None:
    assert fails(make_client(f"redis://127.0.0.1:{frozen.port}", timeout=_BRIEF))
    now[0] += ASK_AGAIN_SECONDS

    assert valkey.client().set("here", 1, px=1_000)
    assert valkey._away_until == 0.0
    assert not fails(valkey.client())


def test_a_connection_that_broke_is_no_reason_to_stay_away(now: list[float]) -> None:
    client = valkey.client()
    assert not fails(client)
    for connection in client.connection_pool._available_connections:
        connection._sock.shutdown(socket.SHUT_RDWR)

    assert not fails(client)
    assert valkey._away_until == 0.0
