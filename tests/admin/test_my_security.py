"""My security: factors are set up by those who have just proved who they are; sessions are seen and ended."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import DeskSession, Passkey, Role, SecondFactor, Session, User
from accounts.services import desk_sessions, second_factor
from tests.accounts.authenticator import Device
from tests.admin.conftest import SignIn, operator
from tests.admin.pressing import press as press_button
from tests.admin.pressing import recorded
from tests.admin.registry import act as act_on
from tests.api.test_second_factor import App
from tests.factories import tokens_of

PASSWORD = "a-long-first-word-42"


@pytest.fixture
def clerk(db: None) -> User:
    user = operator(Role.SUPPORT)
    user.set_password(PASSWORD)
    user.save(update_fields=["password"])
    return user


@pytest.fixture
def desk(clerk: User) -> Client:
    """The clerk's browser, who came in by the password just now."""
    return logged_in(clerk)


def logged_in(user: User, **more: Any) -> Client:
    client = Client(HTTP_USER_AGENT="Firefox")
    form = {"username": user.username, "password": PASSWORD} | more
    assert client.post(reverse("admin:login"), form).status_code == 302
    return client


def press(client: Client, act: str, **fields: Any) -> Any:
    return client.post(reverse("admin:my-security-act", args=[act]), fields)


def page(client: Client) -> str:
    return client.get(reverse("admin:my-security")).content.decode()


def codes_in(answer: Any) -> list[str]:
    return re.findall(r"<li>([a-z2-7-]{19})</li>", answer.content.decode())


def add_passkey(client: Client, device: Device, name: str = "laptop") -> Any:
    options = client.post(reverse("admin:my-security-passkey"), {"name": name}).json()["publicKey"]
    return press(client, "passkey-add", name=name, passkey=json.dumps(device.make(options)))


class TestFactors:
    def test_an_app_is_set_up_by_picture_or_secret_and_its_first_code(
        self, clerk: User, desk: Client
    ) -> None:
        begun = press(desk, "app-begin")
        shown = begun.content.decode()
        (secret,) = re.findall(r'<p class="bo-secret">([A-Z2-7]{32})</p>', shown)
        assert shown.count('class="bo-qr"') == 1
        assert "no-store" in begun.headers["Cache-Control"]

        finished = press(desk, "app-finish", code=App(secret).code())

        assert len(set(codes_in(finished))) == 10
        assert second_factor.app_is_on(clerk)
        assert secret not in page(desk)
        assert codes_in(desk.get(reverse("admin:my-security"))) == []

    def test_a_wrong_first_code_turns_nothing_on(self, clerk: User, desk: Client) -> None:
        press(desk, "app-begin")

        assert press(desk, "app-finish", code="000000").status_code == 401

        assert not second_factor.is_on(clerk)

    def test_a_passkey_is_added_used_and_removed_by_name(self, clerk: User, desk: Client) -> None:
        device = Device()
        assert len(codes_in(add_passkey(desk, device))) == 10
        assert "laptop" in page(desk)

        door = Client()
        form = {"username": clerk.username, "password": PASSWORD}
        refused = door.post(reverse("admin:login"), form)
        asked = door.post(reverse("admin:login-passkey"), form)
        came = door.post(
            reverse("admin:login"), form | {"passkey": json.dumps(device.sign(asked.json()["publicKey"]))}
        )
        assert (refused.status_code, asked.status_code, came.status_code) == (200, 200, 302)

        press(desk, "passkey-remove", passkey=Passkey.objects.get().pk)
        assert not second_factor.is_on(clerk)

    def test_an_answer_asked_for_in_another_browser_opens_nothing(self, clerk: User, desk: Client) -> None:
        device = Device()
        add_passkey(desk, device)
        form = {"username": clerk.username, "password": PASSWORD}
        asked = Client().post(reverse("admin:login-passkey"), form).json()["publicKey"]

        answer = Client().post(reverse("admin:login"), form | {"passkey": json.dumps(device.sign(asked))})

        assert answer.status_code == 200
        assert "ask for another challenge" in answer.content.decode()

    @pytest.mark.parametrize("junk", ["{", "[]", '{"id": 1}', "\0"])
    def test_junk_for_a_passkey_opens_nothing(self, clerk: User, junk: str, desk: Client) -> None:
        add_passkey(desk, Device())
        form = {"username": clerk.username, "password": PASSWORD, "passkey": junk}

        assert Client().post(reverse("admin:login"), form).status_code == 200
        assert press(desk, "passkey-add", name="x", passkey=junk).status_code == 400
        assert Passkey.objects.count() == 1

    def test_nothing_is_told_without_the_password(self, clerk: User) -> None:
        form = {"username": clerk.username, "password": "wrong"}

        answer = Client().post(reverse("admin:login-passkey"), form)

        assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")


