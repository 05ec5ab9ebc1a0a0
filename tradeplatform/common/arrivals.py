"""When a request came. What waits in a queue of ours does not grow old by that; who sends slowly does."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.http import HttpRequest
from django.utils import timezone

#: What a web process notes beside a request's headers: nanoseconds in its queue. No header is called so.
WAITED = "tradeplatform.waited"
#: Longer than that a request waits nowhere; of one that did no more is counted.
LONGEST_WAIT = timedelta(seconds=30)


def arrived_at(http: HttpRequest) -> datetime:
    """When a request would have been served if it had not waited; now, where nobody took note."""
    waited = timedelta(microseconds=http.META.get(WAITED, 0) // 1_000)
    return timezone.now() - min(waited, LONGEST_WAIT)
