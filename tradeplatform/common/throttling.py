"""What is shared by those who count calls: the minute they count in, and the names of their counts."""

from __future__ import annotations

import time

from django.http import HttpRequest

MINUTE = 60


def clock() -> float:
    """Seconds since 1970."""
    return time.time()


def counter(kind: str, who: object, request: HttpRequest) -> str:
    """The name of a count of calls; cancels have one of their own."""
    return f"{kind}:{who}:{'cancel' if request.method == 'DELETE' else 'call'}"
