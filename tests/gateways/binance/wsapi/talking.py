"""Conversations on `/ws-api/v3` over real sockets."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests.feed.talk import PATIENCE, Feed
from tests.gateways.binance.client import Signed, now_ms

Message = dict[str, Any]
#: What changes with the clock of the wall, and nothing else does.
_TIMES = frozenset({"E"})


class Api:
    """One socket of a client with a key; what is not asked for is kept."""

    def __init__(self, connection: ClientConnection, client: Signed | None) -> None:
        self.connection = connection
        self.client = client
        self.events: list[Message] = []
        self.answers: list[Message] = []
        self._number = 0

    def say(self, method: str, /, **params: Any) -> int:
        """Send a request as it is; its id."""
        self._number += 1
        self.connection.send(json.dumps({"id": self._number, "method": method, "params": params}))
        return self._number

    def next(self, *, seconds: float = PATIENCE) -> Message:
        """The next message."""
        message: Message = json.loads(self.connection.recv(timeout=seconds))
        return message

    def answer(self, number: Any) -> Message:
        """The answer to a request; events and other answers before it are kept."""
        deadline = time.monotonic() + PATIENCE
        for place, kept in enumerate(self.answers):
            if kept["id"] == number:
                return self.answers.pop(place)
        while True:
            message = self.next(seconds=max(0.01, deadline - time.monotonic()))
            if "event" in message:
                self.events.append(message)
            elif message.get("id") == number:
                return message
            else:
                self.answers.append(message)

    def ask(self, method: str, /, **params: Any) -> Message:
        """Send a request as it is, and return its answer."""
        return self.answer(self.say(method, **params))

    def signed(self, params: dict[str, Any]) -> dict[str, Any]:
        """The parameters with a key, a time and a signature over all, sorted by name."""
        assert self.client is not None
        stamped = {"apiKey": self.client.key_id, "timestamp": now_ms()} | params
        kept = {name: value for name, value in stamped.items() if value is not None}
        payload = "&".join(f"{name}={kept[name]}" for name in sorted(kept))
        return kept | {"signature": self.client.sign(payload.encode())}

    def send(self, method: str, /, **params: Any) -> Message:
        """Send a signed request, and return its answer."""
        return self.ask(method, **self.signed(params))

    def do(self, method: str, /, **params: Any) -> Any:
        """The result of a signed request, which must be 200."""
        return done(self.send(method, **params))

    def subscribe(self) -> int:
        """Ask for the key's own events; the subscription."""
        number: int = self.do("userDataStream.subscribe.signature")["subscriptionId"]
        return number

    def hear(self, kind: str | None = None, *, seconds: float = PATIENCE) -> Message:
        """The next event of the user stream, which must be of this kind."""
        if not self.events:
            message = self.next(seconds=seconds)
            assert "event" in message, message
            self.events.append(message)
        event: Message = self.events.pop(0)["event"]
        assert kind in {None, event["e"]}, event
        return event


def done(answer: Message) -> Any:
    """The result of an answer that must be 200."""
    assert answer["status"] == 200, answer
    return answer["result"]


def refused(answer: Message, code: int, msg: str, status: int = 400) -> Message:
    """Fail unless the answer is this error, letter by letter; the error."""
    error: Message = answer["error"]
    assert (error["code"], error["msg"], answer["status"]) == (code, msg, status), answer
    return error


@contextmanager
def api(feed: Feed, client: Signed | None = None, *, query: str = "", **how: Any) -> Iterator[Api]:
    """Open a socket."""
    url = feed.url.removesuffix("/ws/v1") + "/ws-api/v3" + query
    with connect(url, close_timeout=1, **how) as connection:
        yield Api(connection, client)
