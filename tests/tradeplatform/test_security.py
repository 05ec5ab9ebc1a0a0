"""What a browser may do with our pages, who may open a socket, and how guessing a password ends."""

from __future__ import annotations

from typing import Any

import pytest
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.test import Client, override_settings
from django.urls import reverse
from django.utils.module_loading import import_string

from accounts.models import User
from tradeplatform.origins import OriginCheck
from tradeplatform.settings import security


@pytest.mark.django_db
def test_the_admins_pages_may_run_our_scripts_and_reach_our_socket_only(client: Client) -> None:
    policy = client.get(reverse("admin:login")).headers["Content-Security-Policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["script-src"] == "'self' 'unsafe-eval'"
    assert rules["style-src"] == "'self' 'unsafe-inline'"
    assert rules["connect-src"] == "'self' ws://localhost:8001 ws://127.0.0.1:8001"
    assert rules["frame-ancestors"] == "'none'"
    assert rules["default-src"] == "'self'"


@pytest.mark.django_db
@override_settings(CORS_ALLOWED_ORIGINS=["https://desk.example.com"])
@pytest.mark.parametrize(
    ("origin", "allowed"), [("https://desk.example.com", True), ("https://evil.com", False)]
)
def test_only_named_sites_may_call_the_api_from_a_browser(client: Client, origin: str, allowed: bool) -> None:
    headers = {"origin": origin, "access-control-request-method": "POST"}
    answer = client.options("/api/v1/orders", headers=headers)
    assert answer.headers.get("Access-Control-Allow-Origin") == (origin if allowed else None)
    assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.django_db
def test_ten_wrong_passwords_lock_the_name_for_that_address_only(client: Client) -> None:
    User.objects.create_user(username="desk", email="desk@example.com", password="right horse battery")

    def log_in(password: str, address: str) -> Any:
        body = {"username": "desk", "password": password}
        return client.post("/api/v1/auth/login", body, "application/json", REMOTE_ADDR=address)

    statuses = [log_in(f"wrong {number}", "10.0.0.1").status_code for number in range(10)]
    assert statuses == [401] * 9 + [429]
    locked = log_in("right horse battery", "10.0.0.1")
    assert locked.status_code == 429
    assert locked.headers["Content-Type"] == "application/problem+json"
    assert locked.json()["code"] == "throttled"
    assert locked.headers["Retry-After"] == "900"
    form = {"username": "desk", "password": "right horse battery"}
    page = client.post(reverse("admin:login"), form, REMOTE_ADDR="10.0.0.1")
    assert (page.status_code, page.headers["Content-Type"]) == (429, "text/plain; charset=utf-8")
    assert page.content.startswith(b"Too many failed logins")
    assert log_in("right horse battery", "10.0.0.2").status_code == 200


def test_the_platform_hashes_passwords_by_argon2_at_its_full_cost() -> None:
    """Which the rest of the tests would not notice: theirs are cheap."""
    assert security.PASSWORD_HASHERS == [
        "django.contrib.auth.hashers.Argon2PasswordHasher",
        "django.contrib.auth.hashers.PBKDF2PasswordHasher",
    ]
    hasher = import_string(security.PASSWORD_HASHERS[0])
    assert (hasher.time_cost, hasher.memory_cost, hasher.parallelism) == (2, 102_400, 8)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("origin", "status"),
    [("http://testserver", 200), ("https://testserver", 403), ("https://evil.com", 403), ("null", 403)],
)
def test_a_form_of_ours_sent_by_another_sites_page_is_refused(origin: str, status: int) -> None:
    """Even with a token that is right: it may have been stolen, its page may not."""
    browser = Client(enforce_csrf_checks=True)
    token = browser.get(reverse("admin:login")).context["csrf_token"]
    form = {"username": "desk", "password": "wrong", "csrfmiddlewaretoken": str(token)}

    answers = [
        browser.post(reverse(door), form, headers={"origin": origin}).status_code
        for door in ("admin:login", "admin:login-passkey")
    ]

    assert answers == [status, 401 if status == 200 else status]
    del form["csrfmiddlewaretoken"]
    assert browser.post(reverse("admin:login-passkey"), form).status_code == 403


@pytest.mark.django_db
def test_no_page_of_ours_is_framed_guessed_at_or_told_of_elsewhere(client: Client) -> None:
    for address in (reverse("admin:login"), "/api/docs", "/api/v1/instruments"):
        headers = client.get(address).headers
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


async def _accept(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})


@pytest.mark.parametrize(
    ("headers", "accepted"),
    [
        ([(b"origin", settings.WEBSOCKET_ORIGINS[0].encode())], True),
        ([(b"origin", settings.WEBSOCKET_ORIGINS[0].upper().encode())], True),
        ([], True),
        ([(b"origin", b"https://evil.example.com")], False),
        ([(b"origin", b"null")], False),
        (
            [(b"origin", settings.WEBSOCKET_ORIGINS[0].encode()), (b"origin", b"https://evil.example.com")],
            False,
        ),
    ],
)
async def test_another_sites_page_cannot_open_a_socket(
    headers: list[tuple[bytes, bytes]], accepted: bool
) -> None:
    socket = WebsocketCommunicator(OriginCheck(_accept), "/ws/v1", headers=headers)
    connected, _ = await socket.connect()
    assert connected is accepted
    await socket.disconnect()
