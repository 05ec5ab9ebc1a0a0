"""The socket doors: carry messages between a connection and its conversation with the feed."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, ClassVar, Protocol

import structlog
from channels.consumer import AsyncConsumer
from channels.exceptions import StopConsumer

from orders.feed import protocol
from orders.feed.flow import flow_of
from orders.feed.hub import Hub, hub
from orders.feed.outlet import Dialect, Outlet
from orders.feed.protocol import STOPPING
from orders.feed.session import Session
from orders.feed.stopping import cancel_when_stopped
from tradeplatform.common.addresses import socket_address
from tradeplatform.common.correlation import bind

# Well within what a supervisor grants a process that was asked to stop.
_GOODBYE_SECONDS = 2.0

logger = structlog.get_logger(__name__)


class Conversation(Protocol):
    """What is said on one socket."""

    def open(self) -> None:
        """Greet the socket, or send it away."""

    async def receive(self, text: str | None) -> None:
        """Answer a message; None stands for a binary one. Never raises for what a client sent."""

    def end(self) -> None:
        """The socket is gone."""


class SocketConsumer(AsyncConsumer):
    """One for each socket; a path's own class says in which words it speaks and what it can say."""

    dialect: ClassVar[Dialect]

    def converse(self, feed: Hub, outlet: Outlet) -> Conversation:
        """The conversation of a new socket."""
        raise NotImplementedError

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Live as long as the connection does."""
        bind()
        self.scope = scope
        outlet = Outlet(flow_of(send), self.dialect)
        self._conversation = self.converse(hub(), outlet)
        self._outlet = outlet
        self._tasks: list[asyncio.Task[None]] = []
        try:
            cancel_when_stopped()
            await super().__call__(scope, receive, send)
        except asyncio.CancelledError:
            await self._say_goodbye(receive)
            raise
        finally:
            self._conversation.end()
            for task in self._tasks:
                task.cancel()

    async def _say_goodbye(self, receive: Any) -> None:
        """Tell the socket that the server stops, and give it a moment to hear so."""
        self._outlet.close(STOPPING)
        with suppress(TimeoutError):
            async with asyncio.timeout(_GOODBYE_SECONDS):
                while (await receive())["type"] != "websocket.disconnect":
                    pass

    async def dispatch(self, message: Any) -> None:
        """Hand a message to its method. Channels would ask a thread about old connections before each."""
        await getattr(self, message["type"].replace(".", "_"))(message)

    async def websocket_connect(self, message: Any) -> None:
        """Let it in: the origin was checked on the way here."""
        await self.send({"type": "websocket.accept"})
        self._conversation.open()
        self._tasks.append(asyncio.create_task(self._outlet.run()))

    async def websocket_receive(self, message: Any) -> None:
        """The client said something."""
        await self._conversation.receive(message.get("text"))

    async def websocket_disconnect(self, message: Any) -> None:
        """The client is gone."""
        why = self._outlet.closing.reason if self._outlet.closing else "client"
        logger.info("socket_closed", code=message.get("code"), why=why)
        raise StopConsumer


class FeedConsumer(SocketConsumer):
    """`/ws/v1`. See docs/feed.md."""

    dialect: ClassVar[Dialect] = protocol

    def converse(self, feed: Hub, outlet: Outlet) -> Conversation:
        """The words of our own feed."""
        return Session(feed, outlet, ip=socket_address(self.scope))
