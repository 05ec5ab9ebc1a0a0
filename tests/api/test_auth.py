"""Sessions: log in, renew, log out; what a token can and cannot do; lockout; and what is recorded."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import jwt
import pgtrigger
import pytest
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.utils import timezone
from pytest_django import Settings
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from accounts.models import ApiKey, Role, Session, SessionEnd, User
from accounts.services.people import set_active, set_password
from accounts.services.sessions import Tokens
from accounts.tasks import forget_expired_tokens
from audit.models import AuditRecord
from tests.api.client import Api, refused
from tests.factories import (
    ACTOR,
    everything_stored,
    fund,
    make_account,
    make_asset,
    make_user,
    tokens_of,
)

PASSWORD = "correct horse battery staple"


@pytest.fixture
def person(db: None) -> User:
    """A trader who can log in."""
    return make_user(Role.TRADER, password=PASSWORD)


def _log_in(api: Api, person: User) -> dict[str, Any]:
    response = api.post("/auth/login", {"username": person.username, "password": PASSWORD})
    assert response.status_code == 200, response.content
    tokens: dict[str, Any] = response.json()
    return tokens


def _access(person: User) -> str:
    return tokens_of(person).access


def _claims(token: str) -> dict[str, object]:
    claims: dict[str, object] = jwt.decode(token, options={"verify_signature": False})
    return claims


class TestLogin:
    def test_gives_a_pair_of_tokens(self, person: User, anonymous: Api) -> None:
        tokens = _log_in(anonymous, person)

        assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 300)
        assert anonymous.bearer(tokens["access"]).get("/auth/me").json() == {
            "id": person.id,
            "username": person.username,
            "email": person.email,
            "roles": ["trader"],
        }

    def test_is_kept_by_no_cache(self, person: User, anonymous: Api) -> None:
        response = anonymous.post("/auth/login", {"username": person.username, "password": PASSWORD})

        assert "no-store" in response["Cache-Control"]

    def test_makes_short_lived_tokens_for_this_platform_alone(self, person: User, anonymous: Api) -> None:
        claims = _claims(_log_in(anonymous, person)["access"])

        assert (claims["iss"], claims["aud"], claims["token_type"]) == (
            "tradeplatform",
            "tradeplatform",
            "access",
        )
        assert int(str(claims["exp"])) - int(str(claims["iat"])) == 300
        assert str(person.password) not in str(claims)

    @pytest.mark.parametrize("known", [True, False])
    def test_refuses_a_wrong_name_or_password_alike(self, person: User, anonymous: Api, known: bool) -> None:
        name = person.username if known else "nobody"

        response = anonymous.post("/auth/login", {"username": name, "password": "wrong"})

        assert refused(response, "not_authenticated", 401)["detail"] == (
            "The name or the password is wrong, or this login is closed."
        )
        assert not Session.objects.exists()

    def test_refuses_a_deactivated_person(self, person: User, anonymous: Api) -> None:
        User.objects.filter(id=person.id).update(is_active=False)

        response = anonymous.post("/auth/login", {"username": person.username, "password": PASSWORD})

        refused(response, "not_authenticated", 401)

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"username": "x"},
            {"username": "x", "password": 1},
            {"username": "x\0", "password": "x"},
            {"username": "x", "password": "x\0"},
            {"username": "x" * 151, "password": "x"},
            {"username": "x", "password": "x" * 1_025},
            {"username": "x", "password": "x", "is_superuser": True},
            {"username": None, "password": None},
        ],
    )
    def test_refuses_what_is_no_login(self, db: None, anonymous: Api, body: dict[str, object]) -> None:
        refused(anonymous.post("/auth/login", body), "invalid_field")

        assert not AuditRecord.objects.exists()

    def test_ignores_a_stale_token_in_the_header(self, person: User, anonymous: Api) -> None:
        anonymous.bearer("stale")

        assert _log_in(anonymous, person)["access"]


class TestLockout:
    def test_follows_ten_failures_and_holds_against_the_right_password(
        self, person: User, anonymous: Api
    ) -> None:
        wrong = {"username": person.username, "password": "wrong"}
        for _ in range(9):
            refused(anonymous.post("/auth/login", wrong), "not_authenticated", 401)

        tenth = anonymous.post("/auth/login", wrong)
        right = anonymous.post("/auth/login", wrong | {"password": PASSWORD})

        for response in (tenth, right):
            refused(response, "throttled", 429)
            assert response["Retry-After"] == "900"
        assert not Session.objects.exists()

    def test_does_not_touch_another_name(self, person: User, anonymous: Api) -> None:
        for _ in range(10):
            anonymous.post("/auth/login", {"username": "nobody", "password": "wrong"})

        assert _log_in(anonymous, person)["access"]

    def test_forgets_failures_at_a_success(self, person: User, anonymous: Api) -> None:
        wrong = {"username": person.username, "password": "wrong"}
        for _ in range(9):
            anonymous.post("/auth/login", wrong)

        _log_in(anonymous, person)

        refused(anonymous.post("/auth/login", wrong), "not_authenticated", 401)


class TestRefresh:
    def test_gives_a_new_pair_and_uses_the_old_token_up(self, person: User, anonymous: Api) -> None:
        old = _log_in(anonymous, person)["refresh"]

        new = anonymous.post("/auth/refresh", {"refresh": old})
        again = anonymous.post("/auth/refresh", {"refresh": old})

        assert new.status_code == 200
        assert new.json()["refresh"] != old
        refused(again, "not_authenticated", 401)
        assert anonymous.bearer(new.json()["access"]).get("/auth/me").status_code == 200
        assert anonymous.post("/auth/refresh", {"refresh": new.json()["refresh"]}).status_code == 200

    def test_refuses_an_access_token(self, person: User, anonymous: Api) -> None:
        access = _log_in(anonymous, person)["access"]

        refused(anonymous.post("/auth/refresh", {"refresh": access}), "not_authenticated", 401)

    @pytest.mark.parametrize("token", ["", "x", "a.b.c", "\N{RIGHT-TO-LEFT MARK}", "x" * 4_096])
    def test_refuses_junk(self, db: None, anonymous: Api, token: str) -> None:
        code, status = ("not_authenticated", 401) if token else ("invalid_field", 400)

        refused(anonymous.post("/auth/refresh", {"refresh": token}), code, status)

    def test_refuses_a_deactivated_person(self, person: User, anonymous: Api) -> None:
        refresh = _log_in(anonymous, person)["refresh"]
        User.objects.filter(id=person.id).update(is_active=False)

        refused(anonymous.post("/auth/refresh", {"refresh": refresh}), "not_authenticated", 401)

    def test_refuses_after_a_change_of_password(self, person: User, anonymous: Api) -> None:
        refresh = _log_in(anonymous, person)["refresh"]
        User.objects.filter(id=person.id).update(password=make_password("another long password"))

        refused(anonymous.post("/auth/refresh", {"refresh": refresh}), "not_authenticated", 401)

    def test_refuses_an_expired_token(self, person: User, anonymous: Api) -> None:
        token = RefreshToken(tokens_of(person).refresh.encode())  # type: ignore[arg-type]
        token.set_exp(lifetime=-timedelta(seconds=1))

        refused(anonymous.post("/auth/refresh", {"refresh": str(token)}), "not_authenticated", 401)


class TestLogout:
    def test_ends_the_session(self, person: User, anonymous: Api) -> None:
        refresh = _log_in(anonymous, person)["refresh"]

        response = anonymous.post("/auth/logout", {"refresh": refresh})

        assert (response.status_code, response.content) == (204, b"")
        refused(anonymous.post("/auth/refresh", {"refresh": refresh}), "not_authenticated", 401)
        refused(anonymous.post("/auth/logout", {"refresh": refresh}), "not_authenticated", 401)

    def test_leaves_another_session_alone(self, person: User, anonymous: Api) -> None:
        first, second = _log_in(anonymous, person)["refresh"], _log_in(anonymous, person)["refresh"]

        anonymous.post("/auth/logout", {"refresh": first})

        assert anonymous.post("/auth/refresh", {"refresh": second}).status_code == 200


class TestAccessToken:
    def _refused(self, token: str) -> None:
        response = Api().bearer(token).get("/accounts")
        refused(response, "not_authenticated", 401)
        assert response["WWW-Authenticate"].startswith("Bearer")

    def test_is_required(self, db: None, anonymous: Api) -> None:
        response = anonymous.get("/accounts")

        refused(response, "not_authenticated", 401)
        assert response["WWW-Authenticate"].startswith("Bearer")

    def test_works(self, person: User) -> None:
        assert Api().bearer(_access(person)).get("/accounts").status_code == 200

    def test_is_not_a_refresh_token(self, person: User) -> None:
        self._refused(tokens_of(person).refresh)

    def test_expires(self, person: User) -> None:
        token = AccessToken(_access(person).encode())  # type: ignore[arg-type]
        token.set_exp(lifetime=-timedelta(seconds=1))

        self._refused(str(token))

    def test_is_refused_when_altered(self, person: User) -> None:
        header, payload, signature = _access(person).split(".")

        self._refused(f"{header}.{payload}.{signature[::-1]}")

    def test_is_refused_unsigned(self, person: User) -> None:
        self._refused(jwt.encode(_claims(_access(person)), "", algorithm="none"))

    @pytest.mark.parametrize("claim", [{"iss": "somebody"}, {"aud": "elsewhere"}, {"user_id": "0"}])
    def test_is_refused_when_made_for_another(self, person: User, claim: dict[str, str]) -> None:
        claims = _claims(_access(person)) | claim

        self._refused(jwt.encode(claims, settings.SECRET_KEY, algorithm="HS256"))

    def test_stops_working_the_moment_a_person_is_deactivated(self, person: User) -> None:
        token = _access(person)
        User.objects.filter(id=person.id).update(is_active=False)

        self._refused(token)

    def test_stops_working_with_a_change_of_password(self, person: User) -> None:
        token = _access(person)
        User.objects.filter(id=person.id).update(password=make_password("another long password"))

        self._refused(token)

    @pytest.mark.parametrize("header", ["Bearer", "Bearer a b", "Basic eDp5", "bearer x", ""])
    def test_is_refused_in_any_other_header(self, db: None, header: str) -> None:
        api = Api()
        api.credentials(HTTP_AUTHORIZATION=header)

        refused(api.get("/accounts"), "not_authenticated", 401)


class TestAddress:
    """Lockout, limits and records go by the peer's address, or by what our own proxy says of it."""

    def _recorded(self, api: Api, **meta: Any) -> str | None:
        api.post("/auth/login", {"username": "nobody", "password": "x"}, **meta)
        return AuditRecord.objects.latest("id").ip

    def test_is_not_what_the_caller_says(self, db: None, anonymous: Api) -> None:
        assert self._recorded(anonymous, HTTP_X_FORWARDED_FOR="198.51.100.7") == anonymous.address

    def test_is_what_our_proxy_says(self, db: None, anonymous: Api, settings: Settings) -> None:
        settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {"NUM_PROXIES": 1}

        assert self._recorded(anonymous, HTTP_X_FORWARDED_FOR="198.51.100.7, 203.0.113.9") == "203.0.113.9"
        assert self._recorded(anonymous, HTTP_X_FORWARDED_FOR="junk") is None
        assert self._recorded(anonymous) == anonymous.address


