"""Celery: small JSON wake-ups over Valkey or RabbitMQ, no results, and what beat sends when."""

from __future__ import annotations

import socket
from typing import Any

from celery.schedules import crontab

from tradeplatform.settings.database import VALKEY_SILENCE
from tradeplatform.settings.values import config

REDIS_URL = config.redis_url.get_secret_value() if config.redis_url else ""

CELERY_BROKER_URL = (
    config.broker_url.get_secret_value() if config.broker_url else REDIS_URL or "redis://127.0.0.1:6379/0"
)
#: Valkey is there in any case: for what is published, counted and kept for a while.
BROKER_IS_RABBITMQ = CELERY_BROKER_URL.startswith("amqp")

CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# For ever: a worker that gave up would have to be started again by hand where nobody supervises it.
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
_VALKEY: dict[str, Any] = {
    "global_keyprefix": "tradeplatform:",
    # Longer than a worker waits for a message at a time, which is a second.
    "socket_timeout": VALKEY_SILENCE,
    "socket_connect_timeout": 3,
    "socket_keepalive": True,
    # An answer that is owed for a second and this long is looked for this often: at most five seconds.
    "health_check_interval": 2,
}
_RABBITMQ: dict[str, Any] = {
    # Without it a message that was never stored is as good as sent.
    "confirm_publish": True,
    # Who only sends connects once and says that it failed; workers go on trying, see above.
    "max_retries": 0,
    "socket_settings": {
        getattr(socket, name): value
        for name, value in (
            ("TCP_USER_TIMEOUT", 10_000),
            ("TCP_KEEPIDLE", 10),
            ("TCP_KEEPINTVL", 5),
            ("TCP_KEEPCNT", 3),
        )
        if hasattr(socket, name)
    },
}
CELERY_BROKER_TRANSPORT_OPTIONS = _RABBITMQ if BROKER_IS_RABBITMQ else _VALKEY
# With amqps the certificate must be the host's; the authorities are the system's.
CELERY_BROKER_USE_SSL = {"server_hostname": None} if CELERY_BROKER_URL.startswith("amqps") else False
# Kept by a majority of RabbitMQ's nodes.
CELERY_TASK_DEFAULT_QUEUE_TYPE = CELERY_TASK_CREATE_MISSING_QUEUE_TYPE = (
    "quorum" if BROKER_IS_RABBITMQ else "classic"
)
# Of RabbitMQ: a peer that vanished is noticed in 20 seconds.
CELERY_BROKER_HEARTBEAT = 10

CELERY_TASK_SERIALIZER = "json"
CELERY_TASK_IGNORE_RESULT = True
# A task is a hint that work waits in the database. Lost with its worker, the sweep sends it again.
CELERY_TASK_ACKS_LATE = False
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_CREATE_MISSING_QUEUES = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SEND_TASK_EVENTS = False

CELERY_BEAT_MAX_LOOP_INTERVAL = 1
CELERY_BEAT_SCHEDULER = "tradeplatform.beat:CodeScheduler"
CELERY_BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    # Wakes shards whose wake-up was lost; a beat that ran late must not pile sweeps up.
    "sweep-waiting-shards": {
        "task": "orders.sweep_waiting_shards",
        "schedule": 1.0,
        "options": {"expires": 1.0},
    },
    # The engine has no clock: both only write commands, and none where one waits already.
    "expire-orders": {
        "task": "orders.expire_due",
        "schedule": 1.0,
        "options": {"expires": 1.0},
    },
    "end-auctions": {
        "task": "orders.end_due_auctions",
        "schedule": 1.0,
        "options": {"expires": 1.0},
    },
    "fire-cancel-timers": {
        "task": "orders.fire_cancel_timers",
        "schedule": 1.0,
        "options": {"expires": 1.0},
    },
    "number-private-events": {
        "task": "orders.number_private_events",
        "schedule": 1.0,
        "options": {"expires": 1.0},
    },
    "quote-books": {
        "task": "orders.quote_books",
        "schedule": 1.0,
        "options": {"expires": 1.0},
    },
    # What waited for approval too long; a look at it observes that too, this releases what it held.
    "expire-approvals": {
        "task": "audit.expire_approvals",
        "schedule": 10.0,
        "options": {"expires": 10.0},
    },
    # Positions over time, candles and alerts follow by what is committed: a beat that ran late loses nothing.
    "follow-history": {
        "task": "history.follow",
        "schedule": 1.0,
        "options": {"expires": 1.0},
    },
    "follow-market": {
        "task": "marketdata.follow",
        "schedule": 1.0,
        "options": {"expires": 1.0},
    },
    "watch-exits": {
        "task": "liquidity.watch_exits",
        "schedule": 1.0,
        "options": {"expires": 1.0},
    },
    "finish-demo-resets": {
        "task": "liquidity.finish_resets",
        "schedule": 1.0,
        "options": {"expires": 1.0},
    },
    "take-sample": {
        "task": "system.take_sample",
        "schedule": crontab(),
        "options": {"expires": 60.0},
    },
    "revalue-positions": {
        "task": "liquidity.revalue",
        "schedule": 5.0,
        "options": {"expires": 5.0},
    },
    # A few minutes after the day has ended in UTC. What a missed run left out, `manage.py swap` adds.
    "swap": {
        "task": "liquidity.swap",
        "schedule": crontab(minute="5", hour="0"),
    },
    "ensure-partitions": {
        "task": "django_partition.ensure_partitions",
        "schedule": crontab(minute="17"),
    },
    # Every night, so that one night that was missed is no matter; a month is closed once.
    "close-months": {
        "task": "accounts.close_months",
        "schedule": crontab(minute="10", hour="1"),
    },
    # Before the proof, which then speaks of what it has left.
    "rematch": {
        "task": "reconciliation.rematch",
        "schedule": crontab(minute="50", hour="1"),
    },
    "prove": {
        "task": "accounts.prove",
        "schedule": crontab(minute="20", hour="2"),
    },
    "forget-expired-tokens": {
        "task": "accounts.forget_expired_tokens",
        "schedule": crontab(minute="41", hour="3"),
    },
}

if BROKER_IS_RABBITMQ:
    # Short of memory or disk it confirms nothing: beat must not stand still for as long.
    for _entry in CELERY_BEAT_SCHEDULE.values():
        _entry["options"] = _entry.get("options", {}) | {"confirm_timeout": 2.0}
