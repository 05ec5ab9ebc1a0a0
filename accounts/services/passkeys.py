"""Passkeys: WebAuthn credentials that stand where the code of an authenticator app does.

Each ceremony begins with a challenge, a row that is deleted by the first answer to it: an answer counts once,
for the person, the ceremony and the session that it was asked in, and for three minutes.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from accounts.models import Ceremony, Passkey, PasskeyChallenge, User
from accounts.services import recovery_codes, webauthn
from accounts.services.webauthn import Credential, InvalidAnswerError
from audit.actor import Actor
from audit.services.recording import record
from tradeplatform.common.errors import Code, Refusal

MOST = 10
_CHALLENGE_BYTES = 32
_LIFE = timedelta(seconds=webauthn.ANSWER_SECONDS)
# A login has a password beside it; what a confirmation opens is worth a look at who holds the device.
_VERIFIED = frozenset({Ceremony.REGISTER, Ceremony.CONFIRM})


@dataclass(frozen=True, slots=True)
class Asked:
    """In which ceremony, and in which session (of the API or of a browser; "" where there is none yet)."""

    ceremony: Ceremony
    session: str = ""


@dataclass(frozen=True, slots=True)
class Added:
    """A new passkey; recovery codes with a person's first factor, shown once."""

    passkey: Passkey
    recovery_codes: list[str]


def of(user: User) -> QuerySet[Passkey]:
    """A person's passkeys, the oldest first."""
    return Passkey.objects.filter(user=user).order_by("id")


def begin_adding(user: User, *, name: str, session: str, now: datetime) -> dict[str, Any]:
    """What to ask a browser for a new passkey.

    Refuses here what would be refused in the end, before a device has made a key for nothing: raises Refusal
    too_many_passkeys, passkey_name_taken, invalid_field.
    """
    _require_room_for(name, user)
    known = _ids(user)
    challenge = _fresh_challenge(user, Asked(Ceremony.REGISTER, session), now=now)
    handle = str(user.pk).encode()
    return webauthn.creation_options(
        challenge=challenge, user_handle=handle, username=user.username, known=known
    )


def add(
    user: User, *, name: str, answer: Mapping[str, Any], session: str, actor: Actor, now: datetime
) -> Added:
    """Keep the passkey that a browser has made.

    Raises Refusal: invalid_passkey, passkey_challenge_gone, passkey_name_taken, passkey_known,
    too_many_passkeys, invalid_field.
    """
    challenge = _spend(user, answer, Asked(Ceremony.REGISTER, session), wrong=Code.INVALID_PASSKEY, now=now)
    try:
        made = webauthn.registered(answer, challenge=challenge)
    except InvalidAnswerError as error:
        raise _invalid(Code.INVALID_PASSKEY) from error
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(id=user.pk)
        _require_room_for(name, user)
        passkey, created = Passkey.objects.get_or_create(
            credential_id=made.credential_id,
            defaults={
                "user": user,
                "name": name,
                "public_key": made.public_key,
                "sign_count": made.sign_count,
                "created_at": now,
            },
        )
        if not created:
            raise Refusal(Code.PASSKEY_KNOWN, "This passkey is known already: make another one.")
        codes = [] if recovery_codes.are_there(user) else recovery_codes.fresh(user)
        _record("add", passkey, actor=actor, now=now)
    return Added(passkey, codes)


def begin_asking(user: User, asked: Asked, *, now: datetime) -> dict[str, Any]:
    """What to ask a browser to sign. Raises Refusal passkey_not_found when the person has none."""
    known = _ids(user)
    if not known:
        raise Refusal(Code.PASSKEY_NOT_FOUND, "This login has no passkey.")
    challenge = _fresh_challenge(user, asked, now=now)
    return webauthn.request_options(challenge=challenge, known=known, verified=asked.ceremony in _VERIFIED)


