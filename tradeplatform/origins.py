"""Keeps other sites' pages from opening a socket in a visitor's name."""

from __future__ import annotations

from typing import Any

import structlog
from channels.security.websocket import WebsocketDenier
from django.conf import settings

_log = structlog.get_logger(__name__)


class OriginCheck:
    """Refuses a socket whose Origin is not ours.

    Programs send none and may come in: only a browser can be tricked into acting for its user.
    """

    def __init__(self, application: Any) -> None:
        """Keep the next application."""
        self._application = application
        self._allowed = {origin.lower().encode() for origin in settings.WEBSOCKET_ORIGINS}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        """Let the socket through or close it."""
        origins = [value for name, value in scope["headers"] if name == b"origin"]
        if all(origin.lower() in self._allowed for origin in origins):
            return await self._application(scope, receive, send)
        _log.warning("socket refused", origins=[origin.decode("latin-1")[:200] for origin in origins])
        return await WebsocketDenier()(scope, receive, send)
