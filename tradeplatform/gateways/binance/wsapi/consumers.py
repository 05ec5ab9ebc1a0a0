"""The socket door of `/ws-api/v3`."""

from __future__ import annotations

from typing import ClassVar
from urllib.parse import parse_qsl

from orders.consumers import Conversation, SocketConsumer
from orders.feed.hub import Hub
from orders.feed.outlet import Dialect, Outlet
from tradeplatform.common.addresses import socket_address
from tradeplatform.gateways.binance.errors import BinanceError
from tradeplatform.gateways.binance.shapes import Clock
from tradeplatform.gateways.binance.sockets import SocketDialect
from tradeplatform.gateways.binance.wsapi.performing import Door
from tradeplatform.gateways.binance.wsapi.session import ApiSession


class ApiConsumer(SocketConsumer):
    """`/ws-api/v3`. The address may say `timeUnit` and `returnRateLimits`. See docs/binance.md."""

    dialect: ClassVar[Dialect] = SocketDialect()

    def converse(self, feed: Hub, outlet: Outlet) -> Conversation:
        """Requests and answers."""
        said = dict(parse_qsl(self.scope["query_string"].decode("latin-1")))
        try:
            clock = Clock.named(said.get("timeUnit", Clock.MILLISECOND))
        except BinanceError:
            clock = Clock.named(Clock.MILLISECOND)
        shows = said.get("returnRateLimits", "true").lower() != "false"
        return ApiSession(feed, outlet, Door(socket_address(self.scope), clock, shows_limits=shows))
