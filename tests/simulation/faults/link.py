"""A link to a server that can be made to forward nothing any more, in one direction or both, or be torn.

What it holds back it keeps, as a network does whose packets are sent again: a link that is mended in time
delivers all of it, and until then nobody hears that the other end has hung up. Each connection knows whose it
is, so that a single part of the platform can be cut off.
"""

from __future__ import annotations

import select
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Flag, auto

_CHUNK = 1 << 16
_LOOK_MS = 20
_PATIENCE = 10.0
_GONE = select.POLLRDHUP | select.POLLHUP | select.POLLERR
#: Closed with this a socket sends RST, and forgets what it had to send.
_AT_ONCE = struct.pack("ii", 1, 0)


class Way(Flag):
    """Where bytes go."""

    TO_SERVER = auto()
    TO_CLIENT = auto()
    BOTH = TO_SERVER | TO_CLIENT


_NO_WAY = Way(0)


@dataclass(eq=False, slots=True)
class _Connection:
    client: socket.socket
    server: socket.socket
    owner: str
    held: Way
    #: Since when something waits that is not forwarded.
    waiting_since: float | None = None
    torn: bool = False
    #: Where an end has hung up and the other has not heard of it: the way that it would go.
    hung_up: Way = _NO_WAY


@dataclass(slots=True)
class Link:
    """Listens on a port of its own; every connection to it is one to the server."""

    server: tuple[str, int]
    #: Whose a connection from this port is.
    whose: Callable[[int], str] = lambda _port: ""
    #: Of connections on which something waited in vain: whose, and after how many seconds they were given up.
    noticed: list[tuple[str, float]] = field(default_factory=list)
    #: When something last came back from the server for this owner.
    heard: dict[str, float] = field(default_factory=dict)
    _holding: dict[str | None, Way] = field(default_factory=dict)
    _open: list[_Connection] = field(default_factory=list)
    #: Guards the two above; told whenever a connection has ended.
    _lock: threading.Condition = field(default_factory=threading.Condition)
    _listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    def __post_init__(self) -> None:
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def port(self) -> int:
        """Where it listens, on 127.0.0.1."""
        return int(self._listener.getsockname()[1])

    def hold(self, way: Way, owner: str | None = None, *, new_too: bool = True) -> None:
        """Forward nothing that way; of the owner's, or of everybody's connections."""
        with self._lock:
            if new_too:
                self._holding[owner] = way
            for connection in self._of(owner):
                connection.held = way

    def tear(self, owner: str | None = None) -> None:
        """Reset the connections there are, on both sides; they have ended when this returns."""
        with self._lock:
            doomed = self._of(owner)
            for connection in doomed:
                connection.torn = True
            self._lock.wait_for(lambda: not any(each in self._open for each in doomed), _PATIENCE)

    def noticed_by(self, owner: str) -> list[float]:
        """Seconds for which this one's connections waited in vain, those too that are not given up yet."""
        with self._lock:
            still = [found.waiting_since for found in self._of(owner) if found.held and not found.hung_up]
        now = time.monotonic()
        given_up = [seconds for whose, seconds in self.noticed if whose == owner]
        return given_up + [now - since for since in still if since is not None]

    def mend(self) -> None:
        """Forward all again, what was held back first."""
        with self._lock:
            self._holding.clear()
            for connection in self._open:
                connection.held = _NO_WAY

    def close(self) -> None:
        """Listen no more, and end what there is."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.tear()

    def _of(self, owner: str | None) -> list[_Connection]:
        return [found for found in self._open if owner in (None, found.owner)]

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, (_host, port) = self._listener.accept()
                threading.Thread(target=self._begin, args=[client, port], daemon=True).start()

    def _begin(self, client: socket.socket, port: int) -> None:
        owner = self.whose(port)
        try:
            server = socket.create_connection(self.server)
        except OSError:
            client.close()
            return
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            held = self._holding.get(owner, self._holding.get(None, _NO_WAY))
            connection = _Connection(client, server, owner, held)
            self._open.append(connection)
        self._carry(connection)

    def _carry(self, connection: _Connection) -> None:
        client, server = connection.client, connection.server
        with client, server:
            with suppress(OSError):
                while not connection.torn and self._step(connection):
                    pass
                self._say_good_bye(connection)
            if connection.torn:
                for end in (client, server):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        with self._lock:
            self._open.remove(connection)
            self._lock.notify_all()

    def _say_good_bye(self, connection: _Connection) -> None:
        """Once it gets through, with what was said before it."""
        while connection.held & connection.hung_up and not connection.torn:
            time.sleep(_LOOK_MS / 1_000)
        if not connection.torn and connection.hung_up == Way.TO_SERVER:
            while data := connection.client.recv(_CHUNK):
                connection.server.sendall(data)

    def _step(self, connection: _Connection) -> bool:
        """Forward what there is; whether the connection goes on."""
        ends = {
            connection.client: (connection.server, Way.TO_SERVER),
            connection.server: (connection.client, Way.TO_CLIENT),
        }
        poll = select.poll()
        for end, (_to, way) in ends.items():
            waits = connection.held & way and connection.waiting_since is not None
            poll.register(end, _GONE if waits else select.POLLIN | _GONE)
        ready = dict(poll.poll(_LOOK_MS))
        for end, (to, way) in ends.items():
            event = ready.get(end.fileno(), 0)
            if connection.held & way:
                if event & _GONE:
                    self._given_up(connection, by_client=end is connection.client)
                    connection.hung_up = way
                    return False
                if event and connection.waiting_since is None:
                    connection.waiting_since = time.monotonic()
            elif event:
                data = end.recv(_CHUNK)
                if not data:
                    self._given_up(connection, by_client=end is connection.client)
                    return False
                to.sendall(data)
                if way == Way.TO_CLIENT:
                    self.heard[connection.owner] = time.monotonic()
        if not connection.held:
            connection.waiting_since = None
        return True

    def _given_up(self, connection: _Connection, *, by_client: bool) -> None:
        if by_client and connection.held and connection.waiting_since is not None:
            self.noticed.append((connection.owner, time.monotonic() - connection.waiting_since))
