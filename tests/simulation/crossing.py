"""A wire to PostgreSQL for a process with many connections: all messages are counted, at one it is cut.

Who only asks whether anybody is there has no message, and is answered.
"""

from __future__ import annotations

import select
import socket
import threading
from contextlib import suppress

from tests.simulation.wire import Cut, Moment, Stream

_CHUNK = 1 << 16
#: "Would you speak TLS?" is answered by a letter, which is no message of the protocol.
_QUESTION = (8).to_bytes(4) + (80877103).to_bytes(4)


class Crossing:
    """Listens on a port of its own; each connection to it is one to the server, carried by a thread."""

    def __init__(self, server: tuple[str, int]) -> None:
        self._server = server
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._lock = threading.Lock()
        self._cut: Cut | None = None
        self._count = 0
        #: Set when what it was armed with has happened.
        self.was_cut = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def port(self) -> int:
        """Where it listens, on 127.0.0.1."""
        return int(self._listener.getsockname()[1])

    @property
    def count(self) -> int:
        """Messages since it was armed."""
        return self._count

    def arm(self, cut: Cut | None) -> None:
        """Count from 1 again, and cut the connection that the message goes over; None = only count."""
        with self._lock:
            self.was_cut.clear()
            self._cut, self._count = cut, 0

    def disarm(self) -> None:
        """Cut nothing any more."""
        with self._lock:
            self._cut = None

    def close(self) -> None:
        """Listen no more."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._carry_one, args=[client], daemon=True).start()

    def _carry_one(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._server) as server:
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with suppress(OSError):
                self._carry(client, server)

    def _carry(self, client: socket.socket, server: socket.socket) -> None:
        """Returns when it was cut, or has ended on either side."""
        ways = {client: (server, Stream(typed=False)), server: (client, Stream(typed=True))}
        if client.recv(len(_QUESTION), socket.MSG_PEEK | socket.MSG_WAITALL) == _QUESTION:
            server.sendall(client.recv(len(_QUESTION)))
            client.sendall(server.recv(1))
            return
        while True:
            ready, _, _ = select.select(list(ways), [], [])
            for source in ready:
                to, stream = ways[source]
                data = source.recv(_CHUNK)
                if not data:
                    return
                passed: list[bytes] = []
                for message in stream.feed(data):
                    cut = self._met()
                    if cut is None:
                        passed.append(message)
                        continue
                    if cut.moment == Moment.AFTER:
                        passed.append(message)
                    with suppress(OSError):
                        to.sendall(b"".join(passed))
                    cut.strike()
                    self.was_cut.set()
                    return
                to.sendall(b"".join(passed))

    def _met(self) -> Cut | None:
        """Count a message: what is to be done at it, if it is the one."""
        with self._lock:
            self._count += 1
            cut = self._cut
            if cut is None or self._count != cut.at:
                return None
            self._cut = None
            return cut
