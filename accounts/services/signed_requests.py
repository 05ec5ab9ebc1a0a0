"""A request that an API key signed: fresh, untouched, and accepted once.

The signature covers five parts, each of the first four on a line of its own: timestamp (milliseconds since
1970), nonce (empty if none), method, path with query as sent; then the body. A request is accepted that
arrives within WINDOW of its timestamp, however long it waits here. Valkey remembers it for as long as a copy
might, so that a copy is refused by every process; when Valkey does not answer, each process remembers for
itself, so that trading goes on and a copy has one chance with each of the other processes. (What moves money
is safe even so: its request ids are unique for ever.)
"""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from redis.exceptions import RedisError

from accounts.services.api_keys import ApiKeyCaller, verify
from tradeplatform.common.arrivals import LONGEST_WAIT
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.valkey import client

WINDOW = timedelta(seconds=5)
AHEAD = timedelta(seconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECONDS = re.compile(r"[0-9]{1,15}", re.ASCII)
_NONCE = re.compile(r"[A-Za-z0-9._:-]{0,64}", re.ASCII)
# Longer than any copy can be fresh: it may have been signed ahead, come late, and waited here.
_REMEMBERED_SECONDS = int((AHEAD + WINDOW + LONGEST_WAIT).total_seconds()) + 2
_MOST_REMEMBERED = 100_000

_log = structlog.get_logger(__name__)
_here: OrderedDict[bytes, float] = OrderedDict()
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """What was sent, as it was sent."""

    method: str
    target: str
    timestamp: str
    nonce: str
    body: bytes

    @property
    def payload(self) -> bytes:
        """What is signed."""
        head = f"{self.timestamp}\n{self.nonce}\n{self.method}\n{self.target}\n"
        return head.encode("utf-8", errors="surrogateescape") + self.body


def accept(caller: ApiKeyCaller, request: SignedRequest, *, signature: str, now: datetime) -> None:
    """Check time and signature, and remember the request. `now` is when it arrived.

    Raises Refusal: invalid_field, timestamp_ahead, timestamp_too_old, bad_signature, replayed.
    """
    if not all(remember([check(caller, request, signature=signature, now=now)])):
        sentence = "This request was accepted before: sign anew, with a nonce if all else is the same."
        raise Refusal(Code.REPLAYED, sentence)


def check(caller: ApiKeyCaller, request: SignedRequest, *, signature: str, now: datetime) -> bytes:
    """Check time and signature; what the request is remembered by.

    Raises Refusal: invalid_field, timestamp_ahead, timestamp_too_old, bad_signature.
    """
    _require_fresh(request, now)
    payload = request.payload
    verify(caller, payload, signature)
    return hashlib.sha256(b"%d\n%b" % (caller.id, payload)).digest()


def remember(fingerprints: Sequence[bytes]) -> list[bool]:
    """Remember requests; False for one that is remembered already."""
    try:
        pipe = client().pipeline(transaction=False)
        for fingerprint in fingerprints:
            pipe.set(b"signed:" + fingerprint, b"", ex=_REMEMBERED_SECONDS, nx=True)
        return [bool(is_new) for is_new in pipe.execute()]
    except (RedisError, OSError) as error:
        _log.warning("signed_requests_remembered_here_only", error=str(error))
        return [_is_new_here(fingerprint, time.monotonic()) for fingerprint in fingerprints]


def _require_fresh(request: SignedRequest, now: datetime) -> None:
    if not _MILLISECONDS.fullmatch(request.timestamp):
        raise _unreadable("X-API-TIMESTAMP", "Milliseconds since 1970, in digits.")
    if not _NONCE.fullmatch(request.nonce):
        raise _unreadable("X-API-NONCE", "At most 64 characters of A-Z a-z 0-9 . _ : -.")
    made = int(request.timestamp)
    here = (now - _EPOCH) // timedelta(milliseconds=1)
    numbers = {"timestamp": str(made), "server_time": str(here)}
    if made >= here + AHEAD // timedelta(milliseconds=1):
        sentence = "The timestamp is more than a second ahead of our clock: set yours."
        raise Refusal(Code.TIMESTAMP_AHEAD, sentence, **numbers)
    if here - made > WINDOW // timedelta(milliseconds=1):
        sentence = f"The request was signed more than {WINDOW.seconds} seconds ago: set your clock."
        raise Refusal(Code.TIMESTAMP_TOO_OLD, sentence, **numbers)


def _is_new_here(fingerprint: bytes, now: float) -> bool:
    with _lock:
        while _here and (len(_here) >= _MOST_REMEMBERED or next(iter(_here.values())) <= now):
            _here.popitem(last=False)
        is_new = fingerprint not in _here
        _here.setdefault(fingerprint, now + _REMEMBERED_SECONDS)
    return is_new


def _unreadable(name: str, sentence: str) -> Refusal:
    return Refusal(Code.INVALID_FIELD, f"{name}: {sentence}", fields={name: sentence})
