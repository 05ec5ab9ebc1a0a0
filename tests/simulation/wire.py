"""A wire to PostgreSQL that can be cut at any message.

It stands between a process and the server, knows where each message of the protocol (version 3) begins and
ends, counts them in both directions together, and cuts at the one it was told to. What the server was given
before the cut it works off, and finds nobody to answer: the wire waits for that, so that whoever looks next
sees all that comes of it.
"""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum

_CHUNK = 1 << 16
_PATIENCE = 30.0
_QUERY = ord("Q")


class Moment(StrEnum):
    """When a message is met: it is not forwarded, or it is and nothing after it in either direction."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class Cut:
    """Cut at the message of this number, counted from 1; `strike` is done at the same moment."""

    at: int
    moment: Moment
    strike: Callable[[], None] = lambda: None


@dataclass(slots=True)
class Stream:
    """The messages of one direction: a type and a length, but the first of a client is only a length."""

    typed: bool
    rest: bytes = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Whole messages, as they are; what is not whole yet is kept."""
        self.rest += data
        start = 0
        while True:
            head = int(self.typed)
            if len(self.rest) < start + head + 4:
                break
            end = start + head + int.from_bytes(self.rest[start + head : start + head + 4])
            if len(self.rest) < end:
                break
            yield self.rest[start:end]
            self.typed, start = True, end
        self.rest = self.rest[start:]


@dataclass(slots=True)
class Wire:
    """Listens on a port of its own; every connection to it is one to the server."""

    server: tuple[str, int]
    #: Every message since it was armed: an arrow and a type, and what a simple query says.
    journal: list[str] = field(default_factory=list)
    _cut: Cut | None = None
    _was_cut: bool = False
    _idle: threading.Event = field(default_factory=threading.Event)
    _listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    def __post_init__(self) -> None:
        self._idle.set()
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def port(self) -> int:
        """Where it listens, on 127.0.0.1."""
        return int(self._listener.getsockname()[1])

    def arm(self, cut: Cut | None) -> None:
        """Count from 1 again, and cut there; None = only count."""
        self.journal, self._cut, self._was_cut = [], cut, False

    def settle(self) -> bool:
        """Wait until no connection is left on either side; whether it was cut since it was armed."""
        if not self._idle.wait(_PATIENCE):
            raise TimeoutError("a connection over the wire does not end")
        return self._was_cut

    def close(self) -> None:
        """Listen no more."""
        # Who waits in accept() is not woken by a close.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._idle.clear()
                with client, socket.create_connection(self.server) as server:
                    for end in (client, server):
                        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    with suppress(ConnectionError):
                        self._carry(client, server)
                    client.close()
                    # It reads to the end of what it was sent before it finds that nobody is there.
                    with suppress(OSError):
                        server.shutdown(socket.SHUT_WR)
                        while server.recv(_CHUNK):
                            pass
                self._idle.set()

    def _carry(self, client: socket.socket, server: socket.socket) -> None:
        """One connection at a time, as the processes here have; returns when it was cut or has ended."""
        ways = {client: (server, Stream(typed=False), ">"), server: (client, Stream(typed=True), "<")}
        while True:
            ready, _, _ = select.select(list(ways), [], [])
            for source in ready:
                to, stream, arrow = ways[source]
                data = source.recv(_CHUNK)
                if not data:
                    return
                passed = []
                for message in stream.feed(data):
                    forward, go_on = self._meet(message, arrow)
                    if forward:
                        passed.append(message)
                    if not go_on:
                        self._end(to, b"".join(passed))
                        return
                to.sendall(b"".join(passed))

    def _meet(self, message: bytes, arrow: str) -> tuple[bool, bool]:
        """Count a message: whether it is forwarded, and whether anything is after it."""
        said = message[5:-1].decode(errors="replace") if message[0] == _QUERY else ""
        self.journal.append(f"{arrow}{chr(message[0]) if message[0] else 'startup'}{said}")
        cut = self._cut
        if cut is None or len(self.journal) != cut.at:
            return True, True
        return cut.moment == Moment.AFTER, False

    def _end(self, to: socket.socket, last: bytes) -> None:
        cut, self._cut, self._was_cut = self._cut, None, True
        with suppress(ConnectionError):
            to.sendall(last)
        if cut is not None:
            cut.strike()
