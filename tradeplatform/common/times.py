"""How moments look outside, and how they are read."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})", re.ASCII
)
# There is no market before, and arithmetic must not leave the calendar.
_FIRST, _END = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)


def rfc3339(at: datetime) -> str:
    """A moment as text, always in UTC, always with microseconds."""
    # Several times as fast as strftime, which counts where thousands of orders are told of.
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def parse_rfc3339(text: str) -> datetime:
    """The moment a text says, in UTC: with its zone, to the microsecond at most, from 1970 to 8999.

    Raises ValueError with a sentence for whoever wrote it.
    """
    if not _RFC3339.fullmatch(text):
        raise ValueError("Write a moment with its zone, such as 2026-01-31T12:00:00.000001Z.")
    try:
        moment = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("The calendar has no such moment.") from None
    if not _FIRST <= moment < _END:
        raise ValueError("There is no market at that time.")
    return moment
