"""What all sockets of this dialect have in common: pings, limits, life, and how a request is named."""

from __future__ import annotations

import math
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import orjson

from orders.feed.buckets import Bucket
from orders.feed.hub import Hub
from orders.feed.identity import Identity
from orders.feed.manners import is_too_large
from orders.feed.outlet import Outlet
from orders.feed.protocol import ACCESS_ENDED, STOPPING, TOO_LARGE, TOO_MANY_SOCKETS, CloseCode, Closing
from tradeplatform.gateways.binance.signing import microseconds_now

PING_SECONDS = 20
PONG_SECONDS = 60
LIFE_SECONDS = 24 * 60 * 60
MESSAGES_PER_SECOND = 5

NO_PONG = Closing(CloseCode.POLICY, "pong_timeout", "No pong came back.")
LIFE_OVER = Closing(CloseCode.GOING_AWAY, "connection_expired", "A connection lives for 24 hours.")
TOO_MANY_REQUESTS = Closing(CloseCode.POLICY, "too_many_requests", "Too many messages a second.")

RequestId = int | str | None

_TEXT_ID = re.compile("[A-Za-z0-9_-]{1,36}", re.ASCII)
_I64_MAX = 2**63 - 1


class SocketDialect:
    """What a socket is told without asking; `wrap` puts it as this kind of socket says things."""

    HEARTBEAT_SECONDS = math.inf

    def __init__(self, wrap: str = "%s") -> None:
        self._wrap = wrap

    def heartbeat(self, *, live: bool) -> str:
        """Nothing: pings are the sign of life."""
        return ""

    def closing(self, why: Closing) -> str | None:
        """`serverShutdown` before a planned stop; else the close frame says it all."""
        if why is not STOPPING:
            return None
        return self._wrap % orjson.dumps({"e": "serverShutdown", "E": milliseconds_now()}).decode()


class SocketSession(ABC):
    """One socket: it is pinged, lives for a day, and may say only so much; what it says is `answer`ed."""

    #: Of messages; the socket is closed when there are more.
    messages_per_second: ClassVar[int] = MESSAGES_PER_SECOND
    identity: Identity | None = None

    def __init__(self, hub: Hub, outlet: Outlet) -> None:
        self.outlet = outlet
        self.hub = hub
        self._born = self._pinged = now = time.monotonic()
        self._messages = Bucket(size=self.messages_per_second, rate=self.messages_per_second, now=now)

    def open(self) -> None:
        """Let the socket in, or send it away if there are too many."""
        if self.hub.is_full():
            self.outlet.close(TOO_MANY_SOCKETS)
        else:
            self.hub.join(self)
            self.outlet.ping()

    def end(self) -> None:
        """The socket is gone: forget it everywhere."""
        self.hub.leave(self)

    def accounts(self) -> set[int]:
        """The accounts whose rights it lives by."""
        return set()

    def tick(self, now: float) -> None:
        """A second has passed."""
        if now - self._born >= LIFE_SECONDS:
            self.outlet.close(LIFE_OVER)
        elif now - self.outlet.last_pong() >= PONG_SECONDS:
            self.outlet.close(NO_PONG)
        elif now - self._pinged >= PING_SECONDS:
            self._pinged = now
            self.outlet.ping()
        self.outlet.tick(now, live=self.hub.live)

    def turned(self, *, live: bool) -> None:  # noqa: B027 - not all need it
        """The server hears from the market again, or no more: this dialect has no word for it."""

    def access_ended(self) -> None:
        """Whoever the socket belongs to may not go on."""
        self.outlet.close(ACCESS_ENDED)

    async def receive(self, text: str | None) -> None:
        """Answer a message; None stands for a binary one. Never raises for what a client sent."""
        if self.outlet.closing is not None:
            return
        if is_too_large(text):
            self.outlet.close(TOO_LARGE)
        elif not self._messages.take(time.monotonic()):
            self.outlet.close(TOO_MANY_REQUESTS)
        else:
            await self.answer(text or "")

    @abstractmethod
    async def answer(self, text: str) -> None:
        """Answer a message. Never raises for what a client sent."""


def request_id(message: Mapping[str, Any]) -> RequestId:
    """The id to repeat in the answer: a 64-bit integer, up to 36 letters and digits, or null.

    Raises ValueError.
    """
    found = message.get("id")
    if isinstance(found, int) and not isinstance(found, bool) and abs(found) <= _I64_MAX:
        return found
    if found is None or (isinstance(found, str) and _TEXT_ID.fullmatch(found)):
        return found
    raise ValueError("id")


def milliseconds_now() -> int:
    """This moment, as events say it."""
    return microseconds_now() // 1_000
