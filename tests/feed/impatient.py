"""The platform's sockets with less patience, so that a test of it is short."""

from __future__ import annotations

from orders.feed import outlet
from tradeplatform.asgi import application

__all__ = ["application"]

outlet._STALL_SECONDS = 2
