"""Send batches through the public intake, no faster than they are drained, across restarts of the database.

A connection that breaks leaves the outcome of the batch unknown. It is sent again as it is: orders have
their names, so a batch that was committed answers with duplicates, and a repeated cancel does no more
than the first.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

import structlog
from celery import current_app
from django.db import InterfaceError, OperationalError, connection
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from audit.actor import Actor
from orders.models import Source
from orders.services.drain import drain_all
from orders.services.intake import MAX_BATCH, submit_requests
from orders.services.requests import CancelOrder, NewOrder, Outcome, Requested
from orders.services.wake import wake
from tradeplatform.common.db import fetch

logger = structlog.get_logger(__name__)
T = TypeVar("T")

BACKLOG = 4_000
_POLL_SECONDS = 0.01
_PATIENCE_SECONDS = 60.0
_LONGEST_WAIT_SECONDS = 2.0
_PING_SECONDS = 5.0
_REMEDY = "start the platform, or drain here with --drain inline."


class Drain(StrEnum):
    """Who applies what is sent: this process after each batch, or the shard's own worker."""

    INLINE = "inline"
    WORKER = "worker"


class NobodyDrainsError(Exception):
    """No worker answers, or the backlog has not moved for a minute."""


def require_workers() -> None:
    """Raise NobodyDrainsError unless some worker of the platform answers within a few seconds."""
    try:
        answers = current_app.control.ping(timeout=_PING_SECONDS, limit=1)
    except (KombuError, RedisError, OSError):
        answers = []
    if not answers:
        raise NobodyDrainsError("No worker answers: " + _REMEDY)


@dataclass(slots=True)
class Sender:
    """A way in for programs with much to send to the books of some shards."""

    shard_ids: Sequence[int]
    drain: Drain
    actor: Actor
    source: Source
    clock: Callable[[], datetime]
    #: Once set, nothing is waited for any more.
    stop: threading.Event = field(default_factory=threading.Event)
    waited_seconds: float = 0.0
    reconnections: int = 0

    def send(self, requests: Sequence[NewOrder | CancelOrder]) -> list[Outcome | Requested]:
        """Submit a batch and `settle`."""
        outcomes = self.through_restarts(
            lambda: submit_requests(requests=requests, actor=self.actor, source=self.source, now=self.clock())
        )
        self.settle()
        return outcomes

    def settle(self) -> None:
        """Apply what is pending here, or wait until the backlog is bounded. Raises NobodyDrainsError."""
        self._settle(BACKLOG)

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
                if time.monotonic() > deadline or self.stop.is_set():
                    raise
                logger.warning("database_away", error=str(error).strip().splitlines()[0])
                self.reconnections += 1
                connection.close()
                self.stop.wait(wait)
                wait = min(wait * 2, _LONGEST_WAIT_SECONDS)

    def _settle(self, allowed: int, instrument_id: int | None = None) -> None:
        if self.drain == Drain.INLINE:
            for shard_id in self.shard_ids:
                self._apply(shard_id)
            return
        started = time.monotonic()
        for shard_id in self.shard_ids:
            self._wait(shard_id, allowed, instrument_id)
        self.waited_seconds += time.monotonic() - started

    def _apply(self, shard_id: int) -> None:
        self.through_restarts(lambda: drain_all(shard_id=shard_id, clock=self.clock))

    def _wait(self, shard_id: int, allowed: int, instrument_id: int | None) -> None:
        moved, last = time.monotonic(), 0
        while (pending := self._pending(shard_id, instrument_id)) > allowed and not self.stop.is_set():
            now = time.monotonic()
            if pending != last:
                last, moved = pending, now
            elif now - moved > _PATIENCE_SECONDS:
                msg = f"{pending} commands wait on shard {shard_id} and nobody applies them: {_REMEDY}"
                raise NobodyDrainsError(msg)
            # A wake-up may be lost, and the sweep need not be running.
            wake([shard_id])
            self.stop.wait(_POLL_SECONDS)

    def _pending(self, shard_id: int, instrument_id: int | None) -> int:
        return self.through_restarts(
            lambda: pending_commands(
                shard_id=shard_id, instrument_id=instrument_id, at_most=2 * BACKLOG + MAX_BATCH
            )
        )


def pending_commands(*, shard_id: int, at_most: int, instrument_id: int | None = None) -> int:
    """How many commands wait to be applied on a shard (of one instrument only), counted up to `at_most`."""
    rows = fetch(
        "SELECT count(*) FROM (SELECT 1 FROM orders_command WHERE shard_id = %s AND status = 'pending'"
        " AND (%s::int IS NULL OR instrument_id = %s) LIMIT %s) AS waiting",
        [shard_id, instrument_id, instrument_id, at_most],
    )
    return int(rows[0][0])
