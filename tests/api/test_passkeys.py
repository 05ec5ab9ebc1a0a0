"""Passkeys: made and used by WebAuthn, each answer once, for what it was asked, from our own pages alone."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import ProgrammingError, transaction
from django.utils import timezone
from fido2.utils import websafe_decode, websafe_encode
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_django import Settings

from accounts.models import Ceremony, Passkey, PasskeyChallenge, Role, Session, User
from accounts.services import passkeys, second_factor, webauthn
from accounts.services.passkeys import Asked
from accounts.services.second_factor import Proof
from audit.models import AuditRecord
from tests.accounts.authenticator import Device, added, refusal_of_check
from tests.api.client import Api, refused
from tests.factories import ACTOR, NOW, make_user
from tests.threads import all_at_once
from tradeplatform.common.errors import Code, Refusal

PASSWORD = "correct horse battery staple"
AT = "/auth/webauthn"


@pytest.fixture
def person(db: None) -> User:
    """A trader who can log in."""
    return make_user(Role.TRADER, password=PASSWORD)


@pytest.fixture
def api(person: User) -> Api:
    """A session of theirs."""
    return Api().sign_in(person)


@pytest.fixture
def device(person: User) -> Device:
    """Their device, whose passkey is known."""
    return added(person)


def asked_to_add(api: Api, name: str = "laptop") -> dict[str, Any]:
    options: dict[str, Any] = api.post(f"{AT}/passkeys/options", {"name": name}).json()["publicKey"]
    return options


def asked_to_log_in(person: User) -> dict[str, Any]:
    body = {"username": person.username, "password": PASSWORD}
    options: dict[str, Any] = Api().post(f"{AT}/login/options", body).json()["publicKey"]
    return options


def log_in(person: User, answer: dict[str, Any] | None, *, at: Api | None = None) -> Any:
    body = {"username": person.username, "password": PASSWORD, "passkey": answer}
    return (at or Api()).post("/auth/login", {name: value for name, value in body.items() if value})


class TestAdding:
    def test_the_first_one_brings_recovery_codes_and_turns_the_factor_on(
        self, person: User, api: Api
    ) -> None:
        options = asked_to_add(api)
        answer = api.post(f"{AT}/passkeys", {"name": "laptop", "passkey": Device().make(options)})

        assert answer.status_code == 201
        assert len(set(answer.json()["recovery_codes"])) == 10
        assert api.get("/auth/second-factor").json() == {
            "on": True, "app": False, "passkeys": 1, "recovery_codes_left": 10,
        }  # fmt: skip
        refused(log_in(person, None), "second_factor_required", 401)
        body = {"username": person.username, "password": PASSWORD, "code": answer.json()["recovery_codes"][0]}
        assert Api().post("/auth/login", body).status_code == 200

    def test_browsers_are_asked_to_verify_who_holds_the_device(self, person: User, api: Api) -> None:
        added(person, name="phone")

        options = asked_to_add(api)

        assert options["rp"] == {"id": "localhost", "name": "Trading platform"}
        assert options["authenticatorSelection"]["userVerification"] == "required"
        assert [one["alg"] for one in options["pubKeyCredParams"]] == [-7, -8, -257]
        assert len(options["excludeCredentials"]) == 1
        assert options["timeout"] == 180_000

    def test_a_second_one_brings_no_codes_and_needs_a_name_of_its_own(
        self, person: User, api: Api, device: Device
    ) -> None:
        taken = api.post(f"{AT}/passkeys/options", {"name": "laptop"})
        refused(taken, "passkey_name_taken", 409)

        body = {"name": "phone", "passkey": Device().make(asked_to_add(api, "phone"))}
        assert api.post(f"{AT}/passkeys", body).json()["recovery_codes"] == []
        assert [row["name"] for row in api.get(f"{AT}/passkeys").json()["results"]] == ["laptop", "phone"]

    def test_what_another_person_has_is_not_taken(self, api: Api, person: User) -> None:
        theirs = added(make_user(Role.TRADER))

        body = {"name": "mine", "passkey": theirs.make(asked_to_add(api, "mine"))}

        refused(api.post(f"{AT}/passkeys", body), "passkey_known", 409)
        assert not second_factor.is_on(person)

    def test_ends_at_ten(self, person: User, api: Api) -> None:
        for number in range(10):
            added(person, name=f"key {number}")

        refused(api.post(f"{AT}/passkeys/options", {"name": "eleventh"}), "too_many_passkeys", 409)

    def test_needs_a_confirmed_session(self, api: Api, person: User, device: Device) -> None:
        Session.objects.update(confirmed_at=timezone.now() - timedelta(minutes=6))
        (passkey,) = person.passkeys.all()

        refused(api.post(f"{AT}/passkeys/options", {"name": "x"}), "confirmation_required", 403)
        refused(api.post(f"{AT}/passkeys", {}), "confirmation_required", 403)
        refused(api.delete(f"{AT}/passkeys/{passkey.pk}"), "confirmation_required", 403)
        assert person.passkeys.count() == 1

    @pytest.mark.parametrize("name", [" ", "\u202eeve", "a\nb", "x" * 65])
    def test_a_name_can_be_read(self, api: Api, name: str) -> None:
        refused(api.post(f"{AT}/passkeys/options", {"name": name}), "invalid_field")

    @pytest.mark.parametrize(
        "wrong",
        [
            {"origin": "http://localhost.evil.com"},
            {"rp_id": "evil.com"},
            {"verifies": False},
            {"present": False},
            {"framed": True},
        ],
    )
    def test_a_wrong_answer_is_refused_and_used_up(
        self, person: User, api: Api, wrong: dict[str, Any]
    ) -> None:
        options, device = asked_to_add(api), Device(**wrong)
        body = {"name": "laptop", "passkey": device.make(options)}

        refused(api.post(f"{AT}/passkeys", body), "invalid_passkey")

        right = {"name": "laptop", "passkey": Device().make(options)}
        refused(api.post(f"{AT}/passkeys", right), "passkey_challenge_gone", 401)
        assert not person.passkeys.exists()

    def test_another_session_cannot_answer(self, person: User, api: Api) -> None:
        body = {"name": "laptop", "passkey": Device().make(asked_to_add(api))}

        refused(Api().sign_in(person).post(f"{AT}/passkeys", body), "passkey_challenge_gone", 401)

        assert api.post(f"{AT}/passkeys", body).status_code == 201

    def test_is_recorded(self, person: User, device: Device) -> None:
        record = AuditRecord.objects.get(action="accounts.passkey.add")
        assert (record.actor_id, record.after) == (person.pk, {"passkey": "laptop"})


class TestLogin:
    def test_takes_the_passkeys_answer(self, person: User, device: Device) -> None:
        options = asked_to_log_in(person)
        assert len(options["allowCredentials"]) == 1

        assert log_in(person, device.sign(options)).status_code == 200

        (passkey,) = person.passkeys.all()
        assert passkey.sign_count == 1
        assert passkey.last_used_at is not None

    def test_takes_an_answer_once(self, person: User, device: Device) -> None:
        answer = device.sign(asked_to_log_in(person))

        assert log_in(person, answer).status_code == 200
        refused(log_in(person, answer), "passkey_challenge_gone", 401)
        assert Session.objects.count() == 1

    def test_a_count_that_goes_back_is_refused_and_recorded(self, person: User, device: Device) -> None:
        for _ in range(3):
            assert log_in(person, device.sign(asked_to_log_in(person))).status_code == 200
        device.count = 1

        refused(log_in(person, device.sign(asked_to_log_in(person))), "passkey_cloned", 401)

        (passkey,) = person.passkeys.all()
        assert passkey.sign_count == 3
        record = AuditRecord.objects.get(action="accounts.passkey.cloned")
        assert (record.before, record.after) == ({"sign_count": 3}, {"passkey": "laptop", "sign_count": 2})

    def test_the_same_count_again_is_refused(self, person: User, device: Device) -> None:
        assert log_in(person, device.sign(asked_to_log_in(person))).status_code == 200
        device.count = 0

        refused(log_in(person, device.sign(asked_to_log_in(person))), "passkey_cloned", 401)

    def test_a_device_that_does_not_count_is_taken(self, person: User) -> None:
        device = added(person, Device(counts=False))

        answers = [log_in(person, device.sign(asked_to_log_in(person))).status_code for _ in range(2)]

        assert answers == [200, 200]

    @pytest.mark.parametrize(
        "wrong",
        [
            {"origin": "http://127.0.0.1:8000"},
            {"origin": "https://localhost:8000"},
            {"rp_id": "evil.com"},
            {"present": False},
            {"framed": True},
        ],
    )
    def test_a_wrong_answer_opens_nothing(self, person: User, device: Device, wrong: dict[str, Any]) -> None:
        for name, value in wrong.items():
            setattr(device, name, value)

        refused(log_in(person, device.sign(asked_to_log_in(person))), "second_factor_wrong", 401)

        assert not Session.objects.exists()
        assert person.passkeys.get().sign_count == 0

    def test_another_key_under_its_name_opens_nothing(self, person: User, device: Device) -> None:
        device.key = Device().key

        refused(log_in(person, device.sign(asked_to_log_in(person))), "second_factor_wrong", 401)

    def test_an_answer_to_making_one_is_no_login(self, person: User, device: Device) -> None:
        answer = device.sign(asked_to_log_in(person), kind="webauthn.create")

        refused(log_in(person, answer), "second_factor_wrong", 401)

    def test_another_persons_passkey_opens_nothing(self, person: User, device: Device) -> None:
        other = make_user(Role.TRADER, password=PASSWORD)
        theirs = added(other)

        refused(log_in(person, theirs.sign(asked_to_log_in(person))), "second_factor_wrong", 401)
        refused(log_in(person, device.sign(asked_to_log_in(other))), "passkey_challenge_gone", 401)

    def test_takes_three_minutes_at_most(self, person: User, device: Device) -> None:
        answer = device.sign(asked_to_log_in(person))
        PasskeyChallenge.objects.update(expires_at=timezone.now())

        refused(log_in(person, answer), "passkey_challenge_gone", 401)

        asked_to_log_in(person)
        assert PasskeyChallenge.objects.count() == 1

    def test_tells_nothing_of_passkeys_without_the_password(self, person: User, device: Device) -> None:
        body = {"username": person.username, "password": "wrong"}

        refused(Api().post(f"{AT}/login/options", body), "not_authenticated", 401)
        assert not PasskeyChallenge.objects.filter(ceremony=Ceremony.LOGIN).exists()

    def test_wrong_answers_are_counted_as_wrong_codes_are(self, person: User, device: Device) -> None:
        right, device.key = device.key, Device().key
        asked = Asked(Ceremony.LOGIN)

        def check() -> Refusal:
            answer = device.sign(passkeys.begin_asking(person, asked, now=NOW))
            return refusal_of_check(person, Proof(passkey=answer), asked)

        assert [check().code for _ in range(10)] == [Code.SECOND_FACTOR_WRONG] * 10
        device.key = right
        assert check().code == Code.THROTTLED

    def test_a_person_without_one_is_told_so(self, person: User) -> None:
        body = {"username": person.username, "password": PASSWORD}

        refused(Api().post(f"{AT}/login/options", body), "passkey_not_found", 404)


class TestConfirming:
    def test_takes_the_answer_of_a_device_that_verified_its_holder(
        self, person: User, api: Api, device: Device
    ) -> None:
        options = api.post(f"{AT}/confirm/options").json()["publicKey"]
        assert options["userVerification"] == "required"

        body = {"password": PASSWORD, "passkey": device.sign(options)}
        assert api.post("/auth/confirm", body).status_code == 200

    def test_refuses_one_that_did_not(self, api: Api, device: Device) -> None:
        device.verifies = False
        answer = device.sign(api.post(f"{AT}/confirm/options").json()["publicKey"])

        body = {"password": PASSWORD, "passkey": answer}

        refused(api.post("/auth/confirm", body), "second_factor_wrong", 401)

    def test_a_login_needs_no_such_device(self, person: User, device: Device) -> None:
        device.verifies = False

        assert log_in(person, device.sign(asked_to_log_in(person))).status_code == 200

    def test_an_answer_for_a_login_or_another_session_confirms_nothing(
        self, person: User, api: Api, device: Device
    ) -> None:
        elsewhere = Api().sign_in(person).post(f"{AT}/confirm/options").json()["publicKey"]
        for options in (asked_to_log_in(person), elsewhere):
            body = {"password": PASSWORD, "passkey": device.sign(options)}
            refused(api.post("/auth/confirm", body), "passkey_challenge_gone", 401)


class TestRemoving:
    def test_the_last_one_opens_the_login_to_the_password_alone(
        self, person: User, api: Api, device: Device
    ) -> None:
        (passkey,) = person.passkeys.all()

        assert api.delete(f"{AT}/passkeys/{passkey.pk}").status_code == 204

        assert log_in(person, None).status_code == 200
        assert not person.recovery_codes.exists()
        assert AuditRecord.objects.get(action="accounts.passkey.remove").after == {"passkey": "laptop"}

    def test_is_not_for_strangers(self, device: Device, person: User) -> None:
        (passkey,) = person.passkeys.all()

        answer = Api().sign_in(make_user(Role.TRADER)).delete(f"{AT}/passkeys/{passkey.pk}")

        refused(answer, "passkey_not_found", 404)
        assert Passkey.objects.count() == 1

    def test_operators_keep_the_last_one_where_that_is_the_policy(
        self, person: User, api: Api, device: Device, settings: Settings
    ) -> None:
        settings.OPERATORS_NEED_SECOND_FACTOR = True
        User.objects.filter(pk=person.pk).update(is_staff=True)
        added(person, name="phone")
        laptop, phone = person.passkeys.order_by("id")

        assert api.delete(f"{AT}/passkeys/{laptop.pk}").status_code == 204
        refused(api.delete(f"{AT}/passkeys/{phone.pk}"), "second_factor_required", 401)
        assert list(person.passkeys.all()) == [phone]

    def test_a_colleagues_reset_takes_all(self, person: User, device: Device) -> None:
        second_factor.reset(user_id=person.pk, actor=ACTOR, now=timezone.now(), reason="lost the laptop")

        assert (person.passkeys.count(), person.recovery_codes.count()) == (0, 0)
        assert log_in(person, None).status_code == 200


class TestStored:
    def test_the_database_lets_no_count_go_back(self, person: User, device: Device) -> None:
        Passkey.objects.update(sign_count=7)

        with pytest.raises(ProgrammingError, match="Cannot update"), transaction.atomic():
            Passkey.objects.update(sign_count=6)
        with pytest.raises(ProgrammingError, match="Cannot update"), transaction.atomic():
            Passkey.objects.update(public_key=b"mine")


@pytest.mark.django_db(transaction=True)
def test_an_answer_that_is_used_twice_at_once_works_once() -> None:
    person = make_user(Role.TRADER, password=PASSWORD)
    device, now, asked = added(person), timezone.now(), Asked(Ceremony.LOGIN)
    answer = device.sign(passkeys.begin_asking(person, asked, now=now))

    results = all_at_once([partial(passkeys.check, person, answer, asked, now=now)] * 4, threads=4)

    assert [result for result in results if result is None] == [None]
    refusals = [result for result in results if isinstance(result, Refusal)]
    assert [refusal.code for refusal in refusals] == [Code.PASSKEY_CHALLENGE_GONE] * 3


def _broken(answer: dict[str, Any], part: str, change: Callable[[bytes], bytes]) -> dict[str, Any]:
    broken = copy.deepcopy(answer)
    broken["response"][part] = websafe_encode(change(websafe_decode(broken["response"][part])))
    return broken


CHALLENGE = b"c" * 32
REAL = Device(rp_id="localhost", origin="http://localhost:8000")
MADE = REAL.make({"challenge": websafe_encode(CHALLENGE)})
SIGNED = REAL.sign({"challenge": websafe_encode(CHALLENGE)})


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.data())
def test_whatever_bytes_come_they_are_refused_by_name(data: st.DataObject) -> None:
    """Cut, flipped and invented bytes in every part of both answers raise InvalidAnswerError and no other."""
    whole, parts = data.draw(
        st.sampled_from(
            [
                (MADE, ("clientDataJSON", "attestationObject")),
                (SIGNED, ("clientDataJSON", "authenticatorData", "signature")),
            ]
        )
    )
    part = data.draw(st.sampled_from(parts))
    junk = data.draw(st.binary(max_size=64))
    place, gone = data.draw(st.integers(0, 300)), data.draw(st.integers(0, 8))
    broken = _broken(whole, part, lambda was: was[:place] + junk + was[place + gone :])
    known = [webauthn.registered(MADE, challenge=CHALLENGE)]
    if broken == whole:
        return
    try:
        webauthn.challenge_of(broken)
        if whole is MADE:
            webauthn.registered(broken, challenge=CHALLENGE)
        else:
            webauthn.asserted(broken, challenge=CHALLENGE, known=known, verified=True)
            pytest.fail("A changed assertion was taken.")
    except webauthn.InvalidAnswerError:
        pass
