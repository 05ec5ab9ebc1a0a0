"""When a request came. What waits in a queue of ours does not grow old by that."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.http import HttpRequest
from django.utils import timezone

#: What a web process notes beside a request's headers: nanoseconds since 1970. No header is called so.
ARRIVED = "tradeplatform.arrived"
#: Longer than that a request waits nowhere; one that did counts as having come so long ago.
LONGEST_WAIT = timedelta(seconds=30)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def arrived_at(http: HttpRequest) -> datetime:
    """When the process that serves the request heard of it; now, where it took no note."""
    now = timezone.now()
    noted: int | None = http.META.get(ARRIVED)
    if noted is None:
        return now
    at = _EPOCH + timedelta(microseconds=noted // 1_000)
    return min(max(at, now - LONGEST_WAIT), now)
