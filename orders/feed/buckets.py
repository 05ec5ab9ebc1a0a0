"""A token bucket: so many at once, so many a second."""

from __future__ import annotations


class Bucket:
    """Holds up to `size` tokens and gains `rate` a second; `now` is any clock that only moves on."""

    def __init__(self, *, size: float, rate: float, now: float) -> None:
        self._size = size
        self._rate = rate
        self._tokens = size
        self._at = now

    def take(self, now: float) -> bool:
        """Take a token if there is one."""
        self._tokens = min(self._size, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
