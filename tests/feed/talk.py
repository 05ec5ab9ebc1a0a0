"""Conversations with the feed: words shared by tests on a communicator and on real sockets."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import psutil
from channels.testing import WebsocketCommunicator
from rest_framework_simplejwt.tokens import AccessToken
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from accounts.models import TradingAccount, User
from tests.factories import tokens_of
from tests.threads import elsewhere

Message = dict[str, Any]
T = TypeVar("T")

PATIENCE = 20.0


def token_for(owner: TradingAccount | User, *, lifetime: timedelta | None = None) -> str:
    """An access token as a login gives it."""
    access = tokens_of(owner if isinstance(owner, User) else owner.user).access
    token = AccessToken(access.encode())  # type: ignore[arg-type]  # the stubs want a token where text is read
    if lifetime is not None:
        token.set_exp(lifetime=lifetime)
    return str(token)


async def do(work: Callable[[], T]) -> T:
    """Work on the database from an async test."""
    return await asyncio.to_thread(elsewhere, work)


def eventually(condition: Callable[[], T], *, seconds: float = PATIENCE) -> T:
    """The condition's first true value; fails past the deadline."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)
    return found


class Talk:
    """A conversation with the real ASGI application in this process."""

    def __init__(self, communicator: WebsocketCommunicator) -> None:
        self._communicator = communicator
        self.passed_over: list[Message] = []

    async def say(self, **message: Any) -> None:
        """Send a JSON message."""
        await self._communicator.send_to(text_data=json.dumps(message))

    async def say_raw(self, text: str | None = None, *, data: bytes | None = None) -> None:
        """Send a frame as it is."""
        await self._communicator.send_to(text_data=text, bytes_data=data)

    async def hear(self, kind: str) -> Message:
        """The next message of a kind; what comes before it is kept, but for refusals, which fail."""
        for number, message in enumerate(self.passed_over):
            if message["type"] == kind:
                return self.passed_over.pop(number)
        async with asyncio.timeout(PATIENCE):
            while True:
                heard: Message = json.loads(await self._communicator.receive_from(timeout=PATIENCE))
                if heard["type"] == kind:
                    return heard
                assert heard["type"] not in {"error", "closing"}, heard
                self.passed_over.append(heard)

    async def ask(self, answer: str, **message: Any) -> Message:
        """Send a message and return its answer."""
        await self.say(**message)
        return await self.hear(answer)

    async def hear_close(self) -> tuple[int, str]:
        """The code and reason the socket is closed with, past whatever is said before."""
        while True:
            output = await self._communicator.receive_output(timeout=PATIENCE)
            if output["type"] == "websocket.close":
                return output["code"], output["reason"]


@asynccontextmanager
async def talk(*, path: str = "/ws/v1", origin: str | None = None) -> AsyncIterator[Talk]:
    """Open a socket, hear its welcome, and hang up at the end."""
    from tradeplatform.asgi import application  # noqa: PLC0415 - it sets Django up once more on import

    headers = [(b"origin", origin.encode())] if origin else []
    communicator = WebsocketCommunicator(application, path, headers=headers)
    accepted, _ = await communicator.connect(timeout=PATIENCE)
    assert accepted, "refused"
    conversation = Talk(communicator)
    await conversation.hear("welcome")
    try:
        yield conversation
    finally:
        await communicator.disconnect()


async def subscribed(socket: Talk, **topic: Any) -> None:
    """Subscribe, expecting a yes."""
    answer = await socket.ask("subscribed", op="subscribe", id=1, **topic)
    assert answer == {"type": "subscribed", **topic, "id": 1}


class Socket:
    """A conversation over a real socket."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.passed_over: list[Message] = []

    def say(self, **message: Any) -> None:
        """Send a JSON message."""
        self.connection.send(json.dumps(message))

    def next(self, *, seconds: float = PATIENCE) -> Message:
        """The next message, of whatever kind."""
        message: Message = json.loads(self.connection.recv(timeout=seconds))
        return message

    def hear(self, kind: str, *, seconds: float = PATIENCE, **fields: Any) -> Message:
        """The next message of a kind with these fields; what comes before it is kept, refusals fail."""
        for number, message in enumerate(self.passed_over):
            if message["type"] == kind and fields.items() <= message.items():
                return self.passed_over.pop(number)
        deadline = time.monotonic() + seconds
        while True:
            message = self.next(seconds=max(0.01, deadline - time.monotonic()))
            if message["type"] == kind and fields.items() <= message.items():
                return message
            assert message["type"] not in {"error", "closing"}, message
            self.passed_over.append(message)

    def ask(self, answer: str, **message: Any) -> Message:
        """Send a message and return its answer."""
        self.say(**message)
        return self.hear(answer)

    def hear_close(self) -> tuple[int, str]:
        """The code the socket is closed with and the reason it was told before ('' if none)."""
        reason = ""
        while True:
            try:
                reason = self.next().get("reason", "")
            except ConnectionClosed as closed:
                # No code means that the connection was dropped.
                return closed.rcvd.code if closed.rcvd else 0, reason

    def log_in(self, account: TradingAccount) -> None:
        """Authenticate as the account's owner."""
        self.ask("authenticated", op="auth", token=token_for(account))


@dataclass(frozen=True, slots=True)
class Feed:
    """A running socket server."""

    url: str
    process: psutil.Process
    log: Path

    @contextmanager
    def socket(self, **how: Any) -> Iterator[Socket]:
        """Open a real socket and hear its welcome."""
        with connect(self.url, **({"close_timeout": 1} | how)) as connection:
            found = Socket(connection)
            found.hear("welcome")
            yield found

    @contextmanager
    def stubborn_socket(self) -> Iterator[Socket]:
        """A socket whose reader can stop: what it does not read is not buffered for it."""
        address = urlsplit(self.url)
        plain = socket.socket()
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plain.connect((address.hostname, address.port))
        with self.socket(sock=plain, max_queue=1, ping_interval=None, compression=None) as found:
            yield found

    def connections(self) -> int:
        """How many clients are connected."""
        port = urlsplit(self.url).port
        found = self.process.net_connections()
        return sum(one.laddr.port == port and one.status == psutil.CONN_ESTABLISHED for one in found)

    def memory(self) -> int:
        """Resident bytes of the server."""
        return int(self.process.memory_info().rss)
