"""Answers two questions of whoever restarts or routes: is it alive, can it serve.

Answered before anything else looks at the request: a probe knows no host name and speaks no TLS.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.cache import add_never_cache_headers


class HealthMiddleware:
    """Answers GET and HEAD of /health/live and /health/ready."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        """Keep the next handler."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer a probe, pass everything else on."""
        view = _VIEWS.get(request.path)
        if view is None or request.method not in {"GET", "HEAD"}:
            return self.get_response(request)
        response = view(request)
        add_never_cache_headers(response)
        return response


def live(_request: HttpRequest) -> JsonResponse:
    """The process answers; says nothing about what it depends on, so no restart follows a database outage."""
    return JsonResponse({"status": "ok"})


def ready(_request: HttpRequest) -> JsonResponse:
    """200 when PostgreSQL and Valkey answer and every migration is applied, else 503 with what is wrong."""
    checks = {name: check() for name, check in _CHECKS.items()}
    fine = all(answer == "ok" for answer in checks.values())
    status = HTTPStatus.OK if fine else HTTPStatus.SERVICE_UNAVAILABLE
    return JsonResponse({"status": "ok" if fine else "unavailable", "checks": checks}, status=status)


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return "unreachable"
    return "ok"


def _valkey() -> str:
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2) as client:
            client.ping()
    except redis.RedisError:
        return "unreachable"
    return "ok"


def _migrations() -> str:
    try:
        executor = MigrationExecutor(connection)
        waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError:
        return "unknown"
    return f"{len(waiting)} not applied" if waiting else "ok"


_CHECKS: dict[str, Callable[[], str]] = {"database": _database, "valkey": _valkey, "migrations": _migrations}
_VIEWS: dict[str, Callable[[HttpRequest], HttpResponse]] = {"/health/live": live, "/health/ready": ready}