class TestRecords:
    def test_tell_who_came_and_went_from_where(self, person: User, anonymous: Api) -> None:
        refresh = _log_in(anonymous, person)["refresh"]
        anonymous.post("/auth/logout", {"refresh": refresh})

        records = list(
            AuditRecord.objects.order_by("id").values_list(
                "action", "actor_id", "actor_label", "target_id", "ip"
            )
        )

        who = (person.id, person.username, str(person.id), anonymous.address)
        assert records == [("accounts.session.open", *who), ("accounts.session.close", *who)]

    def test_tell_of_a_refused_login_without_its_password(self, person: User, anonymous: Api) -> None:
        anonymous.post("/auth/login", {"username": person.username, "password": "s3cret-guess"})

        record = AuditRecord.objects.get()

        assert (record.action, record.actor_id) == ("accounts.session.refused", None)
        assert record.ip == anonymous.address
        assert record.target_label == person.username
        assert "s3cret-guess" not in str(record.__dict__)

    def test_carry_the_correlation_id(self, person: User, anonymous: Api) -> None:
        body = {"username": person.username, "password": "wrong"}

        anonymous.post("/auth/login", body, headers={"X-Correlation-ID": "login-9"})

        assert AuditRecord.objects.get().correlation_id == "login-9"


class TestForgetting:
    def test_deletes_only_what_expired_a_month_ago(self, person: User) -> None:
        for _ in range(3):
            tokens_of(person)
        now = timezone.now()
        old, older, _new = Session.objects.order_by("id")
        long_ago = {"opened_at": now - timedelta(days=40)}
        with pgtrigger.ignore():
            Session.objects.filter(sid=old.sid).update(expires_at=now - timedelta(days=29), **long_ago)
            Session.objects.filter(sid=older.sid).update(expires_at=now - timedelta(days=30), **long_ago)

        forget_expired_tokens()
        forget_expired_tokens(from_a_newer_version=True)

        assert Session.objects.count() == 2
        assert not Session.objects.filter(sid=older.sid).exists()


