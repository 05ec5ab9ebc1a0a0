"""The socket door of this dialect."""

from __future__ import annotations

from typing import ClassVar

from orders.consumers import Conversation, SocketConsumer
from orders.feed.hub import Hub
from orders.feed.outlet import Dialect, Outlet
from tradeplatform.gateways.kraken import protocol
from tradeplatform.gateways.kraken.session import Session


class KrakenConsumer(SocketConsumer):
    """`/v2`. See docs/kraken.md."""

    dialect: ClassVar[Dialect] = protocol

    def converse(self, feed: Hub, outlet: Outlet) -> Conversation:
        """Kraken's words."""
        return Session(feed, outlet)
