"""The process's one subscription to Valkey: any number of channels on one connection that always comes back.

redis-py's own PubSub reconnects in silence, and what was published meanwhile is gone. Here a lost connection
is news: everything that was subscribed is told, and again when its channel is confirmed.
"""

from __future__ import annotations

import asyncio
import math
import time
from typing import Protocol

import structlog
from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

logger = structlog.get_logger(__name__)

_CONNECT_SECONDS = 3
_PING_SECONDS = 1
_SILENT_SECONDS = 4
_FIRST_DELAY = 0.1
_LONGEST_DELAY = 3.0


class Listener(Protocol):
    """Who hears what the link hears. Called on the event loop, in order, and must not wait."""

    def confirmed(self, channel: str) -> None:
        """From now on everything published on the channel comes as frames."""

    def frame(self, channel: str, body: bytes) -> None:
        """Something was published."""

    def down(self) -> None:
        """The connection is lost, and with it what is published until the channels are confirmed again."""


class Link:
    """Keeps the wanted channels subscribed while `run` runs."""

    def __init__(self, url: str, listener: Listener) -> None:
        # Retries are ours, because each one is a loss. Time-outs are ours too: redis-py has them from
        # asyncio.wait_for, which in Python 3.11 may swallow a cancellation.
        self._pool = ConnectionPool.from_url(
            url, protocol=2, retry=Retry(NoBackoff(), 0), socket_timeout=None, health_check_interval=0
        )
        self._listener = listener
        self._wanted: set[str] = set()
        self._commands: asyncio.Queue[tuple[str, ...]] = asyncio.Queue()
        self._heard_at = 0.0

    def want(self, channel: str) -> None:
        """Subscribe; `confirmed` says when it has come about, each time this is called."""
        self._wanted.add(channel)
        self._commands.put_nowait(("SUBSCRIBE", channel))

    def unwant(self, channel: str) -> None:
        """Unsubscribe."""
        self._wanted.discard(channel)
        self._commands.put_nowait(("UNSUBSCRIBE", channel))

    async def run(self) -> None:
        """Connect, listen, and begin again whenever the connection is lost; until cancelled."""
        delay = _FIRST_DELAY
        while True:
            connection: AbstractConnection = self._pool.make_connection()  # type: ignore[no-untyped-call]
            try:
                async with asyncio.TaskGroup() as tasks:
                    async with asyncio.timeout(_CONNECT_SECONDS):
                        await connection.connect()  # type: ignore[no-untyped-call]
                    delay = _FIRST_DELAY
                    self._heard_at = time.monotonic()
                    self._begin()
                    logger.info("feed_link_up", channels=len(self._wanted))
                    tasks.create_task(self._write(connection))
                    tasks.create_task(self._watch())
                    await self._read(connection)
            except* (RedisError, OSError) as failures:
                logger.warning("feed_link_lost", error=str(failures.exceptions[0]))
            finally:
                await connection.disconnect(nowait=True)
            self._listener.down()
            await asyncio.sleep(delay)
            delay = min(delay * 2, _LONGEST_DELAY)

    def _begin(self) -> None:
        """A new connection knows nothing: whatever was to be changed on the old one, this is wanted now."""
        self._commands = asyncio.Queue()
        if self._wanted:
            self._commands.put_nowait(("SUBSCRIBE", *sorted(self._wanted)))

    async def _read(self, connection: AbstractConnection) -> None:
        while True:
            reply = await connection.read_response(timeout=math.inf, push_request=True)
            self._heard_at = time.monotonic()
            kind = reply[0]
            if kind == b"message":
                self._listener.frame(reply[1].decode(), reply[2])
                # Much of a burst is in memory already: without a pause nothing would be written meanwhile.
                await asyncio.sleep(0)
            elif kind == b"subscribe":
                self._listener.confirmed(reply[1].decode())

    async def _write(self, connection: AbstractConnection) -> None:
        commands = self._commands
        while True:
            await connection.send_command(*await commands.get(), check_health=False)

    async def _watch(self) -> None:
        """Ask a silent connection whether it lives: a peer that vanished never says so."""
        while True:
            await asyncio.sleep(_PING_SECONDS)
            silent = time.monotonic() - self._heard_at
            if silent > _SILENT_SECONDS:
                raise ConnectionError(f"nothing heard for {silent:.0f} s")
            self._commands.put_nowait(("PING",))
