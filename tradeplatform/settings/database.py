"""Connections to PostgreSQL and the cache, with the time-outs each kind of process can live with."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import SecretStr

from tradeplatform.config import Role
from tradeplatform.settings.values import config

#: Milliseconds: (one statement, waiting for one lock, sitting idle inside a transaction); 0 = no limit.
#: A door must answer; a shard worker that freezes must lose its lock soon; a command may take all night.
_TIMEOUTS: dict[Role, tuple[int, int, int]] = {
    "web": (8_000, 5_000, 15_000),
    "sockets": (8_000, 5_000, 10_000),
    "shard": (60_000, 10_000, 15_000),
    "worker": (600_000, 30_000, 60_000),
    "beat": (10_000, 5_000, 10_000),
    "ingest": (60_000, 30_000, 60_000),
    "command": (0, 60_000, 0),
}

#: How the server plans what they ask. What may be prepared is planned once: a plan for each call takes longer
#: than an order's statements do. A table that was empty then may be large by now, as each month's partitions
#: are, so for doors and shards no plan may read all of one.
_ONCE = {"plan_cache_mode": "force_generic_plan"}
_BY_INDEX = _ONCE | {"enable_seqscan": "off"}
_PLANS: dict[Role, dict[str, str]] = {
    "web": _BY_INDEX,
    "sockets": _BY_INDEX,
    "shard": _BY_INDEX,
    "command": _ONCE,
}

#: Doors share a small pool between their threads; the others hold one connection for as long as it works.
_POOLS: dict[Role, dict[str, Any]] = {
    "web": {"min_size": 1, "max_size": 10, "timeout": 3},
    "sockets": {"min_size": 0, "max_size": 12, "timeout": 3},
}


#: Seconds without a word after which a link to Valkey is lost.
VALKEY_SILENCE = 4

#: So often a statement that may be prepared is sent before it is.
PREPARE_AFTER = 3


def _connection(url: SecretStr | None, *, read_only: bool) -> dict[str, Any]:
    parts = urlsplit(url.get_secret_value() if url else "postgresql:")
    statement, lock, idle = _TIMEOUTS[config.role]
    server_settings: dict[str, str | int] = {
        "statement_timeout": statement,
        "lock_timeout": lock,
        "idle_in_transaction_session_timeout": idle,
        "default_transaction_read_only": "on" if read_only else "off",
    }
    options: dict[str, Any] = dict(parse_qsl(parts.query)) | {
        "application_name": f"tradeplatform-{config.role}",
        "connect_timeout": 3,
        "prepare_threshold": PREPARE_AFTER if config.prepared_statements else None,
        # A host that vanished without a word is noticed in five seconds, not in two hours.
        "keepalives": 1,
        "keepalives_idle": 2,
        "keepalives_interval": 1,
        "keepalives_count": 3,
        "tcp_user_timeout": 4_500,
    }
    if config.transaction_pooler:
        # It knows no options, and what one sets for a session it would hand on to others.
        del server_settings["default_transaction_read_only"]
        if read_only:
            server_settings["transaction_read_only"] = "on"
        options["in_each_transaction"] = server_settings
    else:
        # One of ours that was lost in a transaction without a word holds its locks for five seconds, as
        # PostgreSQL then finds. One that is frozen still answers to these, and is waited for as above.
        server_settings |= {
            "tcp_keepalives_idle": 2,
            "tcp_keepalives_interval": 1,
            "tcp_keepalives_count": 3,
            "tcp_user_timeout": 4_500,
        }
        if not read_only:
            server_settings |= _PLANS.get(config.role, {})
        options["options"] = " ".join(f"-c {name}={value}" for name, value in server_settings.items())
    if statement and not read_only:
        # The server ends what takes too long, and says so, before that. Not of the reader: where a page reads
        # whole tables for one snapshot it takes its time-out away.
        options["answer_within"] = statement / 1_000 + 1
    pool = _POOLS.get(config.role)
    if pool:
        options["pool"] = pool | {"min_size": 0, "max_size": 2} if read_only else pool
    return {
        "ENGINE": "tradeplatform.common.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or ""),
        "CONN_MAX_AGE": 0 if pool else None,
        "CONN_HEALTH_CHECKS": not pool,
        "OPTIONS": options,
    }


DATABASES: dict[str, dict[str, Any]] = {
    "default": _connection(config.database_url, read_only=False),
    # Reports and invariants: the same database under a role that cannot write.
    "readonly": _connection(config.readonly_database_url or config.database_url, read_only=True)
    | {"TEST": {"MIRROR": "default"}},
}

CACHES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": config.redis_url.get_secret_value() if config.redis_url else "redis://127.0.0.1:6379/0",
        "KEY_PREFIX": "tradeplatform",
        "OPTIONS": {"socket_timeout": VALKEY_SILENCE, "socket_connect_timeout": 3},
    }
}
