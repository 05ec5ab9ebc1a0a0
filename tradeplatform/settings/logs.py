"""Structured logs: one event a line with the correlation id, JSON for machines or colours for people."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

from tradeplatform.settings.values import config

DJANGO_STRUCTLOG_CELERY_ENABLED = True
DJANGO_STRUCTLOG_IP_LOGGING_ENABLED = True
# CorrelationMiddleware has checked the id by the time django-structlog reads it.
DJANGO_STRUCTLOG_TRUST_UPSTREAM_REQUEST_ID = True
DJANGO_STRUCTLOG_STATUS_4XX_LOG_LEVEL = logging.INFO
# A beat's task that came too late to a busy worker: the next one says the same. (The setting has this name.)
DJANGO_STRUCTLOG_CELERY_TASK_RETRY_LOG_LEVEL = logging.INFO

_as_json = config.log_format == "json" or (config.log_format is None and config.is_production)

_shared: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
]

# No tracebacks with local variables: those print passwords and keys.
_renderers: list[Any] = (
    [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    if _as_json
    else [
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback, pad_event_to=0
        )
    ]
)


def _in_one_line(_logger: Any, _level: str, said: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Join what Celery says in several lines; of a connection that was lost its words are enough.

    Only what comes without structlog goes by here.
    """
    if said["logger"].startswith(("celery.", "kombu.")):
        said["event"] = " ".join(said["event"].split())
        if "exc_info" in said and _is_lost_connection(said["exc_info"][1]):
            del said["exc_info"]
    return said


def _is_lost_connection(error: BaseException | None) -> bool:
    from amqp.exceptions import AMQPError  # noqa: PLC0415 - of a process that has a broker
    from kombu.exceptions import OperationalError  # noqa: PLC0415
    from redis.exceptions import RedisError  # noqa: PLC0415

    return isinstance(error, OSError | OperationalError | RedisError | AMQPError)


structlog.configure(
    processors=[
        structlog.stdlib.filter_by_level,
        *_shared,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
    wrapper_class=structlog.stdlib.BoundLogger,
    cache_logger_on_first_use=True,
)

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "structured": {
            "()": structlog.stdlib.ProcessorFormatter,
            "foreign_pre_chain": [*_shared, _in_one_line],
            "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderers],
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
    "root": {"handlers": ["stderr"], "level": config.log_level},
    "loggers": {
        # django-structlog already writes one line a request and one a task.
        "django.request": {"level": "ERROR"},
        "django.server": {"level": "ERROR"},
        "daphne": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.beat": {"level": "WARNING"},
        # Wake-ups come by the thousand; what they did is logged by the drain.
        "django_structlog.celery": {"level": "WARNING"},
    },
}
