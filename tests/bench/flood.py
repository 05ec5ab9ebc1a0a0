"""Callers of one web process at once: polite ones with a connection each, and one who floods it with many."""

from __future__ import annotations

import selectors
import socket
import time
from dataclasses import dataclass, field
from typing import cast

import orjson
import psutil

from tests.bench.http_load import is_whole, post
from tests.factories import Market, tokens_of

_PATIENCE = 120
_SAMPLE_SECONDS = 0.1


@dataclass
class Caller:
    """One account: how many connections it has, and what became of its orders."""

    name: str
    account: int
    token: str
    connections: int
    sent: int = 0
    refused: int = 0
    other: list[bytes] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)
    #: Of what was accepted, and of what was refused, in seconds.
    took: list[float] = field(default_factory=list)
    refused_after: list[float] = field(default_factory=list)

    def next(self, symbol: str) -> bytes:
        """Another order, which rests far from the market."""
        self.sent += 1
        order = {
            "account": self.account, "symbol": symbol, "side": "buy", "type": "limit", "quantity": "0.001",
            "price": "46000", "client_order_id": f"{self.name}-{self.sent}",
        }  # fmt: skip
        return post("/api/v1/orders?wait=0", orjson.dumps(order), self.token)

    def hear(self, answer: bytes, seconds: float) -> None:
        """Note an answer."""
        if answer.startswith(b"HTTP/1.1 202"):
            self.accepted.append(orjson.loads(answer.partition(b"\r\n\r\n")[2])["id"])
            self.took.append(seconds)
        elif answer.startswith(b"HTTP/1.1 503") and b"\r\nRetry-After: 1\r\n" in answer:
            self.refused += 1
            self.refused_after.append(seconds)
        else:
            self.other.append(answer[:500])


def caller(market: Market, name: str, *, connections: int = 1) -> Caller:
    """Somebody with an account and a session."""
    account = market.trader()
    return Caller(name, account.pk, tokens_of(account.user).access, connections)


@dataclass
class _Line:
    caller: Caller
    since: float = 0.0
    answer: bytearray = field(default_factory=bytearray)


def call(port: int, symbol: str, callers: list[Caller], *, polite: int) -> list[int]:
    """Each connection sends again when it is answered, until who has one has so many orders accepted.

    What is under way then is waited for. Returns the memory of the web process meanwhile, in bytes.
    """
    lines, memory = selectors.DefaultSelector(), [_resident()]
    waited = [one for one in callers if one.connections == 1]
    for one in callers:
        for _ in range(one.connections):
            connection = socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE)
            line = _Line(one, time.perf_counter())
            lines.register(connection, selectors.EVENT_READ, line)
            connection.sendall(one.next(symbol))
    sampled = time.perf_counter()
    while lines.get_map():
        ready = lines.select(_PATIENCE)
        if not ready:
            raise TimeoutError("The web process has fallen silent.")
        goes_on = any(len(one.accepted) < polite for one in waited)
        for key, _events in ready:
            connection, line = cast("socket.socket", key.fileobj), key.data
            line.answer += connection.recv(1 << 16)
            if not is_whole(line.answer):
                continue
            now = time.perf_counter()
            line.caller.hear(bytes(line.answer), now - line.since)
            line.answer.clear()
            done = line.caller in waited and len(line.caller.accepted) >= polite
            if goes_on and not done:
                line.since = now
                connection.sendall(line.caller.next(symbol))
            else:
                lines.unregister(connection)
                connection.close()
        if time.perf_counter() - sampled > _SAMPLE_SECONDS:
            sampled = time.perf_counter()
            memory.append(_resident())
    return memory


def _resident() -> int:
    ours = psutil.Process().children(recursive=True)
    return sum(one.memory_info().rss for one in ours if "gunicorn" in one.cmdline())
