"""The process's way to the broker when that is RabbitMQ: confirmed, and bounded in time.

Celery's own way waits for ever where RabbitMQ takes a message and does not confirm it, which is what it does
while it is short of memory or disk. Here every wait has an end, a connection that failed is dropped without a
word, and of a broker that did not answer nobody asks again for a moment: an order that is committed must not
be acknowledged seconds later because a hint could not be sent.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import Any

from celery import current_app
from kombu import Connection
from kombu.exceptions import OperationalError

#: For each answer: a connection, a queue, a confirmation.
ANSWER_SECONDS = 0.5
ASK_AGAIN_SECONDS = 2.0
_clock = time.monotonic


class BrokerAway(OperationalError):  # noqa: N818 - a state of affairs
    """The broker did not take and confirm a message in time, or did not a moment ago."""


class Broker:
    """One connection, used by one thread at a time."""

    def __init__(self) -> None:
        """Connects with the first message."""
        self._turn = threading.Lock()
        self._connection: Connection | None = None
        self._away_until = 0.0

    def send(self, task: str, *, kwargs: dict[str, Any], queue: str) -> None:
        """Hand a task over and return when the broker has confirmed it. Raises BrokerAway."""
        if not self._turn.acquire(timeout=ANSWER_SECONDS):
            raise BrokerAway("Another message is still on its way to the broker.")
        try:
            if _clock() < self._away_until:
                raise BrokerAway("The broker did not answer a moment ago.")
            self._send(task, kwargs, queue)
        finally:
            self._turn.release()

    def _send(self, task: str, kwargs: dict[str, Any], queue: str) -> None:
        kept = self._connection is not None
        try:
            self._try(task, kwargs, queue)
        except Exception as error:
            self._drop()
            # One that was started again has closed the connection that was kept; one that was there and did
            # not answer will not do so on another connection either.
            if kept and not isinstance(error.__cause__ or error, TimeoutError):
                self._send(task, kwargs, queue)
                return
            self._away_until = _clock() + ASK_AGAIN_SECONDS
            raise BrokerAway(f"{type(error).__name__}: {error}") from error

    def _try(self, task: str, kwargs: dict[str, Any], queue: str) -> None:
        if self._connection is None:
            self._connection = current_app.connection_for_write(connect_timeout=ANSWER_SECONDS)
            self._connection.ensure_connection(max_retries=0)
            # Celery gives times to some waits; those for a channel and for a queue have this one.
            self._connection.connection.transport.sock.settimeout(ANSWER_SECONDS)
        current_app.send_task(
            task,
            kwargs=kwargs,
            queue=queue,
            retry=False,
            producer=current_app.amqp.Producer(self._connection.default_channel, auto_declare=False),
            timeout=ANSWER_SECONDS,
            confirm_timeout=ANSWER_SECONDS,
        )

    def _drop(self) -> None:
        """Without a farewell, for which a broker that is stuck would be waited for."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(OSError):
                connection.collect()


_broker = Broker()


def send(task: str, *, kwargs: dict[str, Any], queue: str) -> None:
    """Send a task over this process's connection. Raises BrokerAway."""
    _broker.send(task, kwargs=kwargs, queue=queue)
