"""Conversations on `/v2` over real sockets."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.feed.talk import PATIENCE, Feed
from tests.gateways.kraken.client import Message, read


class Speaker:
    """One socket."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.systems: list[str] = []

    def say(self, **message: Any) -> None:
        """Send a message."""
        self.connection.send(json.dumps(message))

    def next(self, *, seconds: float = PATIENCE) -> Message:
        """The next message that is no heartbeat; how the server was in between is kept."""
        deadline = time.monotonic() + seconds
        while True:
            message = read(str(self.connection.recv(timeout=max(0.01, deadline - time.monotonic()))))
            if message.get("channel") == "status":
                self.systems.append(message["data"][0]["system"])
            elif message != {"channel": "heartbeat"}:
                return message

    def hear_system(self, word: str) -> None:
        """Wait until the server says that it is so."""
        while self.systems[-1:] != [word]:
            message = read(str(self.connection.recv(timeout=PATIENCE)))
            assert message["channel"] in {"status", "heartbeat"}, message
            if message["channel"] == "status":
                self.systems.append(message["data"][0]["system"])

    def ask(self, method: str, **more: Any) -> Message:
        """Send a message and return what comes next."""
        self.say(method=method, **more)
        return self.next()

    def subscribe(self, *names: str, **params: Any) -> Message:
        """Ask for books, and return the first answer."""
        return self.ask("subscribe", params={"channel": "book", "symbol": names, **params})

    def hear_close(self) -> tuple[int, str]:
        """The code and the reason the socket is closed with."""
        while True:
            try:
                self.next()
            except ConnectionClosed as closed:
                return (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (0, "")


@contextmanager
def speaker(feed: Feed, **how: Any) -> Iterator[Speaker]:
    """Open a socket and hear how the server is."""
    url = feed.url.removesuffix("/ws/v1") + "/v2"
    with connect(url, **({"close_timeout": 1} | how)) as connection:
        found = Speaker(connection)
        status = read(str(connection.recv(timeout=PATIENCE)))
        assert (status["channel"], status["type"]) == ("status", "update")
        assert status["data"][0]["api_version"] == "v2"
        found.systems.append(status["data"][0]["system"])
        yield found
