"""Connections to the HTTP door as bytes: what is sent, when, and what comes back."""

from __future__ import annotations

import json
import re
import socket
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

from tests.running import Platform

_PATIENCE = 60.0
_HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; names of headers as they were sent."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str:
        """Of a header that is there once."""
        (value,) = [value for given, value in self.headers if given.lower() == name.lower()]
        return value

    @property
    def json(self) -> dict[str, Any]:
        """The body."""
        found: dict[str, Any] = json.loads(self.body)
        return found


class Line:
    """A connection to the web process; `address` is what it calls from."""

    def __init__(self, platform: Platform, *, address: str = "127.0.0.1", receive_buffer: int = 0) -> None:
        parts = urlsplit(platform.base_url)
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(_PATIENCE)
        # What is sent in two parts arrives in two parts.
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self.socket.bind((address, 0))
            self.socket.connect((parts.hostname, parts.port))
        except OSError:
            self.socket.close()
            raise
        self._rest = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, sent: bytes) -> None:
        """All of it at once."""
        self.socket.sendall(sent)

    def answer(self) -> Answer:
        """The next answer. Raises ConnectionError where the connection ends before it does."""
        while _HEAD_END not in self._rest:
            self._read()
        head, _, self._rest = self._rest.partition(_HEAD_END)
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        length = next((int(value) for name, value in headers if name == "Content-Length"), None)
        body = self._chunks() if length is None else self._take(length)
        return Answer(int(first.split()[1]), headers, body)

    def ask(self, sent: bytes) -> Answer:
        """Send, and wait for the answer."""
        self.send(sent)
        return self.answer()

    def is_closed(self) -> bool:
        """Whether nothing more comes; waits for the end."""
        try:
            return self._rest == b"" and self.socket.recv(1) == b""
        except ConnectionError:
            return True

    def _chunks(self) -> bytes:
        found = b""
        while True:
            while b"\r\n" not in self._rest:
                self._read()
            length, _, self._rest = self._rest.partition(b"\r\n")
            found += self._take(int(length, 16))
            assert self._take(2) == b"\r\n"
            if not int(length, 16):
                return found

    def _take(self, length: int) -> bytes:
        while len(self._rest) < length:
            self._read()
        taken, self._rest = self._rest[:length], self._rest[length:]
        return taken

    def _read(self) -> None:
        found = self.socket.recv(1 << 16)
        if not found:
            msg = "the connection has ended"
            raise ConnectionResetError(msg)
        self._rest += found


def request(method: str, target: str, body: object, **headers: str | None) -> bytes:
    """A request as one piece: `target` below /api/v1, a body of JSON or of bytes; None for none.

    Headers are named with underscores; one that is None is left out.
    """
    sent = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    usual: dict[str, str | None] = {"Host": "localhost"}
    if body is not None:
        usual |= {"Content_Type": "application/json", "Content_Length": str(len(sent))}
    lines = [
        f"{name.replace('_', '-')}: {value}\r\n"
        for name, value in (usual | headers).items()
        if value is not None
    ]
    return f"{method} /api/v1/{target} HTTP/1.1\r\n{''.join(lines)}\r\n".encode("latin-1") + sent


#: Of a body: what belongs to one request alone.
_OWN = {"id", "seq", "correlation_id", "timestamp", "server_time"}
_MOMENT = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}T.*Z|[0-9a-f]{32}|mine:[0-9]+")


def comparable(answer: Answer, account: int) -> tuple[int, list[tuple[str, str]], object]:
    """An answer without what is of this request alone: ids, moments and the account."""
    headers = [
        (name, _MOMENT.sub("own", value) if name == "X-Correlation-ID" else value)
        for name, value in answer.headers
        if name not in {"Date", "Content-Length"}
    ]
    return answer.status, sorted(headers), _comparable(answer.json if answer.body else None, account)


def _comparable(found: Any, account: int) -> object:
    if isinstance(found, dict):
        return {
            name: "own"
            if name in _OWN or (name, type(value)) == ("order", str)
            else _comparable(value, account)
            for name, value in found.items()
        }
    if isinstance(found, list):
        return [_comparable(value, account) for value in found]
    if found in (account, str(account)) or (isinstance(found, str) and _MOMENT.fullmatch(found)):
        return "own"
    return found
