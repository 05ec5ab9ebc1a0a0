"""The correlation id: one short text that follows a request through intake, worker and feed."""

from __future__ import annotations

import structlog
import uuid_utils

_MAX = 64


def correlation_id() -> str:
    """The id bound to the work in hand by the request middleware, the Celery signal or `bind`; '' if none."""
    return str(structlog.contextvars.get_contextvars().get("request_id", ""))[:_MAX]


def bind(value: str | None = None) -> str:
    """Bind `value` (or a fresh id) to the work in hand and return it."""
    chosen = (value or uuid_utils.uuid7().hex)[:_MAX]
    structlog.contextvars.bind_contextvars(request_id=chosen)
    return chosen
