"""Which requests are plain: those of which all that Django and the views would do is known beforehand.

No browser's (no Origin, no cookie), nothing unknown in the head, nothing said twice, its length known in
advance. Whatever is not plain is served as everything else is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest

from tradeplatform.common.arrivals import WAITED
from tradeplatform.common.asked import Asked
from tradeplatform.middleware import correlation_id_of

# How long the body is that follows a head; that something says so, in whatever words.
_LENGTH = re.compile(rb"\r\n(?i:content-length):[ \t]*([0-9]{1,7})[ \t]*\r\n")
_SAYS_LENGTH = re.compile(rb"\r\n(?i:content-length)")
# Who waits for our word before he sends his body has it from whoever serves everything.
_WAITS = re.compile(rb"\r\nexpect:", re.IGNORECASE)
END_OF_HEAD = b"\r\n\r\n"

_KNOWN = frozenset(
    {
        "ACCEPT", "ACCEPT-ENCODING", "ACCEPT-LANGUAGE", "AUTHORIZATION", "CONNECTION", "CONTENT-LENGTH",
        "CONTENT-TYPE", "HOST", "USER-AGENT", "X-API-KEY", "X-API-NONCE", "X-API-SIGNATURE",
        "X-API-TIMESTAMP", "X-CORRELATION-ID", "X-FORWARDED-FOR", "X-FORWARDED-HOST", "X-FORWARDED-PROTO",
        "X-REAL-IP",
    }
)  # fmt: skip
_JSON = re.compile(r"application/json(?:; ?charset=utf-8)?", re.IGNORECASE)
_TAKES_JSON = re.compile(r"(?:[^;]*, *)?(?:\*/\*|application/json)(?: *,[^;]*)?")


@dataclass(frozen=True)
class Plain:
    """Requests that may be plain: by a method, to paths of a form, with a body or without one."""

    method: str
    #: An expression, of the path alone.
    paths: str

    @property
    def has_body(self) -> bool:
        """Whether it says something beside what it asks for; where it does not, none is read."""
        return self.method != "DELETE"

    @cached_property
    def _line(self) -> re.Pattern[bytes]:
        return re.compile(rf"{self.method} {self.paths}(?:\?[^ ]*)? HTTP/1\.1\r\n".encode())

    def length_of(self, said: bytes) -> int | None:
        """How long one is that may be of them, by the bytes it begins with; None of any other."""
        line, head = self._line.match(said), said.find(END_OF_HEAD)
        if line is None or head < 0 or _WAITS.search(said, 0, head):
            return None
        # From the end of the first line to that of the last.
        lines = line.end() - len(b"\r\n"), head + len(b"\r\n")
        found = _LENGTH.search(said, *lines)
        body = int(found[1]) if found else 0
        if (body and not self.has_body) or (
            not found and (self.has_body or _SAYS_LENGTH.search(said, *lines))
        ):
            return None
        length = head + len(END_OF_HEAD) + body
        return length if length <= settings.DATA_UPLOAD_MAX_MEMORY_SIZE else None


def read_plain(request: Any, client: Any, *, waited: int) -> Asked | None:
    """What gunicorn has read, as a request of Django's; None where it is not plain. See WAITED."""
    sent = dict(request.headers)
    if len(sent) != len(request.headers) or "HOST" not in sent or not sent.keys() <= _KNOWN:
        return None
    # What is sent with no body is looked at by nobody.
    if int(sent.get("CONTENT-LENGTH", 0)) and not _JSON.fullmatch(sent.get("CONTENT-TYPE", "")):
        return None
    if not _TAKES_JSON.fullmatch(sent.get("ACCEPT", "*/*")):
        return None
    http = HttpRequest()
    http.method = request.method
    http.path = http.path_info = request.path
    http.META = {"HTTP_" + name.replace("-", "_"): value for name, value in sent.items()} | {
        "REMOTE_ADDR": client[0] if isinstance(client, tuple) else str(client),
        "RAW_URI": request.uri,
        "QUERY_STRING": request.query or "",
        "REQUEST_METHOD": request.method,
        WAITED: waited,
    }
    if not _may_ask(http):
        return None
    return Asked(http, request.body.read(), correlation_id_of(http))


def _may_ask(http: HttpRequest) -> bool:
    """Whether Django would let it pass: over TLS where that is asked for, to a name of ours."""
    try:
        http.get_host()
    except DisallowedHost:
        return False
    return http.is_secure() or not settings.SECURE_SSL_REDIRECT
