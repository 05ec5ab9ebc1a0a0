"""The queue of a web process has an end; cancels come first; nobody's requests hold up everybody's."""

from __future__ import annotations

import fcntl
import http.client
import json
import select
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO

import pytest

from tests.bench.http_load import wait_for_web
from tests.tradeplatform.supervisor.waiting import wait_for
from tradeplatform.config import load_config
from tradeplatform.supervisor.program import spawn
from tradeplatform.supervisor.roles import Roles
from tradeplatform.supervisor.valkey import free_port

FOLDER, LOG, GATE = "GATED_FOLDER", "begun.txt", "gate"

_PATIENCE = 60
_ROOM = 4


@dataclass
class Web:
    """One worker with one thread, and room for four."""

    port: int
    folder: Path
    gate: IO[str]
    opened: ExitStack

    def connect(self) -> Asked:
        """A connection of its own, which has said nothing."""
        found = Asked(http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE))
        found.connection.connect()
        self.opened.callback(found.connection.close)
        return found

    def send(self, method: str, path: str, login: str = "") -> Asked:
        """Send a request on a connection of its own, and do not wait."""
        asked = self.connect()
        asked.send(method, path, login)
        return asked

    def begun(self) -> list[str]:
        """What the application has begun with, in order."""
        return (self.folder / LOG).read_text().splitlines()

    def hold(self) -> Asked:
        """Keep the thread busy until the gate is opened."""
        held = self.send("POST", "/held")
        wait_for(lambda: "POST /held -" in self.begun(), "the thread to be busy", seconds=_PATIENCE)
        return held

    def open(self) -> None:
        """Let what is held go on."""
        fcntl.flock(self.gate, fcntl.LOCK_UN)

    def finish(self, asked: list[Asked]) -> None:
        """Leave nothing to be done."""
        self.open()
        for one in asked:
            one.answer()


