"""Which requests are plain: those of which all that Django and the views would do is known beforehand.

No browser's (no Origin, no cookie), nothing unknown in the head, nothing said twice. Whatever is not plain is
served as everything else is.
"""

from __future__ import annotations

import re
from typing import Any

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest

from tradeplatform.common.arrivals import WAITED
from tradeplatform.common.asked import Asked
from tradeplatform.middleware import correlation_id_of

#: The beginning of a request that may be plain: to a door that answers lists, its length said in advance.
PLAIN = re.compile(
    rb"POST (?:/api/v1/orders|/api/v1/orders/batch)(?:\?[^ ]*)? HTTP/1\.1\r\n"
    rb"(?:[^\r\n]*\r\n)*?(?i:content-length):[ \t]*([0-9]{1,7})[ \t]*\r\n"
)
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
_NEEDED = frozenset({"CONTENT-LENGTH", "CONTENT-TYPE", "HOST"})
_JSON = re.compile(r"application/json(?:; ?charset=utf-8)?", re.IGNORECASE)
_TAKES_JSON = re.compile(r"(?:[^;]*, *)?(?:\*/\*|application/json)(?: *,[^;]*)?")


def length_of(said: bytes) -> int | None:
    """How long a request is that may be plain, by the bytes it begins with; None where it is not."""
    found, head = PLAIN.match(said), said.find(END_OF_HEAD)
    if found is None or head < found.end() - len(b"\r\n") or _WAITS.search(said, 0, head):
        return None
    length = head + len(END_OF_HEAD) + int(found[1])
    return length if length <= settings.DATA_UPLOAD_MAX_MEMORY_SIZE else None


def read_plain(request: Any, client: Any, *, waited: int) -> Asked | None:
    """What gunicorn has read, as a request of Django's; None where it is not plain. See WAITED."""
    sent = dict(request.headers)
    if len(sent) != len(request.headers) or not _NEEDED <= sent.keys() <= _KNOWN:
        return None
    if not _JSON.fullmatch(sent["CONTENT-TYPE"]) or not _TAKES_JSON.fullmatch(sent.get("ACCEPT", "*/*")):
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
