"""Cancel on disconnect: this process's heartbeat for the accounts whose sockets asked for it.

Nothing is done when a socket goes: its account is renewed no more, unless by another socket, here or
elsewhere, and its timer runs out. So a server that is killed and one that says good-bye come to the same.
"""

from __future__ import annotations

import asyncio

import structlog
from django.utils import timezone

from audit.actor import Actor
from orders.feed.lanes import Lane
from orders.feed.reading import DATABASE_AWAY
from orders.services.cancel_timers import renew_connected, set_cancel_on_disconnect

logger = structlog.get_logger(__name__)

# Well below the grace: one that is late, or lost with its connection, cancels nobody's orders.
_HEARTBEAT_SECONDS = 2.0
# A thread of its own: no reader must come before a heartbeat.
_lane = Lane("feed-guard", 1)


class Guard:
    """Knows the sockets that guard an account; `run` renews while they are open."""

    def __init__(self) -> None:
        self._sockets: dict[int, set[object]] = {}
        # Taking off must not be overtaken by a heartbeat that was sent before it.
        self._turn = asyncio.Lock()

    async def put_on(self, account_id: int, socket: object, actor: Actor) -> None:
        """Guard the account while this socket is open. Raises DATABASE_AWAY, and then does not."""
        async with self._turn:
            # First: should the socket close meanwhile, it is taken out again.
            self._sockets.setdefault(account_id, set()).add(socket)
            try:
                await self._set(account_id, actor, enabled=True)
            except BaseException:
                self._drop(account_id, socket)
                raise

    async def take_off(self, account_id: int, socket: object, actor: Actor) -> None:
        """This socket guards the account no more; if none here does, its orders may stay."""
        async with self._turn:
            self._drop(account_id, socket)
            if account_id not in self._sockets:
                await self._set(account_id, actor, enabled=False)

    def gone(self, socket: object) -> None:
        """The socket is closed: from now on it renews nothing."""
        for account_id in list(self._sockets):
            self._drop(account_id, socket)

    async def run(self) -> None:
        """Renew until cancelled."""
        while True:
            await asyncio.sleep(_HEARTBEAT_SECONDS)
            async with self._turn:
                if self._sockets:
                    await self._renew(set(self._sockets))

    async def _renew(self, account_ids: set[int]) -> None:
        try:
            await _lane.run(renew_connected, account_ids)
        except DATABASE_AWAY as error:
            logger.warning("guard_heartbeat_failed", accounts=len(account_ids), error=str(error).strip())

    async def _set(self, account_id: int, actor: Actor, *, enabled: bool) -> None:
        await _lane.run(
            set_cancel_on_disconnect,
            account_id=account_id,
            enabled=enabled,
            actor=actor,
            now=timezone.now(),
        )

    def _drop(self, account_id: int, socket: object) -> None:
        sockets = self._sockets.get(account_id, set())
        sockets.discard(socket)
        if not sockets:
            self._sockets.pop(account_id, None)
