"""The second factor: codes as RFC 6238 says, each good for one use; recovery codes; who may go without."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts.models import Ceremony, RecoveryCode, Role, SecondFactor, Secret, Session, User
from accounts.services import recovery_codes, second_factor, totp
from accounts.services.passkeys import Asked
from accounts.services.second_factor import Proof
from accounts.services.staff_requests import ask_reset
from audit.actor import Actor
from audit.models import AuditRecord
from tests.accounts.authenticator import refusal_of_check
from tests.admin.conftest import operator
from tests.api.client import Api, refused
from tests.audit.agreeing import agree
from tests.factories import ACTOR, make_user, tokens_of
from tests.threads import all_at_once
from tradeplatform.common.errors import Code, Refusal

PASSWORD = "correct horse battery staple"
_LOGIN = Asked(Ceremony.LOGIN)
_RFC_SECRET = b"12345678901234567890"


@pytest.mark.parametrize(
    ("seconds", "code"),
    [(59, "94287082"), (1111111109, "07081804"), (1111111111, "14050471"), (1234567890, "89005924"),
     (2000000000, "69279037"), (20000000000, "65353130")],
)  # fmt: skip
def test_codes_are_those_of_rfc_6238(seconds: int, code: str) -> None:
    """Appendix B, SHA-1; its eight digits end with our six."""
    step = totp.step_of(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds))

    assert totp.code_of(_RFC_SECRET, step) == code[-6:]


@pytest.mark.parametrize(("off", "counts"), [(-60, False), (-30, True), (0, True), (30, True), (60, False)])
def test_a_clock_may_be_off_by_one_step(off: int, counts: bool) -> None:
    now = datetime(2026, 3, 2, 12, 0, 15, tzinfo=UTC)
    step = totp.step_of(now + timedelta(seconds=off))

    assert totp.step_with(_RFC_SECRET, totp.code_of(_RFC_SECRET, step), now=now) == (step if counts else None)


class App:
    """An authenticator app that holds a secret, and a person who waits for its next code."""

    def __init__(self, secret: str) -> None:
        self._secret = base64.b32decode(secret + "=" * (-len(secret) % 8))
        self._used = 0

    def code(self) -> str:
        """One that was not given before."""
        self._used = max(self._used + 1, totp.step_of(timezone.now()))
        return totp.code_of(self._secret, self._used)


@pytest.fixture
def person(db: None) -> User:
    """A trader who can log in."""
    return make_user(Role.TRADER, password=PASSWORD)


def _actor(user: User) -> Actor:
    return Actor.user(user_id=user.pk, label=user.username)


def _turned_on(user: User) -> tuple[App, list[str]]:
    now = timezone.now()
    app = App(second_factor.begin(user, actor=_actor(user), now=now).secret)
    # The code of the step before: the one of now stays for the test.
    app._used = totp.step_of(now) - 2
    first = totp.code_of(app._secret, totp.step_of(now) - 1)
    codes = second_factor.finish(user, first, actor=_actor(user), now=now)
    app._used = totp.step_of(now) - 1
    return app, codes


def _log_in(person: User, *, at: Api | None = None, **more: str) -> Any:
    return (at or Api()).post("/auth/login", {"username": person.username, "password": PASSWORD} | more)


class TestSetup:
    def test_by_the_api_ends_with_ten_recovery_codes(self, person: User) -> None:
        api = Api().sign_in(person)
        off = {"on": False, "app": False, "passkeys": 0, "recovery_codes_left": 0}
        assert api.get("/auth/second-factor").json() == off

        setup = api.post("/auth/second-factor").json()
        assert _log_in(person).status_code == 200
        codes = api.post("/auth/second-factor/confirm", {"code": App(setup["secret"]).code()}).json()

        assert setup["uri"].startswith(f"otpauth://totp/Trading%20platform:{person.username}?secret=")
        assert len(set(codes["recovery_codes"])) == 10
        on = {"on": True, "app": True, "passkeys": 0, "recovery_codes_left": 10}
        assert api.get("/auth/second-factor").json() == on
        refused(_log_in(person), "second_factor_required", 401)

    def test_is_not_on_before_the_first_code_was_right(self, person: User) -> None:
        api = Api().sign_in(person)
        api.post("/auth/second-factor")

        refused(api.post("/auth/second-factor/confirm", {"code": "000000"}), "second_factor_wrong", 401)

        assert api.get("/auth/second-factor").json()["on"] is False
        assert _log_in(person).status_code == 200

    def test_needs_a_confirmed_session(self, person: User) -> None:
        api = Api().sign_in(person)
        Session.objects.update(confirmed_at=timezone.now() - timedelta(minutes=6))

        refused(api.post("/auth/second-factor"), "confirmation_required", 403)
        refused(api.delete("/auth/second-factor"), "confirmation_required", 403)
        assert not SecondFactor.objects.exists()

    def test_keeps_its_secret_in_the_vault_and_codes_as_hashes(self, person: User) -> None:
        app, codes = _turned_on(person)

        secret = Secret.objects.get(purpose="second_factor", destroyed_at__isnull=True)
        assert app._secret not in bytes(secret.sealed or b"")
        stored = str(list(RecoveryCode.objects.values()))
        assert not any(code in stored or code.replace("-", "") in stored for code in codes)
        records = str(list(AuditRecord.objects.values()))
        assert not any(code in records for code in codes)


class TestLogin:
    def test_takes_a_code_once(self, person: User) -> None:
        app, _codes = _turned_on(person)
        code = app.code()

        assert _log_in(person, code=code).status_code == 200
        refused(_log_in(person, code=code), "second_factor_wrong", 401)
        assert _log_in(person, code=app.code()).status_code == 200

    def test_takes_a_recovery_code_once_however_it_is_typed(self, person: User) -> None:
        _app, codes = _turned_on(person)

        assert _log_in(person, code=codes[0].upper().replace("-", " ")).status_code == 200
        refused(_log_in(person, code=codes[0]), "second_factor_wrong", 401)
        assert recovery_codes.left(person) == 9

    def test_with_a_wrong_code_opens_nothing_and_locks_in_the_end(self, person: User) -> None:
        app, _codes = _turned_on(person)
        here = Api()
        for _ in range(9):
            refused(_log_in(person, at=here, code="00000x"), "second_factor_wrong", 401)

        assert _log_in(person, at=here, code="00000x").status_code == 429
        assert _log_in(person, at=here, code=app.code()).status_code == 429
        assert not Session.objects.exists()

    def test_guessed_from_many_addresses_is_counted_by_person(self, person: User) -> None:
        app, _codes = _turned_on(person)
        told = [refusal_of_check(person, Proof("00000x"), _LOGIN).code for _ in range(10)]
        assert told == [Code.SECOND_FACTOR_WRONG] * 10

        assert refusal_of_check(person, Proof(app.code()), _LOGIN).code == Code.THROTTLED

        other = make_user(password=PASSWORD)
        theirs, _codes = _turned_on(other)
        assert _log_in(other, code=theirs.code()).status_code == 200

    def test_right_codes_are_not_counted(self, person: User) -> None:
        app, codes = _turned_on(person)

        answers = [_log_in(person, code=code).status_code for code in [*codes, app.code()]]

        assert answers == [200] * 11

    def test_confirming_needs_it_too(self, person: User) -> None:
        app, _codes = _turned_on(person)
        api = Api().sign_in(person)

        refused(api.post("/auth/confirm", {"password": PASSWORD}), "second_factor_required", 401)
        body = {"password": PASSWORD, "code": app.code()}
        assert api.post("/auth/confirm", body).status_code == 200

    def test_by_password_alone_again_after_it_was_turned_off(self, person: User) -> None:
        _turned_on(person)

        assert Api().sign_in(person).delete("/auth/second-factor").status_code == 204

        assert _log_in(person).status_code == 200
        assert not Secret.objects.filter(purpose="second_factor", destroyed_at__isnull=True).exists()

    def test_fresh_recovery_codes_replace_those_before(self, person: User) -> None:
        _app, codes = _turned_on(person)

        fresh = Api().sign_in(person).post("/auth/second-factor/recovery-codes").json()["recovery_codes"]

        refused(_log_in(person, code=codes[0]), "second_factor_wrong", 401)
        assert _log_in(person, code=fresh[0]).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_a_code_that_is_used_twice_at_once_works_once() -> None:
    person = make_user(Role.TRADER, password=PASSWORD)
    app, codes = _turned_on(person)
    for code in (app.code(), codes[0]):
        check = partial(second_factor.check, person, Proof(code), asked=_LOGIN, now=timezone.now())
        results = all_at_once([check] * 4, threads=4)
        assert [result for result in results if result is None] == [None]
        refusals = [result for result in results if isinstance(result, Refusal)]
        assert [refusal.code for refusal in refusals] == [Code.SECOND_FACTOR_WRONG] * 3


class TestBackOffice:
    @pytest.fixture
    def clerk(self, db: None) -> User:
        user = operator(Role.SUPPORT)
        user.set_password(PASSWORD)
        user.save(update_fields=["password"])
        return user

    def _opens(self, clerk: User, **more: str) -> bool:
        client = Client()
        form = {"username": clerk.username, "password": PASSWORD} | more
        client.post(reverse("admin:login"), form)
        return client.get(reverse("admin:index")).status_code == 200

    def test_opens_by_password_alone_without_one(self, clerk: User) -> None:
        assert self._opens(clerk)

    def test_opens_with_the_code_of_those_who_have_one(self, clerk: User) -> None:
        app, _codes = _turned_on(clerk)

        assert not self._opens(clerk)
        assert not self._opens(clerk, code="000000")
        assert self._opens(clerk, code=app.code())

    def test_stays_shut_for_operators_without_one_where_that_is_the_policy(
        self, clerk: User, settings: Settings
    ) -> None:
        settings.OPERATORS_NEED_SECOND_FACTOR = True
        assert not self._opens(clerk)

        app, _codes = _turned_on(clerk)

        assert self._opens(clerk, code=app.code())
        api = Api().bearer(tokens_of(clerk).access)
        refused(api.delete("/auth/second-factor"), "second_factor_required", 401)

    def test_two_colleagues_take_a_lost_one_away(self, clerk: User) -> None:
        _turned_on(clerk)
        boss, now = operator(Role.SUPER_ADMIN), timezone.now()

        asked = ask_reset(
            user_id=clerk.pk, request_id="one", actor=_actor(boss), now=now, reason="lost the phone"
        )
        assert asked is not None
        assert not self._opens(clerk)

        agree(asked, now=now)

        assert self._opens(clerk)
        with pytest.raises(Refusal) as caught:
            second_factor.reset(user_id=clerk.pk, actor=ACTOR, now=now, reason="again")
        assert caught.value.code == Code.SECOND_FACTOR_OFF