class TestFreshness:
    @pytest.mark.parametrize(
        "act", ["app-begin", "app-finish", "app-off", "codes", "passkey-add", "passkey-remove"]
    )
    def test_who_did_not_prove_it_lately_changes_nothing(self, sign_in: SignIn, act: str) -> None:
        client = sign_in(Role.SUPPORT)

        assert press(client, act).status_code == 403

        assert not SecondFactor.objects.exists()

    def test_confirming_takes_password_and_second_factor(self, clerk: User, desk: Client) -> None:
        device = Device()
        codes = codes_in(add_passkey(desk, device))
        session = desk.session
        session["confirmed_at"] = "2026-03-02T12:00:00+00:00"
        session.save()
        at = reverse("admin:my-security-confirm")

        wrong = [{"password": "wrong"}, {"password": PASSWORD}, {"password": PASSWORD, "code": "000000"}]
        assert [desk.post(at, body).status_code for body in wrong] == [400, 400, 400]
        assert press(desk, "codes").status_code == 403
        options = desk.post(reverse("admin:my-security-confirm-passkey")).json()["publicKey"]
        assert options["userVerification"] == "required"
        body = {"password": PASSWORD, "passkey": json.dumps(device.sign(options))}
        assert desk.post(at, body).status_code == 302

        fresh = codes_in(press(desk, "codes"))
        assert len(set(fresh) - set(codes)) == 10
        assert len(recorded("accounts.session.confirm")) == 1


class TestSessions:
    def test_are_listed_without_their_keys_and_ended(self, clerk: User, desk: Client) -> None:
        other = logged_in(clerk)
        shown = page(desk)
        rows = {row.session_key: row for row in desk_sessions.open_of(clerk.pk, now=timezone.now())}
        theirs = rows[other.session.session_key or ""]
        assert len(rows) == 2
        assert (theirs.ip, theirs.agent) == ("127.0.0.1", "Firefox")
        assert all(row.name in shown and key not in shown for key, row in rows.items())

        press(desk, "desk-session-end", session=theirs.name)

        assert other.get(reverse("admin:index")).status_code == 302
        assert desk.get(reverse("admin:index")).status_code == 200
        record = recorded("accounts.session.close")[0]
        assert record.after == {"door": "back office", "session": theirs.name}

    def test_of_the_api_are_ended_too(self, clerk: User, desk: Client) -> None:
        tokens_of(clerk)
        (session,) = Session.objects.all()

        press(desk, "api-session-end", session=session.sid)

        session.refresh_from_db()
        assert session.ended_why == "revoked"

    def test_of_others_are_not_ones_own(self, clerk: User, desk: Client) -> None:
        stranger = operator(Role.SUPPORT)
        stranger.set_password(PASSWORD)
        stranger.save(update_fields=["password"])
        other = logged_in(stranger)
        name = desk_sessions.open_of(stranger.pk, now=timezone.now()).get().name

        assert press(desk, "desk-session-end", session=name).status_code == 404
        assert other.get(reverse("admin:index")).status_code == 200

    def test_are_ended_by_an_admin_on_the_persons_page(self, clerk: User, desk: Client, boss: Client) -> None:
        person = reverse("admin:accounts_user_change", args=[clerk.pk])
        row = desk_sessions.open_of(clerk.pk, now=timezone.now()).get()
        assert row.name in boss.get(person).content.decode()

        button = act_on(User, clerk.pk, "end-desk")
        pressed = press_button(boss, button, confirm=True, session="all", reason="lost the laptop")

        assert pressed.status_code == 302
        assert desk.get(reverse("admin:index")).status_code == 302
        assert recorded("accounts.session.close")[0].reason == "lost the laptop"

    def test_whose_time_is_over_are_forgotten_after_a_day(self, desk: Client) -> None:
        DeskSession.objects.update(expire_date=timezone.now() - timedelta(hours=23))
        assert desk_sessions.forget_expired(now=timezone.now()) == 0

        DeskSession.objects.update(expire_date=timezone.now() - timedelta(hours=25))
        assert desk_sessions.forget_expired(now=timezone.now()) == 1