@dataclass
class Asked:
    """A connection that asks."""

    connection: http.client.HTTPConnection

    def send(self, method: str, path: str, login: str = "") -> None:
        """Ask, and do not wait."""
        headers = {"Authorization": f"Bearer {login}"} if login else {}
        self.connection.request(method, path, body=b"{}" if method == "POST" else None, headers=headers)

    def is_answered(self) -> bool:
        """Whether the answer has come."""
        return bool(select.select([self.connection.sock], [], [], 0)[0])

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Wait for it: status, headers, body."""
        response = self.connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """One worker with one thread, as the platform starts it: its port, and what its application reads."""
    folder = tmp_path_factory.mktemp("web")
    with serving(folder, workers=1) as port:
        yield port, folder


@contextmanager
def serving(folder: Path, *, workers: int) -> Iterator[int]:
    """So many with one thread each; their port."""
    for name in (LOG, GATE):
        (folder / name).touch()
    port = free_port()
    config = load_config().model_copy(update={"http_port": port, "http_workers": workers, "http_threads": 1})
    program = Roles(config, {FOLDER: str(folder), "TRADEPLATFORM_HTTP_QUEUE": str(_ROOM)}).web()
    argv = ["tests.tradeplatform.gated:application" if ":app" in str(part) else part for part in program.argv]
    process = spawn(replace(program, argv=argv), folder / "web.log", follow_parent=True)
    try:
        wait_for_web(port)
        yield port
    finally:
        process.terminate()
        process.wait(_PATIENCE)


@pytest.fixture
def web(served: tuple[int, Path]) -> Iterator[Web]:
    """It has begun with nothing, and the gate is shut."""
    port, folder = served
    (folder / LOG).write_text("")
    with ExitStack() as opened, (folder / GATE).open("w") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        yield Web(port, folder, gate, opened)


def answered(asked: list[Asked]) -> list[Asked]:
    """Those that have been."""
    return [one for one in asked if one.is_answered()]


def test_the_application_is_told_how_long_a_request_waited(web: Web) -> None:
    held, before = web.hold(), time.monotonic_ns()
    waits = web.send("GET", "/waited")
    flood = [web.send("POST", f"/orders/{number}", "flood") for number in range(_ROOM)]
    wait_for(lambda: bool(answered(flood)), "one to be refused, as those before it wait", seconds=_PATIENCE)
    queued = time.monotonic_ns()

    wait_for(lambda: time.monotonic_ns() - queued > 50_000_000, "a moment to go by", seconds=_PATIENCE)
    web.open()

    assert 50_000_000 < int(waits.answer()[2]) < time.monotonic_ns() - before
    web.finish([held, *flood])


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\nX-Odd: a\x00b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", 400),
        (b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 9_000 + b"\r\n\r\n", 431),
    ],
)
def test_what_cannot_be_read_is_refused_in_json(web: Web, head: bytes, status: int) -> None:
    asked = web.connect()
    asked.connection.sock.sendall(head)
    response = http.client.HTTPResponse(asked.connection.sock)
    response.begin()

    body = json.loads(response.read())

    assert (response.status, body["status"], body["code"]) == (status, status, "invalid_field")
    assert response.getheader("Content-Type") == "application/problem+json"
    assert response.getheader("X-Correlation-ID") == body["correlation_id"]
    assert web.begun() == []


def test_whoever_has_most_is_refused_at_once_and_nothing_of_it_has_begun(web: Web) -> None:
    held = web.hold()
    flood = [web.send("POST", f"/api/v1/orders/{number}", "flood") for number in range(_ROOM + 1)]
    wait_for(lambda: len(answered(flood)) == 1, "the last to be refused", seconds=_PATIENCE)
    polite = [web.send("POST", "/api/v1/orders", f"polite{number}") for number in range(2)]
    wait_for(lambda: len(answered(flood)) == 3, "two more to give way", seconds=_PATIENCE)

    refused = answered(flood)
    for one in refused:
        status, headers, body = one.answer()
        told = json.loads(body)
        assert (status, headers["Retry-After"], headers["Content-Type"]) == (
            503, "1", "application/problem+json",
        )  # fmt: skip
        assert (told["code"], told["context"]) == ("overloaded", {"retry_after": 1})
        assert told["correlation_id"] == headers["X-Correlation-ID"]
    web.open()

    kept = [one for one in flood if one not in refused]
    assert [one.answer()[0] for one in (held, *polite, *kept)] == [200] * 5
    begun = web.begun()
    # In turns: the polite ones do not wait for all that the other has queued.
    assert [line.rpartition(" ")[2] for line in begun] == ["-", "flood", "polite0", "polite1", "flood"]
    # The connection of a refusal goes on.
    refused[0].send("GET", "/health/live", "flood")
    assert refused[0].answer()[0] == 200


def test_in_the_words_of_binance(web: Web) -> None:
    held = web.hold()
    flood = [web.send("POST", "/api/v3/order", "flood") for _ in range(_ROOM + 1)]
    wait_for(lambda: len(answered(flood)) == 1, "the last to be refused", seconds=_PATIENCE)

    (refused,) = answered(flood)
    status, headers, body = refused.answer()

    assert (status, headers["Retry-After"], json.loads(body)) == (503, "1", {
        "code": -1008,
        "msg": "Server is currently overloaded with other requests. Please try again in a few minutes.",
    })  # fmt: skip
    web.finish([held, *(one for one in flood if one is not refused)])


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/api/v1/orders/7"),
        ("DELETE", "/api/v3/openOrders"),
        ("POST", "/api/v1/kill-switch"),
    ],
)
def test_what_takes_orders_off_waits_behind_nothing(web: Web, method: str, path: str) -> None:
    held = web.hold()
    flood = [web.send("POST", "/api/v1/orders", "flood") for _ in range(_ROOM + 3)]
    wait_for(lambda: len(answered(flood)) == 3, "it to be full", seconds=_PATIENCE)

    assert web.send(method, path, "flood").answer()[0] == 200

    assert not held.is_answered()
    assert web.begun() == ["POST /held -", f"{method} {path} Bearer flood"]
    web.finish([held, *flood])


def test_who_says_nothing_costs_no_thread(web: Web) -> None:
    silent = [web.connect() for _ in range(20)]

    assert web.send("GET", "/health/live").answer()[0] == 200
    silent[0].send("GET", "/late")
    assert silent[0].answer()[0] == 200


def test_who_does_not_hang_up_after_the_last_answer_holds_up_nobody(web: Web) -> None:
    lasting = [web.connect() for _ in range(5)]
    for one in lasting:
        one.connection.request("GET", "/health/live", headers={"Connection": "close"})
        # By hand: http.client would hang up.
        assert one.connection.sock.recv(1_000).startswith(b"HTTP/1.1 200 ")
    began = time.monotonic()

    assert web.send("GET", "/health/live").answer()[0] == 200

    # By itself gunicorn waits for two seconds, for each of them.
    assert time.monotonic() - began < 1.5
    # After that they are left.
    for one in lasting:
        wait_for(partial(is_reset, one), "the connection to be closed", seconds=_PATIENCE)


def is_reset(asked: Asked) -> bool:
    """Whether nobody is there any more who would take what is sent."""
    try:
        asked.connection.sock.sendall(b" ")
    except OSError:
        return True
    return False


def test_processes_share_the_connections(tmp_path: Path) -> None:
    """Who finds the port readable first would take them all."""
    with serving(tmp_path, workers=2) as port, ExitStack() as opened:
        web = Web(port, tmp_path, opened.enter_context((tmp_path / GATE).open("w")), opened)

        served: Counter[bytes] = Counter()

        def have_served(processes: int, connections: int) -> bool:
            served.update(web.send("GET", "/process").answer()[2] for _ in range(connections))
            return len(served) == processes

        wait_for(lambda: have_served(2, 1), "both to serve", seconds=_PATIENCE)
        served.clear()
        assert have_served(2, 40)

    assert min(served.values()) >= 12
