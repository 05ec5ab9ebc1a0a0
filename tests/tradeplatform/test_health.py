"""Health: what a probe is told when all is well, and when something is missing."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.test import Client, override_settings


def test_live_says_ok_without_looking_at_anything(client: Client) -> None:
    """No database mark: pytest-django would fail the test if it touched one."""
    answer = client.get("/health/live")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok"}


@pytest.mark.django_db
def test_ready_says_ok_when_both_servers_answer_and_migrations_are_applied(client: Client) -> None:
    answer = client.get("/health/ready")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ok",
        "checks": {"database": "ok", "valkey": "ok", "migrations": "ok"},
    }
    assert "no-store" in answer.headers["Cache-Control"]


@pytest.mark.django_db
@override_settings(REDIS_URL="redis://127.0.0.1:1/0")
def test_ready_is_503_without_valkey(client: Client) -> None:
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json() == {
        "status": "unavailable",
        "checks": {"database": "ok", "valkey": "unreachable", "migrations": "ok"},
    }


@pytest.mark.django_db
def test_ready_is_503_while_a_migration_is_not_applied(client: Client) -> None:
    call_command("migrate", "sessions", "zero", verbosity=0)
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json()["checks"]["migrations"] == "1 not applied"


@override_settings(ALLOWED_HOSTS=["desk.example.com"], SECURE_SSL_REDIRECT=True)
def test_a_probe_needs_neither_host_name_nor_tls(client: Client) -> None:
    assert client.get("/health/live", headers={"host": "10.1.2.3:8000"}).status_code == 200


def test_only_reading_methods_are_answered(client: Client) -> None:
    assert client.post("/health/live").status_code == 404
