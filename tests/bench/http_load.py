"""Calls over HTTP by a caller that costs little: one thread, connections kept, bytes made beforehand."""

from __future__ import annotations

import os
import selectors
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast

ADDRESSES, PROCESSES = 2_000, 2
_CONNECTIONS = 16
_START_SECONDS = 120


def over_http(path: str, *, calls: int) -> float:
    """GET so often: answers a second, each connection asking again as soon as it is answered.

    Each call comes from another of many addresses, as the proxy in front would say.
    """
    requests = [_get(path, number) for number in range(calls)]
    with web("tradeplatform.wsgi:application", {"TRADEPLATFORM_BEHIND_TLS_PROXY": "true"}) as port:
        ask(port, requests[: calls // 4], connections=_CONNECTIONS)
        started = time.perf_counter()
        ask(port, requests, connections=_CONNECTIONS)
        return calls / (time.perf_counter() - started)


@contextmanager
def web(application: str, environment: Mapping[str, str], *, processes: int = PROCESSES) -> Iterator[int]:
    """So many web processes of `application` as they are in production; the port they answer on."""
    from tradeplatform.config import load_config  # noqa: PLC0415 - the environment is complete now
    from tradeplatform.supervisor.program import spawn  # noqa: PLC0415
    from tradeplatform.supervisor.roles import Roles  # noqa: PLC0415
    from tradeplatform.supervisor.valkey import free_port  # noqa: PLC0415

    port = free_port()
    config = load_config().model_copy(update={"http_port": port, "http_workers": processes})
    program = Roles(config, environment).web()
    argv = [application if part == "tradeplatform.wsgi:application" else part for part in program.argv]
    program = replace(program, argv=argv)
    process = spawn(program, Path(os.environ["TRADEPLATFORM_VAR_DIR"]) / "bench-web.log", follow_parent=True)
    try:
        wait_for_web(port)
        yield port
    finally:
        process.terminate()
        process.wait(_START_SECONDS)


def ask(port: int, requests: Sequence[bytes], *, connections: int, every: float = 0.0) -> list[float]:
    """Send all requests, over free connections; the seconds each took.

    `every` seconds one is due; its time runs from then, also while it waits for a free connection. 0: each is
    due when a connection is free. Raises RuntimeError for an answer that is not a success.
    """
    return _Asking(port, requests, connections, every).run()


class _Asking:
    def __init__(self, port: int, requests: Sequence[bytes], connections: int, every: float) -> None:
        self._requests, self._every = requests, every
        self._selector = selectors.DefaultSelector()
        self._free = [socket.create_connection(("127.0.0.1", port)) for _ in range(connections)]
        self._due: dict[socket.socket, float] = {}
        self._asked = 0
        self._took: list[float] = []

    def run(self) -> list[float]:
        for connection in self._free:
            self._selector.register(connection, selectors.EVENT_READ, bytearray())
        self._started = time.perf_counter()
        try:
            while len(self._took) < len(self._requests):
                wait = self._send_what_is_due()
                for key, _events in self._selector.select(wait):
                    self._read(cast("socket.socket", key.fileobj), key.data)
        finally:
            for key in list(self._selector.get_map().values()):
                cast("socket.socket", key.fileobj).close()
            self._selector.close()
        return self._took

    def _send_what_is_due(self) -> float | None:
        """Send; the seconds until the next is due, None when only answers can change anything."""
        while self._free and self._asked < len(self._requests):
            now = time.perf_counter()
            due = self._started + self._asked * self._every if self._every else now
            if due > now:
                return due - now
            connection = self._free.pop()
            connection.sendall(self._requests[self._asked])
            self._due[connection] = due
            self._asked += 1
        return None

    def _read(self, connection: socket.socket, answer: bytearray) -> None:
        received = connection.recv(1 << 18)
        if not received:
            raise RuntimeError("The web process closed its connection.")
        answer += received
        if not is_whole(answer):
            return
        if not answer.startswith(b"HTTP/1.1 2"):
            raise RuntimeError(bytes(answer[:1_000]).decode())
        answer.clear()
        self._took.append(time.perf_counter() - self._due.pop(connection))
        self._free.append(connection)


def wait_for_web(port: int) -> None:
    """Until a worker has loaded the application: it listens long before."""
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=_START_SECONDS) as connection:
                connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
                connection.recv(1)
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def _get(path: str, number: int) -> bytes:
    address = f"10.1.{number % ADDRESSES // 250}.{number % ADDRESSES % 250}"
    return (
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-Proto: https\r\n"
        f"X-Forwarded-For: {address}\r\n\r\n"
    ).encode()


def post(path: str, body: bytes, token: str) -> bytes:
    """The bytes of a POST of JSON by who has this token."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def is_whole(answer: bytearray) -> bool:
    """Whether all of an answer has come."""
    head = answer.find(b"\r\n\r\n")
    if head < 0:
        return False
    at = answer[:head].lower().find(b"content-length:")
    length = int(answer[at + 15 : answer.find(b"\r\n", at)])
    return len(answer) >= head + 4 + length
