"""Settings that money depends on: time-outs by role, wake-ups as hints, a schedule whose tasks exist."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from celery import current_app
from django.conf import settings
from django.db import connection, connections

from orders.feed import link
from tradeplatform.common import valkey
from tradeplatform.common.postgresql.patience import ANSWER_WITHIN, ASK_AFTER
from tradeplatform.config import BASE_DIR

_PRINT_DATABASES = (
    "import json; from tradeplatform.settings.database import DATABASES; print(json.dumps(DATABASES))"
)


def databases(role: str, **environment: str) -> dict[str, Any]:
    """DATABASES as a process of that role sees them."""
    done = subprocess.run(
        [sys.executable, "-c", _PRINT_DATABASES],
        cwd=BASE_DIR,
        env=os.environ | {"TRADEPLATFORM_ROLE": role} | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    ("role", "once", "by_index"),
    [
        ("web", True, True),
        ("sockets", True, True),
        ("shard", True, True),
        ("command", True, False),
        ("worker", False, False),
    ],
)
def test_who_looks_for_few_rows_is_planned_for_that(role: str, once: bool, by_index: bool) -> None:
    found = databases(role)
    options = found["default"]["OPTIONS"]["options"]
    assert ("plan_cache_mode=force_generic_plan" in options, "enable_seqscan=off" in options) == (
        once,
        by_index,
    )
    assert "plan_cache_mode" not in found["readonly"]["OPTIONS"]["options"]


@pytest.mark.parametrize(
    ("role", "statement", "lock", "idle", "pooled"),
    [
        ("web", 8_000, 5_000, 15_000, True),
        ("sockets", 8_000, 5_000, 10_000, True),
        ("shard", 60_000, 10_000, 15_000, False),
        ("worker", 600_000, 30_000, 60_000, False),
        ("command", 0, 60_000, 0, False),
    ],
)
def test_each_role_gives_up_when_it_must(
    role: str, statement: int, lock: int, idle: int, pooled: bool
) -> None:
    default = databases(role)["default"]
    options = default["OPTIONS"]
    assert f"statement_timeout={statement} " in options["options"]
    assert f"lock_timeout={lock} " in options["options"]
    assert f"idle_in_transaction_session_timeout={idle} " in options["options"]
    assert options["application_name"] == f"tradeplatform-{role}"
    assert ("pool" in options) is pooled
    assert default["CONN_MAX_AGE"] == (0 if pooled else None)


@pytest.mark.parametrize("role", ["web", "sockets", "shard", "worker", "beat", "ingest", "command"])
def test_no_link_to_postgresql_is_silent_for_longer_than_five_seconds(role: str) -> None:
    for found in databases(role).values():
        options = found["OPTIONS"]
        assert options["connect_timeout"] <= 3
        assert options["keepalives"] == 1
        silent = options["keepalives_idle"] + options["keepalives_interval"] * options["keepalives_count"]
        assert silent <= 5
        assert options["tcp_user_timeout"] <= 5_000
    assert ASK_AFTER + ANSWER_WITHIN <= 5


@pytest.mark.parametrize(("role", "late"), [("web", 9), ("sockets", 9), ("shard", 61), ("worker", 601)])
def test_nobody_waits_for_an_answer_much_longer_than_the_server_may_take(role: str, late: int) -> None:
    """The server ends a statement, and says so, before its client would go without a word."""
    options = databases(role)["default"]["OPTIONS"]
    assert f"statement_timeout={(late - 1) * 1000} " in options["options"]
    assert options["answer_within"] == late
    assert "answer_within" not in databases(role)["readonly"]["OPTIONS"]


@pytest.mark.parametrize("role", ["web", "sockets"])
def test_a_door_waits_for_a_connection_for_three_seconds(role: str) -> None:
    assert databases(role)["default"]["OPTIONS"]["pool"]["timeout"] == 3


def test_no_link_to_valkey_is_silent_for_longer_than_five_seconds() -> None:
    broker = settings.CELERY_BROKER_TRANSPORT_OPTIONS
    assert 1 < broker["socket_timeout"] <= 5
    assert broker["socket_connect_timeout"] <= 3
    # kombu looks at each interval whether an answer is owed for longer than it waits for a message (1 s) and
    # an interval.
    assert 1 + 2 * broker["health_check_interval"] <= 5
    cache = settings.CACHES["default"]["OPTIONS"]
    assert max(cache["socket_timeout"], cache["socket_connect_timeout"]) <= 5
    pool = valkey.client().connection_pool.connection_kwargs
    attempts = 2
    assert attempts * max(pool["socket_timeout"], pool["socket_connect_timeout"]) <= 5
    assert link._SILENT_SECONDS + link._PING_SECONDS <= 5
    assert link._CONNECT_SECONDS <= 5


def test_an_address_may_have_quoted_characters_and_options() -> None:
    url = "postgresql://us%40er:p%2Fw%3A%40@db.example.com:6432/tr%20ade?sslmode=verify-full"
    found = databases(
        "web", DATABASE_URL=url, TRADEPLATFORM_READONLY_DATABASE_URL="postgresql://r:x@replica/t"
    )
    default, readonly = found["default"], found["readonly"]
    assert (default["USER"], default["PASSWORD"]) == ("us@er", "p/w:@")
    assert (default["HOST"], default["PORT"], default["NAME"]) == ("db.example.com", "6432", "tr ade")
    assert default["OPTIONS"]["sslmode"] == "verify-full"
    assert (readonly["USER"], readonly["HOST"]) == ("r", "replica")
    assert "default_transaction_read_only=on" in readonly["OPTIONS"]["options"]
    assert "default_transaction_read_only=off" in default["OPTIONS"]["options"]


@pytest.mark.django_db(databases=["default", "readonly"])
def test_the_server_took_the_settings_and_reads_by_another_role() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("1min",)
        cursor.execute("SELECT current_user, current_setting('TimeZone')")
        assert cursor.fetchone() == ("tradeplatform", "UTC")
    with connections["readonly"].cursor() as cursor:
        cursor.execute("SELECT current_user, current_setting('default_transaction_read_only')")
        assert cursor.fetchone() == ("tradeplatform_readonly", "on")


def test_every_task_on_the_schedule_exists() -> None:
    current_app.loader.import_default_modules()
    wanted = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
    assert wanted <= set(current_app.tasks)
    assert "orders.sweep_waiting_shards" in wanted


def test_wake_ups_are_hints() -> None:
    """Not repeated after a worker's death, no result kept, nothing but JSON read from the broker."""
    assert current_app.conf.task_acks_late is False
    assert current_app.conf.task_ignore_result is True
    assert current_app.conf.accept_content == ("json",)
    assert current_app.conf.task_serializer == "json"


