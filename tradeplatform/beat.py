"""Beat's scheduler for a schedule that is code, and what it says of a broker that is away."""

from __future__ import annotations

from typing import Any

import structlog
from celery.beat import PersistentScheduler, ScheduleEntry, SchedulingError
from kombu.exceptions import OperationalError

logger = structlog.get_logger(__name__)


class CodeScheduler(PersistentScheduler):
    """Celery's own, without looking for changes that nobody makes, or for the time over and over.

    A broker that is away is said once, again when it is away in another way, and when it is back.
    """

    #: What was last said of the broker; empty while it takes what is sent.
    _away = ""

    def schedules_equal(self, *_old_and_new: Any) -> bool:
        """Celery asks dozens of times a second whether somebody has edited the schedule meanwhile."""
        return True

    def adjust(self, n: Any, drift: float = -0.010) -> Any:
        """Wake as early as Celery does, so that nothing is late; from then on it asks without a pause."""
        return super().adjust(n, drift) if n and n > -2 * drift else n

    def apply_entry(self, entry: ScheduleEntry, producer: Any = None) -> None:
        """Send a task that is due; one that cannot be sent is due again after its interval."""
        try:
            self.apply_async(entry, producer=producer, advance=False)
        except SchedulingError as error:
            if not isinstance(error.__context__, self._broker_errors()):
                logger.exception("task_not_sent", task=entry.task)
                return
            self._note(str(error.__context__))
        else:
            self._note("")

    def _ensure_connected(self) -> Any:
        """Connect, and try for ever."""
        return self.connection.ensure_connection(
            lambda error, _seconds: self._note(str(error)), self.app.conf.broker_connection_max_retries
        )

    def _broker_errors(self) -> tuple[type[BaseException], ...]:
        # Kombu mostly says its own word for all of them.
        return (
            OperationalError,
            OSError,
            *self.connection.connection_errors,
            *self.connection.channel_errors,
        )

    def _note(self, away: str) -> None:
        if away != self._away:
            self._away = away
            if away:
                logger.warning("broker_away", error=away)
            else:
                logger.info("broker_back")
