"""A program that signs its requests with an API key, as docs/security.md says."""

from __future__ import annotations

import json
from typing import Any

from django.urls import resolve
from django.utils import timezone

from tests.accounts.keys import Key
from tests.api.client import V1, Api


class SigningApi(Api):
    """Signs each request; what is named in `forged` is sent in place of what was signed."""

    def __init__(self, key: Key, /, *, age_ms: int = 0, ip: str = "127.0.0.1", **forged: str) -> None:
        super().__init__()
        # Loads all addresses, which would take the first request longer than it is fresh.
        resolve(f"{V1}/orders")
        self._key, self._age_ms, self._ip, self._forged = key, age_ms, ip, forged
        self.nonce = ""
        self.timestamp: int | None = None

    def generic(self, *args: Any, **kwargs: Any) -> Any:
        """Sign what is about to be sent, and send it."""
        method, path, *rest = args
        body = rest[0] if rest else kwargs.get("data", "")
        sent = body if isinstance(body, bytes) else str(body or "").encode()
        now = timezone.now().timestamp()
        timestamp = str(self.timestamp or int(now * 1_000) - self._age_ms)
        text = f"{timestamp}\n{self.nonce}\n{method}\n{V1}{path}\n".encode() + sent
        headers = {
            "X-API-KEY": self._key.key_id,
            "X-API-TIMESTAMP": timestamp,
            "X-API-SIGNATURE": self._key.sign(text),
        } | ({"X-API-NONCE": self.nonce} if self.nonce else {})
        kwargs["headers"] = headers | self._forged_headers() | (kwargs.get("headers") or {})
        if "body" in self._forged:
            rest = [self._forged["body"].encode(), *rest[1:]]
        path = self._forged.get("path", path)
        return super().generic(method, path, *rest, **kwargs, REMOTE_ADDR=self._ip)

    def _forged_headers(self) -> dict[str, str]:
        return {
            f"X-API-{name.upper()}": value
            for name, value in self._forged.items()
            if name not in {"body", "path"}
        }


def text_of(body: object) -> str:
    """JSON as a program writes it."""
    return json.dumps(body)
