"""Send batches through the public intake, no faster than they are drained, across restarts of the database.

A connection that breaks leaves the outcome of the batch unknown. It is sent again as it is: orders have
their names, so a batch that was committed answers with duplicates, and a repeated cancel does no more
than the first.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

import structlog
from django.db import InterfaceError, OperationalError, connection

from audit.actor import Actor
from orders.models import Source
from orders.replay.lookups import pending_commands
from orders.services.drain import drain_all
from orders.services.intake import MAX_BATCH, submit_requests
from orders.services.requests import CancelOrder, NewOrder, Outcome, Requested
from orders.services.wake import wake

logger = structlog.get_logger(__name__)
T = TypeVar("T")

BACKLOG = 4_000
_POLL_SECONDS = 0.01
_PATIENCE_SECONDS = 60.0
_LONGEST_WAIT_SECONDS = 2.0


class Drain(StrEnum):
    """Who applies what is sent: this process after each batch, or the shard's own worker."""

    INLINE = "inline"
    WORKER = "worker"


class NobodyDrainsError(Exception):
    """The backlog has not moved for a minute."""


@dataclass(slots=True)
class Sender:
    """Counts what it had to wait for; everything else is the intake's."""

    shard_id: int
    drain: Drain
    actor: Actor
    source: Source
    clock: Callable[[], datetime]
    waited_seconds: float = 0.0
    reconnections: int = 0

    def send(self, requests: Sequence[NewOrder | CancelOrder]) -> list[Outcome | Requested]:
        """Submit a batch, then apply it or wait until the backlog is bounded. Raises NobodyDrainsError."""
        outcomes = self.through_restarts(
            lambda: submit_requests(requests=requests, actor=self.actor, source=self.source, now=self.clock())
        )
        self._settle(BACKLOG)
        return outcomes

    def sync(self, instrument_id: int) -> None:
        """Return when everything sent to an instrument has been applied. Raises NobodyDrainsError."""
        self._settle(0, instrument_id)

    def through_restarts(self, act: Callable[[], T]) -> T:
        """Do `act`, again if the database went away meanwhile: it must be one that may be repeated."""
        wait, deadline = 0.05, time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                return act()
            except (OperationalError, InterfaceError) as error:
                if time.monotonic() > deadline:
                    raise
                logger.warning("database_away", error=str(error).strip().splitlines()[0])
                self.reconnections += 1
                connection.close()
                time.sleep(wait)
                wait = min(wait * 2, _LONGEST_WAIT_SECONDS)

    def _settle(self, allowed: int, instrument_id: int | None = None) -> None:
        if self.drain == Drain.INLINE:
            self.through_restarts(lambda: drain_all(shard_id=self.shard_id, clock=self.clock))
            return
        started = moved = time.monotonic()
        last = None
        while (pending := self._pending(instrument_id)) > allowed:
            now = time.monotonic()
            if pending != last:
                last, moved = pending, now
            elif now - moved > _PATIENCE_SECONDS:
                msg = (
                    f"{pending} commands wait on shard {self.shard_id} and nobody applies them: "
                    "start the platform, or drain here with --drain inline."
                )
                raise NobodyDrainsError(msg)
            # A wake-up may be lost, and the sweep need not be running.
            wake([self.shard_id])
            time.sleep(_POLL_SECONDS)
        self.waited_seconds += time.monotonic() - started

    def _pending(self, instrument_id: int | None) -> int:
        return self.through_restarts(
            lambda: pending_commands(
                shard_id=self.shard_id, instrument_id=instrument_id, at_most=2 * BACKLOG + MAX_BATCH
            )
        )
