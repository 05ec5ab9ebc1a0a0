"""Many sockets in one cheap process: it counts messages and hardly looks at them; the server is measured."""

from __future__ import annotations

import base64
import gc
import json
import os
import selectors
import socket
import struct
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from urllib.parse import urlsplit

_LONG, _LONGER = 126, 127
_PATIENCE = 30
_TEXT, _PING, _PONG = 1, 9, 10


class Counter:
    """One socket that counts the text frames it is sent."""

    def __init__(self, url: str, hello: str | None) -> None:
        address = urlsplit(url)
        self.socket = socket.create_connection((address.hostname, address.port), timeout=30)
        query = f"?{address.query}" if address.query else ""
        self.socket.sendall(
            f"GET {address.path}{query} HTTP/1.1\r\nHost: {address.netloc}\r\nConnection: Upgrade\r\n"
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n\r\n".encode()
        )
        self._buffer = b""
        while b"\r\n\r\n" not in self._buffer:
            self._buffer += self.socket.recv(65_536)
        self._buffer = self._buffer.partition(b"\r\n\r\n")[2]
        self.deltas = 0
        #: When each delta came, on the clock that all processes of the machine share.
        self.arrivals: list[float] = []
        self.begun = False
        if hello:
            self._send(_TEXT, hello.encode())

    def read(self) -> None:
        """Take what has come."""
        data = self._buffer + self.socket.recv(1_048_576)
        at = 0
        while len(data) - at >= 2:
            size, head = data[at + 1], 2
            if size == _LONG:
                size, head = struct.unpack_from("!H", data, at + 2)[0] if len(data) - at >= 4 else 1 << 40, 4
            elif size == _LONGER:
                size, head = (
                    struct.unpack_from("!Q", data, at + 2)[0] if len(data) - at >= 10 else 1 << 40,
                    10,
                )
            if len(data) - at < head + size:
                break
            if data[at] & 0x0F == _PING:
                self._send(_PONG, data[at + head : at + head + size])
            else:
                self._count(data[at + head : at + head + 48])
            at += head + size
        self._buffer = data[at:]

    def _count(self, start: bytes) -> None:
        if b'"delta"' in start:
            self.deltas += 1
            self.arrivals.append(time.perf_counter())
        self.begun = self.begun or b'"snapshot"' in start

    def _send(self, opcode: int, body: bytes) -> None:
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(body))
        self.socket.sendall(bytes([0x80 | opcode, 0x80 | len(body)]) + mask + masked)


def run(url: str, symbol: str, count: int, pipe: Connection) -> None:
    """Open the sockets; for each number received, wait for as many more deltas on each and answer.

    At the end, after None, say when each socket had each of its deltas.
    """
    # A collection of all these arrivals would be read as a server's lateness.
    gc.disable()
    subscribe = json.dumps({"op": "subscribe", "channel": "book", "symbol": symbol}, separators=(",", ":"))
    hello = subscribe if urlsplit(url).path == "/ws/v1" else None
    sockets = [Counter(url, hello) for _ in range(count)]
    selector = selectors.DefaultSelector()
    for one in sockets:
        selector.register(one.socket, selectors.EVENT_READ, one)
    _read_until(selector, lambda: all(one.begun for one in sockets))
    pipe.send("ready")
    wanted = 0
    while (more := pipe.recv()) is not None:
        wanted += more
        _read_until(selector, lambda wanted=wanted: all(one.deltas >= wanted for one in sockets))  # type: ignore[misc]
        pipe.send("got")
    pipe.send([one.arrivals for one in sockets])


def _read_until(selector: selectors.BaseSelector, done: Callable[[], bool]) -> None:
    while not done():
        ready = selector.select(timeout=_PATIENCE)
        if not ready:
            raise TimeoutError("the server has fallen silent")
        for key, _events in ready:
            key.data.read()