class TestSessions:
    """Whatever ends a session ends its tokens with the next request."""

    def _both(self, person: User) -> tuple[Api, Api, Tokens]:
        mine, other = tokens_of(person), tokens_of(person)
        return Api().bearer(mine.access), Api().bearer(other.access), other

    def test_are_listed_for_their_owner(self, person: User, anonymous: Api) -> None:
        headers = {"User-Agent": "bot/1.0"}
        body = {"username": person.username, "password": PASSWORD}
        tokens = anonymous.post("/auth/login", body, headers=headers).json()
        tokens_of(make_user())
        tokens_of(person)

        rows = Api().bearer(tokens["access"]).get("/auth/sessions").json()["results"]

        assert [(row["agent"], row["current"], row["ip"]) for row in rows] == [
            ("tests", False, "127.0.0.1"),
            ("bot/1.0", True, anonymous.address),
        ]

    def test_logout_stops_the_access_token_at_once(self, person: User, anonymous: Api) -> None:
        me, other, tokens = self._both(person)
        assert other.get("/auth/me").status_code == 200

        anonymous.post("/auth/logout", {"refresh": tokens.refresh})

        refused(other.get("/auth/me"), "not_authenticated", 401)
        assert me.get("/auth/me").status_code == 200

    def test_one_can_be_ended_by_its_owner_from_another(self, person: User, anonymous: Api) -> None:
        me, other, tokens = self._both(person)
        (sid,) = [row["id"] for row in me.get("/auth/sessions").json()["results"] if not row["current"]]

        assert me.delete(f"/auth/sessions/{sid}").status_code == 204

        refused(other.get("/auth/me"), "not_authenticated", 401)
        refused(anonymous.post("/auth/refresh", {"refresh": tokens.refresh}), "not_authenticated", 401)
        refused(me.delete(f"/auth/sessions/{sid}"), "session_not_found", 404)
        assert len(me.get("/auth/sessions").json()["results"]) == 1
        ended = Session.objects.get(sid=sid)
        assert (ended.ended_why, ended.ended_at is None) == (SessionEnd.REVOKED, False)

    def test_all_others_can_be_ended_at_once(self, person: User) -> None:
        me, other, _tokens = self._both(person)
        stranger = Api().bearer(_access(make_user()))

        assert me.delete("/auth/sessions").status_code == 204

        refused(other.get("/auth/me"), "not_authenticated", 401)
        assert [api.get("/auth/me").status_code for api in (me, stranger)] == [200, 200]

    @pytest.mark.parametrize("junk", ["x", "0" * 32, "%00", "%D7%A9", "a" * 300])
    def test_another_persons_is_as_unknown_as_none(self, person: User, junk: str) -> None:
        tokens_of(make_user())
        theirs = Session.objects.get().sid
        me = Api().bearer(_access(person))

        refused(me.delete(f"/auth/sessions/{theirs}"), "session_not_found", 404)
        refused(me.delete(f"/auth/sessions/{junk}"), "session_not_found", 404)
        assert Session.objects.filter(ended_at__isnull=True).count() == 2

    @pytest.mark.parametrize("what", ["deactivate", "password"])
    def test_an_operators_act_ends_all(self, person: User, what: str) -> None:
        me, other, _tokens = self._both(person)
        now = timezone.now()

        if what == "deactivate":
            set_active(user_id=person.id, active=False, actor=ACTOR, now=now, reason="left")
            set_active(user_id=person.id, active=True, actor=ACTOR, now=now, reason="back")
        else:
            phrase = "another long phrase 42"
            set_password(user_id=person.id, password=phrase, actor=ACTOR, now=now, reason="lost")

        for api in (me, other):
            refused(api.get("/auth/me"), "not_authenticated", 401)
        assert not Session.objects.filter(ended_at__isnull=True).exists()

    def test_a_token_of_another_persons_session_is_none(self, person: User) -> None:
        tokens_of(person)
        token: Any = AccessToken.for_user(make_user())
        token["sid"] = Session.objects.get().sid

        refused(Api().bearer(token).get("/auth/me"), "not_authenticated", 401)

    def test_a_refresh_token_in_two_hands_ends_its_session(self, person: User, anonymous: Api) -> None:
        """The thief and the owner cannot be told apart: both have to prove who they are."""
        stolen = tokens_of(person)
        owner = anonymous.post("/auth/refresh", {"refresh": stolen.refresh}).json()
        # A moment later it might be the owner, who did not hear the answer.
        refused(anonymous.post("/auth/refresh", {"refresh": stolen.refresh}), "not_authenticated", 401)
        assert anonymous.bearer(owner["access"]).get("/auth/me").status_code == 200
        Session.objects.update(renewed_at=timezone.now() - timedelta(seconds=11))

        refused(Api().post("/auth/refresh", {"refresh": stolen.refresh}), "not_authenticated", 401)

        refused(anonymous.get("/auth/me"), "not_authenticated", 401)
        refused(Api().post("/auth/refresh", {"refresh": owner["refresh"]}), "not_authenticated", 401)
        assert Session.objects.get().ended_why == SessionEnd.REFRESH_REUSED

    def test_a_refresh_token_older_than_the_last_ends_its_session_at_once(
        self, person: User, anonymous: Api
    ) -> None:
        first = tokens_of(person).refresh
        second = anonymous.post("/auth/refresh", {"refresh": first}).json()["refresh"]
        anonymous.post("/auth/refresh", {"refresh": second})

        refused(anonymous.post("/auth/refresh", {"refresh": first}), "not_authenticated", 401)

        assert Session.objects.get().ended_why == SessionEnd.REFRESH_REUSED

    def test_keeps_no_token(self, person: User) -> None:
        tokens = tokens_of(person)

        row = str(Session.objects.values().get())
        assert tokens.refresh.split(".")[2] not in row
        assert tokens.access.split(".")[2] not in row


