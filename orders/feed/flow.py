"""How bytes leave, and whether more may: Daphne buffers without end and never says; its transport is asked.

The transport is also written to directly. ASGI's `send` would build a WebSocket frame for each socket, where
one will do for all, and Daphne would hold our messages to the size limit meant for the clients'. While the
transport holds nothing back, so is its socket: by itself it asks the kernel to be told when it may write, is
told, writes, and asks to be told no more, which takes longer than all else that a message to a socket costs.
"""

from __future__ import annotations

import asyncio
import functools
import math
import socket
import time
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any

from autobahn.exception import Disconnected
from autobahn.websocket.protocol import PreparedMessage
from daphne.ws_protocol import WebSocketProtocol  # type: ignore[import-untyped]
from twisted.internet.interfaces import IPushProducer
from twisted.internet.tcp import Connection
from zope.interface import implementer  # type: ignore[import-untyped]

Send = Callable[[dict[str, Any]], Awaitable[None]]

# What the kernel may hold beyond what is on its way. Without a limit it takes megabytes of old books.
_UNSENT_BYTES = 64 * 1024
# How long a reader may take to fetch what was sent before its close, and to answer it.
_CLOSE_SECONDS = 5
# A plain number: an operation with members of an enumeration makes another member, for each message.
_NOT_WAITING = int(socket.MSG_DONTWAIT)
# Messages to many sockets come one after the other: few are shared at a time.
_SHARED_FRAMES = 4


class Flow:
    """The way out through ASGI's `send`: it may take its time, so nothing can be written at once."""

    def __init__(self, send: Send) -> None:
        self._send = send

    def write(self, text: str) -> bool:
        """Send a message now, without waiting; False if that cannot be done now."""
        return False

    async def send(self, text: str) -> None:
        """Send a message as soon as it can be taken."""
        await self._send({"type": "websocket.send", "text": text})

    async def opened(self) -> None:
        """Return once a message can be taken."""

    def release(self) -> None:
        """Let `opened` return, whatever can be taken: the socket is to be closed."""

    def stalled_for(self) -> float:
        """Seconds since the last byte was taken; 0 while they are taken."""
        return 0.0

    def ping(self) -> None:
        """Send a ping. From the first one on, no others are sent."""

    def last_pong(self) -> float:
        """When the last pong came, by the monotonic clock; the opening counts as one."""
        return time.monotonic()

    async def close(self, text: str | None, *, code: int, reason: str) -> None:
        """Send a last message, if there is one, and close."""
        try:
            if text is not None:
                await self.send(text)
            await self._send({"type": "websocket.close", "code": code, "reason": reason})
        except Disconnected:
            # The reader has begun to close by itself.
            return


