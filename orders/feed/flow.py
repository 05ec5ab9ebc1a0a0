"""Whether a socket takes more bytes now. Daphne buffers without end and never says: ask its transport."""

from __future__ import annotations

import asyncio
import functools
import socket
import time
from typing import Any

from autobahn.exception import Disconnected
from daphne.ws_protocol import WebSocketProtocol  # type: ignore[import-untyped]
from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer  # type: ignore[import-untyped]

# What the kernel may hold beyond what is on its way. Without a limit it takes megabytes of old books.
_UNSENT_BYTES = 64 * 1024
# How long a reader may take to fetch what was sent before its close, and to answer it.
_CLOSE_SECONDS = 5


# What `send` raises while the other end is closing.
GONE = (Disconnected,)


@implementer(IPushProducer)
class Flow:
    """Open while the transport takes bytes; closed from the moment its buffer is full until it is empty.

    Behind anything but Daphne (a test's communicator) it is always open.
    """

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()
        self._closed_at: float | None = None

    def is_open(self) -> bool:
        """Whether the transport takes bytes now."""
        return self._open.is_set()

    def stalled_for(self) -> float:
        """Seconds since the transport took its last byte; 0 while it takes them."""
        return 0.0 if self._closed_at is None else time.monotonic() - self._closed_at

    async def opened(self) -> None:
        """Return once the transport takes bytes."""
        await self._open.wait()

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's word
        """The transport's buffer is full."""
        if self._open.is_set():
            self._open.clear()
            self._closed_at = time.monotonic()

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's word
        """The transport's buffer is empty."""
        self._closed_at = None
        self._open.set()

    def stopProducing(self) -> None:  # noqa: N802 - Twisted's word
        """The connection is gone: nobody should wait for it."""
        self.resumeProducing()


def flow_of(send: Any) -> Flow:
    """The flow of the connection behind an ASGI `send`, from now on informed by its transport."""
    flow = Flow()
    protocol = _daphne_protocol(send)
    if protocol is not None:
        # The HTTP channel that was upgraded is still registered; on a full buffer it would stop reading too.
        protocol.unregisterProducer()
        protocol.registerProducer(flow, streaming=True)
        protocol.closeHandshakeTimeout = _CLOSE_SECONDS
        # Too large a message, or one that is not UTF-8, gets a close code and not just a dropped connection.
        protocol.failByDrop = False
        _limit_kernel_buffer(protocol.transport.getHandle())
    return flow


def _daphne_protocol(send: Any) -> WebSocketProtocol | None:
    """Daphne's `send` is its server's method bound to the connection's protocol."""
    if isinstance(send, functools.partial) and send.args and isinstance(send.args[0], WebSocketProtocol):
        return send.args[0]
    return None


def _limit_kernel_buffer(handle: socket.socket) -> None:
    if hasattr(socket, "TCP_NOTSENT_LOWAT") and handle.family in {socket.AF_INET, socket.AF_INET6}:
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT_BYTES)