def check(user: User, answer: Mapping[str, Any], asked: Asked, *, now: datetime) -> None:
    """Take an answer as the proof of a passkey.

    Raises Refusal: passkey_challenge_gone, second_factor_wrong, passkey_cloned.
    """
    challenge = _spend(user, answer, asked, wrong=Code.SECOND_FACTOR_WRONG, now=now)
    with transaction.atomic():
        rows = {bytes(row.credential_id): row for row in of(user).select_for_update(no_key=True)}
        known = [Credential(key, bytes(row.public_key), row.sign_count) for key, row in rows.items()]
        try:
            signed = webauthn.asserted(
                answer, challenge=challenge, known=known, verified=asked.ceremony in _VERIFIED
            )
        except InvalidAnswerError as error:
            raise _invalid(Code.SECOND_FACTOR_WRONG) from error
        passkey = rows[signed.credential_id]
        counts = _has_counted_on(passkey.sign_count, signed.sign_count)
        if counts:
            passkey.sign_count, passkey.last_used_at = signed.sign_count, now
            passkey.save(update_fields=["sign_count", "last_used_at"])
        else:
            before = {"sign_count": passkey.sign_count}
            after = {"sign_count": signed.sign_count}
            _record("cloned", passkey, actor=Actor.system("login"), now=now, before=before, after=after)
    # Outside, so that the record stays.
    if not counts:
        sentence = "This passkey has counted back, so there may be a copy of its device: remove it."
        raise Refusal(Code.PASSKEY_CLONED, sentence)


def remove(user: User, passkey_id: int, *, actor: Actor, now: datetime) -> None:
    """Forget one. Must be called in a transaction. Raises Refusal passkey_not_found."""
    passkey = of(user).filter(id=passkey_id).first()
    if passkey is None:
        raise Refusal(Code.PASSKEY_NOT_FOUND, "No such passkey.", passkey=passkey_id)
    _record("remove", passkey, actor=actor, now=now)
    passkey.delete()


def forget(user: User) -> int:
    """Take all of a person's passkeys away, unrecorded: the caller records why; how many there were."""
    deleted, _by_model = Passkey.objects.filter(user=user).delete()
    return deleted


def _fresh_challenge(user: User, asked: Asked, *, now: datetime) -> bytes:
    challenge = secrets.token_bytes(_CHALLENGE_BYTES)
    with transaction.atomic():
        PasskeyChallenge.objects.filter(user=user, expires_at__lte=now).delete()
        PasskeyChallenge.objects.create(
            challenge=challenge,
            user=user,
            ceremony=asked.ceremony,
            asked_in=asked.session,
            expires_at=now + _LIFE,
        )
    return challenge


def _spend(user: User, answer: Mapping[str, Any], asked: Asked, *, wrong: Code, now: datetime) -> bytes:
    """The challenge that is answered, used up by this whatever comes of it."""
    try:
        challenge = webauthn.challenge_of(answer)
    except InvalidAnswerError as error:
        raise _invalid(wrong) from error
    open_ones = PasskeyChallenge.objects.filter(
        challenge=challenge,
        user=user,
        ceremony=asked.ceremony,
        asked_in=asked.session,
        expires_at__gt=now,
    )
    # One statement: of two that bring the same answer at once, one deletes the row.
    deleted, _by_model = open_ones.delete()
    if not deleted:
        sentence = "This was not asked, was answered before, or took too long: ask for another challenge."
        raise Refusal(Code.PASSKEY_CHALLENGE_GONE, sentence)
    return challenge


def _has_counted_on(before: int, now: int) -> bool:
    """Whether a device that counts has counted on; one that says 0 does not count at all."""
    return now > before or now == before == 0


def _ids(user: User) -> list[bytes]:
    return [bytes(one) for one in of(user).values_list("credential_id", flat=True)]


def _require_room_for(name: str, user: User) -> None:
    if not name.strip() or not name.isprintable():
        sentence = "A name has letters, digits and the like."
        raise Refusal(Code.INVALID_FIELD, sentence, fields={"name": sentence})
    names = set(of(user).values_list("name", flat=True))
    if len(names) >= MOST:
        raise Refusal(Code.TOO_MANY_PASSKEYS, f"Nobody has more than {MOST} passkeys: remove one first.")
    if name in names:
        raise Refusal(Code.PASSKEY_NAME_TAKEN, "You have a passkey of this name already: give another one.")


def _invalid(code: Code) -> Refusal:
    return Refusal(code, "The passkey's answer does not prove what was asked: try again.")


def _record(
    verb: str,
    passkey: Passkey,
    *,
    actor: Actor,
    now: datetime,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    record(
        actor=actor,
        action=f"accounts.passkey.{verb}",
        target_type="accounts.user",
        target_id=passkey.user_id,
        target_label=passkey.user.username,
        before=before or {},
        after={"passkey": passkey.name} | (after or {}),
        now=now,
    )
