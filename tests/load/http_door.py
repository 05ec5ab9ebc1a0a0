"""Single requests over HTTP/1.1 on kept connections, each signed by the key of its account."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import orjson

from tests.load.actions import Action, Place
from tests.load.doors import Answer
from tests.load.wire_words import request_of, signed

_DONE = range(200, 300)
_LENGTH = b"content-length:"


class HttpDoor:
    """An AsyncDoor. An action waits for a free connection, and that counts."""

    def __init__(self, url: str, connections: int) -> None:
        """Nothing is connected yet."""
        address = urlsplit(url)
        self._host, self._port = address.hostname or "localhost", address.port or 80
        self._count = connections
        # A semaphore is fair; a queue would let whoever comes just now pass those that wait.
        self._room = asyncio.Semaphore(connections)
        self._free: list[_Connection] = []

    async def open(self) -> None:
        """Connect all."""
        for _ in range(self._count):
            self._free.append(await self._connected())

    async def do(self, action: Action) -> Answer:
        """As promised by AsyncDoor."""
        async with self._room:
            connection = self._free.pop()
            try:
                status, body = await connection.ask(self._bytes_of(action))
            except (OSError, asyncio.IncompleteReadError) as error:
                connection.writer.close()
                connection = await self._connected()
                return Answer(refused=type(error).__name__)
            finally:
                self._free.append(connection)
        return _read(action, status, body)

    async def close(self) -> None:
        """Disconnect those that are free."""
        while self._free:
            self._free.pop().writer.close()

    def _bytes_of(self, action: Action) -> bytes:
        method, target, body = request_of(action)
        stamp, nonce, signature = signed(action.holder, method, target, body)
        head = (
            f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"X-API-KEY: {action.holder.key}\r\nX-API-TIMESTAMP: {stamp}\r\nX-API-NONCE: {nonce}\r\n"
            f"X-API-SIGNATURE: {signature}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    async def _connected(self) -> _Connection:
        return _Connection(*await asyncio.open_connection(self._host, self._port))


@dataclass(frozen=True, slots=True)
class _Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """(status, body) of its answer."""
        self.writer.write(request)
        head = await self.reader.readuntil(b"\r\n\r\n")
        at = head.lower().find(_LENGTH)
        length = 0 if at < 0 else int(head[at + len(_LENGTH) : head.index(b"\r\n", at)])
        body = await self.reader.readexactly(length) if length else b""
        return int(head[9:12]), body


def _read(action: Action, status: int, body: bytes) -> Answer:
    said: dict[str, Any] = orjson.loads(body) if body else {}
    if status not in _DONE:
        return Answer(refused=str(said.get("code", status)))
    return Answer(int(said["id"]) if isinstance(action, Place) else 0)
