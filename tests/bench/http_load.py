"""Calls a second over HTTP: web processes as they are in production, and a caller that costs little."""

from __future__ import annotations

import os
import selectors
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

CONNECTIONS, ADDRESSES, PROCESSES = 16, 2_000, 2
_START_SECONDS = 120


def over_http(path: str, *, calls: int) -> float:
    """Answers a second, each connection asking again as soon as it is answered.

    Each call comes from another of many addresses, as the proxy in front would say. Raises RuntimeError for
    any answer but 200.
    """
    with _web() as port:
        _load(port, path, calls=calls // 4)
        started = time.perf_counter()
        _load(port, path, calls=calls)
        return calls / (time.perf_counter() - started)


@contextmanager
def _web() -> Iterator[int]:
    from tradeplatform.config import load_config  # noqa: PLC0415 - the environment is complete now
    from tradeplatform.supervisor.program import spawn  # noqa: PLC0415
    from tradeplatform.supervisor.roles import Roles  # noqa: PLC0415
    from tradeplatform.supervisor.valkey import free_port  # noqa: PLC0415

    port = free_port()
    config = load_config().model_copy(update={"http_port": port, "http_workers": PROCESSES})
    program = Roles(config, {"TRADEPLATFORM_BEHIND_TLS_PROXY": "true"}).web()
    process = spawn(program, Path(os.environ["TRADEPLATFORM_VAR_DIR"]) / "web.log", follow_parent=True)
    try:
        _wait_for(port)
        yield port
    finally:
        process.terminate()
        process.wait(_START_SECONDS)


def _wait_for(port: int) -> None:
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


def _load(port: int, path: str, *, calls: int) -> None:
    """Ask so often, over all connections; an answer is read whole before its connection asks again."""
    asked = answered = 0
    with selectors.DefaultSelector() as selector:
        for _ in range(CONNECTIONS):
            connection = socket.create_connection(("127.0.0.1", port))
            selector.register(connection, selectors.EVENT_READ, bytearray())
            connection.sendall(_request(path, asked))
            asked += 1
        while answered < calls:
            for key, _events in selector.select(timeout=10) or _nobody_answers():
                connection, answer = cast("socket.socket", key.fileobj), key.data
                answer += connection.recv(1 << 16) or _nobody_answers()
                if not _is_whole(answer):
                    continue
                if not answer.startswith(b"HTTP/1.1 200"):
                    raise RuntimeError(bytes(answer[:500]))
                answer.clear()
                answered += 1
                if asked < calls:
                    connection.sendall(_request(path, asked))
                    asked += 1
        for key in list(selector.get_map().values()):
            cast("socket.socket", key.fileobj).close()


def _nobody_answers() -> list[tuple[selectors.SelectorKey, int]]:
    raise RuntimeError("The web process closed its connection or did not answer in ten seconds.")


def _request(path: str, number: int) -> bytes:
    address = f"10.1.{number % ADDRESSES // 250}.{number % ADDRESSES % 250}"
    return (
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-Proto: https\r\n"
        f"X-Forwarded-For: {address}\r\n\r\n"
    ).encode()


def _is_whole(answer: bytearray) -> bool:
    head = answer.find(b"\r\n\r\n")
    if head < 0:
        return False
    at = answer.lower().find(b"content-length:", 0, head)
    length = int(answer[at + 15 : answer.find(b"\r\n", at)])
    return len(answer) >= head + 4 + length