@implementer(IPushProducer)
class DaphneFlow(Flow):
    """The way out through the transport of a Daphne connection.

    Open while the transport takes bytes; closed from the moment its buffer is full until it is empty.
    """

    def __init__(self, send: Send, protocol: WebSocketProtocol) -> None:
        super().__init__(send)
        self._protocol = protocol
        self._open = asyncio.Event()
        self._open.set()
        self._closed_at: float | None = None
        self._last_pong = time.monotonic()
        protocol.onPong = self._heard_pong
        protocol.closeHandshakeTimeout = _CLOSE_SECONDS
        # Too large a message, or one that is not UTF-8, gets a close code and not just a dropped connection.
        protocol.failByDrop = False
        if protocol.transport.connected:
            # The upgraded HTTP channel is still registered; on a full buffer it would stop reading as well.
            protocol.unregisterProducer()
            protocol.registerProducer(self, streaming=True)
            _limit_kernel_buffer(protocol.transport.getHandle())
        self._at_once = _AtOnce.of(protocol.transport)

    def write(self, text: str) -> bool:
        """Give the transport a message if it takes any."""
        if not self._open.is_set():
            return False
        self._put(text)
        return True

    async def send(self, text: str) -> None:
        """Give the transport a message."""
        self._put(text)

    async def close(self, text: str | None, *, code: int, reason: str) -> None:
        """Give the transport a last message, if there is one, and a close frame."""
        if text is not None:
            self._put(text)
        if self._protocol.state == WebSocketProtocol.STATE_OPEN:
            # Daphne's own way takes no code below 3000, though some are a server's to send (1012, 1013), and
            # forgets the reason.
            self._protocol.sendCloseFrame(code=code, reasonUtf8=reason.encode())

    async def opened(self) -> None:
        """Return once the transport takes bytes."""
        await self._open.wait()

    def release(self) -> None:
        """Let `opened` return."""
        self._open.set()

    def stalled_for(self) -> float:
        """Seconds since the transport's buffer filled up."""
        return 0.0 if self._closed_at is None else time.monotonic() - self._closed_at

    def ping(self) -> None:
        """Send a ping.

        Daphne would ping who has said nothing, and autobahn drops whoever did not answer each single ping.
        """
        self._protocol.autoPingTimeout = 0
        self._protocol.last_ping = math.inf
        self._protocol.sendPing(str(time.time_ns() // 1_000_000).encode())

    def last_pong(self) -> float:
        """When the last pong came."""
        return self._last_pong

    def _heard_pong(self, _payload: bytes) -> None:
        self._last_pong = time.monotonic()

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's word
        """The transport's buffer is full."""
        if self._closed_at is None:
            self._closed_at = time.monotonic()
            self._open.clear()

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's word
        """The transport's buffer is empty."""
        self._closed_at = None
        self._open.set()

    def stopProducing(self) -> None:  # noqa: N802 - Twisted's word
        """The connection is gone: nobody should wait for it."""
        self.resumeProducing()

    def _put(self, text: str) -> None:
        # After a close frame of either side nothing may follow.
        if self._protocol.state == WebSocketProtocol.STATE_OPEN:
            frame = _frame(text)
            sent = self._at_once.send(frame) if self._at_once else 0
            if sent < len(frame):
                self._protocol.transport.write(frame[sent:])


class _AtOnce:
    """The socket of a transport that sends what it is given as it is."""

    def __init__(self, transport: Connection) -> None:
        self._transport = transport
        self._socket: socket.socket = transport.getHandle()

    @classmethod
    def of(cls, transport: Any) -> _AtOnce | None:
        """None where what is sent is made into something else first, such as by TLS."""
        plain = isinstance(transport, Connection) and transport.connected and not transport.TLS
        return cls(transport) if plain else None

    def send(self, frame: bytes) -> int:
        """How much of it the kernel has taken: nothing while the transport has something that comes first."""
        transport = self._transport
        if transport.dataBuffer or transport._tempDataLen or transport.disconnecting:  # noqa: SLF001
            return 0
        try:
            return self._socket.send(frame, _NOT_WAITING)
        except OSError:
            # It has its fill (`_UNSENT_BYTES`), or is gone: the transport finds it out.
            return 0


def flow_of(send: Any) -> Flow:
    """The way out of the connection behind an ASGI `send`, which in Daphne is bound to its protocol."""
    if isinstance(send, functools.partial) and send.args and isinstance(send.args[0], WebSocketProtocol):
        return DaphneFlow(send, send.args[0])
    return Flow(send)


@lru_cache(maxsize=_SHARED_FRAMES)
def _frame(text: str) -> bytes:
    """The WebSocket frame of a message: unmasked and uncompressed, it is the same for every socket."""
    frame: bytes = PreparedMessage(
        text.encode(), isBinary=False, applyMask=False, doNotCompress=True
    ).payloadHybi
    return frame


def _limit_kernel_buffer(handle: socket.socket) -> None:
    if hasattr(socket, "TCP_NOTSENT_LOWAT") and handle.family in {socket.AF_INET, socket.AF_INET6}:
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT_BYTES)
