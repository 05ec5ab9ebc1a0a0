"""One-time passwords as authenticator apps make them: RFC 6238 over RFC 4226, SHA-1, six digits."""

from __future__ import annotations

import base64
import hmac
import secrets
from datetime import UTC, datetime
from urllib.parse import quote

STEP_SECONDS = 30
_DIGITS = 6
_SECRET_BYTES = 20
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# A clock may be off by so many steps, and a person slow.
_TOLERANCE = 1


def new_secret() -> bytes:
    """160 random bits, as RFC 4226 recommends."""
    return secrets.token_bytes(_SECRET_BYTES)


def step_of(now: datetime) -> int:
    """Which 30 seconds since 1970."""
    return int((now - _EPOCH).total_seconds()) // STEP_SECONDS


def code_of(secret: bytes, step: int) -> str:
    """The code of a step: dynamic truncation of RFC 4226, section 5.3."""
    digest = hmac.digest(secret, step.to_bytes(8, "big"), "sha1")
    offset = digest[-1] & 0x0F
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
    return f"{number % 10**_DIGITS:0{_DIGITS}}"


def step_with(secret: bytes, code: str, *, now: datetime) -> int | None:
    """The step whose code this is, of those that count now; None when it is of none."""
    here = step_of(now)
    found = None
    for step in range(here - _TOLERANCE, here + _TOLERANCE + 1):
        if hmac.compare_digest(code_of(secret, step).encode(), code.encode()):
            found = step
    return found


def base32(secret: bytes) -> str:
    """The secret as it is typed into an app that cannot read pictures."""
    return base64.b32encode(secret).decode().rstrip("=")


def uri_of(secret: bytes, *, username: str, issuer: str) -> str:
    """The address that authenticator apps read (Key Uri Format)."""
    name = f"{quote(issuer)}:{quote(username)}"
    return f"otpauth://totp/{name}?secret={base32(secret)}&issuer={quote(issuer)}"