class TestConfirming:
    """A proof that is older than five minutes does for trading, not for what matters most."""

    @pytest.fixture
    def stale(self, person: User) -> Api:
        api = Api().bearer(_access(person))
        Session.objects.update(confirmed_at=timezone.now() - timedelta(minutes=5, seconds=1))
        return api

    def test_is_asked_for_and_counts_for_five_minutes(self, person: User, stale: Api) -> None:
        account = make_account(currency=make_asset(), user=person)
        body = {"account": account.pk, "label": "bot", "scopes": ["read"]}
        refused(stale.post("/auth/keys", body), "confirmation_required", 403)
        assert not ApiKey.objects.exists()

        answer = stale.post("/auth/confirm", {"password": PASSWORD})

        assert answer.status_code == 200
        assert stale.post("/auth/keys", body).status_code == 201

    def test_of_a_withdrawal_comes_before_it(self, person: User, stale: Api) -> None:
        account = make_account(currency=make_asset(), user=person)
        fund(account, account.currency, 100)
        before = everything_stored()
        body = {"asset": account.currency.code, "amount": "1", "request_id": "w-1"}

        refused(stale.post(f"/accounts/{account.pk}/withdrawals", body), "confirmation_required", 403)

        assert everything_stored() == before

    def test_needs_the_password_and_counts_failures_as_a_login_does(self, person: User, stale: Api) -> None:
        for _ in range(9):
            refused(stale.post("/auth/confirm", {"password": "wrong"}), "not_authenticated", 401)

        refused(stale.post("/auth/confirm", {"password": "wrong"}), "throttled", 429)
        refused(stale.post("/auth/confirm", {"password": PASSWORD}), "throttled", 429)
        assert Session.objects.get().confirmed_at < timezone.now() - timedelta(minutes=5)
        assert AuditRecord.objects.filter(action="accounts.session.refused").count() == 11


def test_every_door_but_the_public_ones_asks_for_a_token(db: None, anonymous: Api) -> None:
    private = [
        "/auth/me", "/accounts", "/accounts/1/balances", "/accounts/1/ledger", "/orders", "/orders/1",
        "/orders/by-client-id/1/x", "/orders/1/fills", "/orders/1/events", "/fills",
    ]  # fmt: skip

    for path in private:
        refused(anonymous.get(path), "not_authenticated", 401)
    for response in (
        anonymous.post("/orders", {}),
        anonymous.post("/orders/batch", {}),
        anonymous.delete("/orders?account=1"),
        anonymous.delete("/orders/1"),
        anonymous.patch("/orders/1", {}),
    ):
        refused(response, "not_authenticated", 401)