@pytest.mark.parametrize("door", ["wsgi", "asgi"])
def test_a_door_loads_in_a_process_that_has_loaded_nothing_else(door: str) -> None:
    """Middleware is loaded before any view: what both need must not depend on the order."""
    done = subprocess.run(
        [sys.executable, "-c", f"import tradeplatform.{door}"],
        cwd=BASE_DIR,
        env=os.environ | {"TRADEPLATFORM_ROLE": "web"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_production_passes_djangos_own_deployment_checks() -> None:
    production = {
        "TRADEPLATFORM_ENVIRONMENT": "production",
        "TRADEPLATFORM_SECRET_KEY": "k9f2LmQ8xT4vB7nR1wZ6yC3hJ5pD0sGaEuXoViKtMbNqWrYcHd",
        "TRADEPLATFORM_VAULT_KEYS": "one:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
        "TRADEPLATFORM_ALLOWED_HOSTS": "desk.example.com",
        "TRADEPLATFORM_ALLOWED_ORIGINS": "https://desk.example.com",
        "TRADEPLATFORM_WEBAUTHN_RP_ID": "example.com",
        "TRADEPLATFORM_WEBAUTHN_ORIGINS": "https://desk.example.com",
        "TRADEPLATFORM_BEHIND_TLS_PROXY": "true",
    }
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=BASE_DIR,
        env=os.environ | production,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
