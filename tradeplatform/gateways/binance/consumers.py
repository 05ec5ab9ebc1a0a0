"""The socket doors of this dialect."""

from __future__ import annotations

from typing import Any, ClassVar
from urllib.parse import parse_qs

from orders.consumers import Conversation, SocketConsumer
from orders.feed.hub import Hub
from orders.feed.outlet import Dialect, Outlet
from tradeplatform.gateways.binance.sockets import SocketDialect
from tradeplatform.gateways.binance.streams.session import StreamSession
from tradeplatform.gateways.binance.streams.stream import wrapping


class StreamConsumer(SocketConsumer):
    """`/ws` and `/ws/<names>`: events as they are."""

    dialect: ClassVar[Dialect] = SocketDialect()
    combined: ClassVar[bool] = False

    def converse(self, feed: Hub, outlet: Outlet) -> Conversation:
        """The words of market streams."""
        names = self.names().split("/")
        self._session = StreamSession(feed, outlet, combined=self.combined, names=names)
        return self._session

    def names(self) -> str:
        """What the address asks for, separated by slashes."""
        names: str = self.scope["url_route"]["kwargs"].get("names") or ""
        return names

    def _query(self) -> dict[str, list[str]]:
        return parse_qs(self.scope["query_string"].decode("latin-1"))

    async def websocket_connect(self, message: Any) -> None:
        """Let it in, and begin with what the address asks for. Times are in milliseconds, and only so."""
        if self._query().get("timeUnit", ["MILLISECOND"])[0].upper() != "MILLISECOND":
            await self.send({"type": "websocket.close"})
            return
        await super().websocket_connect(message)
        await self._session.begin()


class CombinedStreamConsumer(StreamConsumer):
    """`/stream?streams=<names>`: each event with the name of its stream."""

    dialect: ClassVar[Dialect] = SocketDialect(wrapping("serverShutdown"))
    combined: ClassVar[bool] = True

    def names(self) -> str:
        """From the query."""
        return self._query().get("streams", [""])[0]
