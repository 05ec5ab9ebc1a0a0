"""What a client has signed, byte for byte, and when: the two things that make a request that request.

The payload is the raw query string, followed at once by the raw body, without `signature`: nothing is
decoded, so that `%2F` and `/` are two texts.
"""

from __future__ import annotations

import hashlib
import re
import time
from dataclasses import dataclass
from urllib.parse import unquote

from tradeplatform.gateways.binance import errors
from tradeplatform.gateways.binance.parameters import Parameters

_NAME = b"signature="
#: Milliseconds with up to three digits after the point.
_WINDOW = re.compile(r"([0-9]{1,5})(?:\.([0-9]{1,3}))?", re.ASCII)
_DEFAULT_WINDOW_US = 5_000_000
_LONGEST_WINDOW_MS = 60_000
_AHEAD_US = 1_000_000


@dataclass(frozen=True, slots=True)
class Signed:
    """The bytes that were signed, and the signature."""

    payload: bytes
    signature: str

    @property
    def name(self) -> str:
        """The same for a copy of the request, and for nothing else: what it did not name is named by it."""
        return hashlib.sha256(self.payload).hexdigest()[:22]


def signed(query: bytes, body: bytes) -> Signed:
    """Take a request apart. Raises -1102 where it is not signed, -1101 where it is twice."""
    kept, signatures = [], []
    for text in (query, body):
        pairs = text.split(b"&") if text else []
        kept.append(b"&".join(pair for pair in pairs if not pair.startswith(_NAME)))
        signatures += [pair.removeprefix(_NAME) for pair in pairs if pair.startswith(_NAME)]
    if len(signatures) > 1:
        raise errors.given_twice()
    if not signatures or not signatures[0]:
        raise errors.mandatory("signature")
    # Not as forms are decoded: a plus in base64 is a plus.
    return Signed(b"".join(kept), unquote(signatures[0].decode("ascii", errors="replace")))


@dataclass(frozen=True, slots=True)
class Validity:
    """When a request was made and how long it may be acted on, in microseconds."""

    timestamp: int
    window: int

    @classmethod
    def of(cls, parameters: Parameters) -> Validity:
        """As the request says. Raises -1102, -1100, -1130."""
        timestamp = parameters.microseconds("timestamp")
        if timestamp is None:
            raise errors.mandatory("timestamp")
        given = parameters.text("recvWindow")
        if given is None:
            return cls(timestamp, _DEFAULT_WINDOW_US)
        found = _WINDOW.fullmatch(given)
        if not found:
            raise errors.illegal_characters("recvWindow", r"^[0-9]{1,5}(\.[0-9]{1,3})?$")
        window = int(found[1]) * 1_000 + int((found[2] or "").ljust(3, "0"))
        if window > _LONGEST_WINDOW_MS * 1_000:
            raise errors.greater_than("recvWindow", _LONGEST_WINDOW_MS)
        return cls(timestamp, window)

    def check(self, now: int) -> None:
        """Refuse what comes from the future, or too late. Raises -1021."""
        if self.timestamp >= now + _AHEAD_US:
            raise errors.ahead_of_time()
        self.check_fresh(now)

    def check_fresh(self, now: int) -> None:
        """Refuse what comes too late: asked again just before the engine is. Raises -1021."""
        if now - self.timestamp > self.window:
            raise errors.outside_window()


def microseconds_now() -> int:
    """The server's time."""
    return time.time_ns() // 1_000
