"""The platform's sockets with less patience, so that a test of it is short."""

from __future__ import annotations

from tradeplatform.asgi import application
from tradeplatform.gateways.binance import sockets
from tradeplatform.gateways.binance.streams import depth

__all__ = ["application"]

sockets.PING_SECONDS = 1
sockets.PONG_SECONDS = 8
depth._BOOTSTRAP_SECONDS = 0.5
