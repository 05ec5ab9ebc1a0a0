"""Conversations with the streams over real sockets, and a book kept as the venue's guide tells it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.factories import Market
from tests.feed.talk import PATIENCE, Feed
from tests.gateways.binance.client import Venue

Message = dict[str, Any]


class Speaker:
    """One connection."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    def ask(self, method: str, *params: Any, number: Any = 1) -> Any:
        """Send a request; the next message, which must be its answer."""
        self.connection.send(json.dumps({"method": method, "params": list(params), "id": number}))
        return self.next()

    def subscribe(self, *names: str) -> None:
        """Subscribe, expecting a yes."""
        assert self.ask("SUBSCRIBE", *names) == {"result": None, "id": 1}

    def next(self, *, seconds: float = PATIENCE) -> Any:
        """The next message."""
        return json.loads(self.connection.recv(timeout=seconds))

    def until(self, **fields: Any) -> Message:
        """The next message with these fields."""
        deadline = time.monotonic() + PATIENCE
        while True:
            message: Message = self.next(seconds=max(0.01, deadline - time.monotonic()))
            if fields.items() <= message.items():
                return message

    def hear_close(self) -> tuple[int, str, list[Any]]:
        """The code and the reason the connection is closed with, and what was said before."""
        said = []
        while True:
            try:
                said.append(self.next())
            except ConnectionClosed as closed:
                return (closed.rcvd.code, closed.rcvd.reason, said) if closed.rcvd else (0, "", said)


@contextmanager
def speaker(feed: Feed, path: str = "/ws", **how: Any) -> Iterator[Speaker]:
    """Open a connection."""
    # Without a bound on what waits for the test it would stop reading, and so answering pings.
    usual = {"close_timeout": 1, "max_queue": None}
    with connect(feed.url.removesuffix("/ws/v1") + path, **(usual | how)) as connection:
        yield Speaker(connection)


def name(market: Market, kind: str) -> str:
    return f"{market.symbol.lower()}@{kind}"


def timeless(event: dict[str, Any]) -> dict[str, Any]:
    """An event without the moment it was sent at, which it must have."""
    assert abs(event["E"] - time.time() * 1_000) < 60_000
    return {key: value for key, value in event.items() if key != "E"}


class GapError(Exception):
    """An event does not continue the one before it."""


class LocalBook:
    """A local book: fetch, drop what is older, check the first event, then each against the one before it."""

    def __init__(self, symbol: str) -> None:
        self.id = 0
        self.events = 0
        self.sides: dict[str, dict[str, str]] = {"b": {}, "a": {}}
        self._symbol = symbol
        self._begun = False

    def fetch(self) -> None:
        """Begin with the book that REST has."""
        found = Venue().ask("depth", symbol=self._symbol, limit=5000)
        self.id = found["lastUpdateId"]
        self.sides = {"b": dict(found["bids"]), "a": dict(found["asks"])}
        self._begun = False

    def take(self, event: Message) -> None:
        """Apply an event. Raises GapError."""
        assert (event["e"], event["s"]) == ("depthUpdate", self._symbol)
        if event["u"] <= self.id:
            return
        if event["U"] != self.id + 1 and (self._begun or event["U"] > self.id + 1):
            raise GapError(event["U"], self.id)
        for letter, side in self.sides.items():
            for price, quantity in event[letter]:
                if quantity == "0.00000000":
                    side.pop(price, None)
                else:
                    side[price] = quantity
        self.id, self._begun = event["u"], True
        self.events += 1

    def is_rest(self) -> bool:
        """Whether REST has the same."""
        found = Venue().ask("depth", symbol=self._symbol, limit=5000)
        return (self.id, self.sides["b"], self.sides["a"]) == (
            found["lastUpdateId"],
            dict(found["bids"]),
            dict(found["asks"]),
        )

    def follow(self, reader: Speaker) -> None:
        """Take events until it is what REST has now."""
        wanted = Venue().ask("depth", symbol=self._symbol, limit=5)["lastUpdateId"]
        while self.id < wanted:
            self.take(reader.until(e="depthUpdate"))
        assert self.is_rest()
