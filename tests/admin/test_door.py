"""Coming in, leaving, one's own password, and the search that jumps: recorded, and only for those who may."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from accounts.models import Role, User
from tests.admin.conftest import Lived, SignIn, operator
from tests.admin.pressing import recorded

PASSWORD = "a-long-first-word-42"


@pytest.fixture
def clerk(db: None) -> User:
    user = operator(Role.SUPPORT)
    user.set_password(PASSWORD)
    user.save(update_fields=["password"])
    return user


def log_in(client: Client, user: User, password: str = PASSWORD) -> Any:
    return client.post(reverse("admin:login"), {"username": user.username, "password": password})


class TestSessions:
    def test_coming_in_and_leaving_are_recorded(self, clerk: User) -> None:
        client = Client()

        came = log_in(client, clerk)
        left = client.post(reverse("admin:logout"))

        assert (came.status_code, left.status_code) == (302, 200)
        assert client.get(reverse("admin:index")).status_code == 302
        records = [*recorded("accounts.session.open"), *recorded("accounts.session.close")]
        assert [(row.actor_id, row.target_id, row.ip) for row in records] == [
            (clerk.pk, str(clerk.pk), "127.0.0.1")
        ] * 2

    def test_a_wrong_password_is_recorded_without_it(self, clerk: User) -> None:
        answer = log_in(Client(), clerk, "wrong")

        assert answer.status_code == 200
        (record,) = recorded("accounts.session.refused")
        assert (record.actor_id, record.target_label) == (None, clerk.username)
        assert "wrong" not in f"{record.before}{record.after}{record.reason}"
        assert recorded("accounts.session.open") == []

    def test_a_client_of_ours_is_no_operator(self, db: None) -> None:
        trader = operator(Role.TRADER)
        trader.set_password(PASSWORD)
        trader.save(update_fields=["password"])

        answer = log_in(Client(), trader)

        assert answer.status_code == 200
        assert len(recorded("accounts.session.refused")) == 1

    @pytest.mark.parametrize("name", ["\0", "x" * 400, "\u202eeve", ""])
    def test_strange_names_are_refused_and_harm_nothing(self, name: str, db: None) -> None:
        answer = Client().post(reverse("admin:login"), {"username": name, "password": "x"})

        assert answer.status_code == 200
        assert len(recorded("accounts.session.refused")) == 1

    def test_ones_own_password_is_changed_and_recorded(self, clerk: User) -> None:
        client = Client()
        log_in(client, clerk)
        fresh = "another-long-word-43"

        answer = client.post(
            reverse("admin:password_change"),
            {"old_password": PASSWORD, "new_password1": fresh, "new_password2": fresh},
        )

        assert answer.status_code == 302
        assert User.objects.get(pk=clerk.pk).check_password(fresh)
        (record,) = recorded("accounts.user.change_own_password")
        assert fresh not in f"{record.before}{record.after}"

    def test_a_wrong_old_password_changes_nothing(self, clerk: User) -> None:
        client = Client()
        log_in(client, clerk)

        client.post(
            reverse("admin:password_change"),
            {
                "old_password": "wrong",
                "new_password1": "another-long-word",
                "new_password2": "another-long-word",
            },
        )

        assert User.objects.get(pk=clerk.pk).check_password(PASSWORD)
        assert recorded("accounts.user.change_own_password") == []


class TestSearch:
    @pytest.fixture(autouse=True)
    def nothing_remembered(self) -> None:
        cache.clear()

    def titles(self, client: Client, typed: str) -> list[str]:
        answer = client.get(reverse("admin:search"), {"s": typed, "extended": "1"})
        assert answer.status_code == 200
        return [result.title for result in answer.context["results"]]

    def test_jumps_to_what_was_typed(self, boss: Client, lived: Lived) -> None:
        assert self.titles(boss, str(lived.resting)) == [f"Order {lived.resting}"]
        assert self.titles(boss, lived.market.symbol) == [lived.market.symbol]
        assert self.titles(boss, lived.buyer.account_number) == [lived.buyer.account_number]
        assert self.titles(boss, lived.buyer.user.username) == [
            lived.buyer.account_number,
            lived.buyer.user.username,
        ]
        assert self.titles(boss, lived.buyer.user.email) == [lived.buyer.user.username]
        assert self.titles(boss, "shards") == ["Shards"]

    @pytest.mark.parametrize("typed", ["9" * 40, "%", "\0", "\u202e"])
    def test_of_nothing_finds_nothing(self, typed: str, boss: Client) -> None:
        assert self.titles(boss, typed) == []

    def test_is_not_for_strangers(self, sign_in: SignIn) -> None:
        answer = sign_in(Role.TRADER).get(reverse("admin:search"), {"s": "1", "extended": "1"})

        assert answer.status_code == 302
