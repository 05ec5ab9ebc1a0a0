"""The second factor: set up an authenticator app, check its codes, replace a lost one.

A code of the app works once, and so does a recovery code. Who may not go without one is decided by
OPERATORS_NEED_SECOND_FACTOR for staff; everybody else chooses.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings
from django.db import transaction

from accounts.models import Purpose, RecoveryCode, SecondFactor, User
from accounts.services import totp, vault
from accounts.services.authority import lock_user, require_authority
from audit.actor import Actor
from audit.services.reasons import require_reason
from audit.services.recording import record
from tradeplatform.common.errors import Code, Refusal

ISSUER = "Trading platform"
RECOVERY_CODES = 10
_RECOVERY_BYTES = 10
_TOTP = re.compile(r"[0-9]{6}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Setup:
    """What an authenticator app needs: shown once."""

    secret: str = field(repr=False)
    uri: str = field(repr=False)


def is_on(user: User) -> bool:
    """Whether the person's logins need a code."""
    return SecondFactor.objects.filter(user=user, confirmed_at__isnull=False).exists()


def is_missing(user: User) -> bool:
    """Whether the person must set one up before anything else."""
    return settings.OPERATORS_NEED_SECOND_FACTOR and user.is_staff and not is_on(user)


def begin(user: User, *, actor: Actor, now: datetime) -> Setup:
    """Make a secret for an app; nothing is asked for until `finish` has seen a code of it.

    Begun again, the secret before is forgotten. Raises Refusal no_change when the factor is on.
    """
    secret = totp.new_secret()
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(id=user.pk)
        if is_on(user):
            raise Refusal(Code.NO_CHANGE, "There is a second factor already: turn it off first.")
        SecondFactor.objects.update_or_create(user=user, defaults={"created_at": now, "last_step": 0})
        vault.put(_place(user), secret, actor=actor, now=now)
    uri = totp.uri_of(secret, username=user.username, issuer=ISSUER)
    return Setup(secret=totp.base32(secret), uri=uri)


def finish(user: User, code: str, *, actor: Actor, now: datetime) -> list[str]:
    """Turn the factor on with the first code of the app; the recovery codes, which are shown once.

    Raises Refusal: no_change, second_factor_wrong.
    """
    with transaction.atomic():
        factor = SecondFactor.objects.select_for_update(no_key=True).filter(user=user).first()
        if factor is None or factor.confirmed_at is not None:
            raise Refusal(Code.NO_CHANGE, "There is nothing to confirm: begin first.")
        if _spend_totp(factor, code, now=now):
            factor.confirmed_at = now
            factor.save(update_fields=["confirmed_at"])
            _record("on", user, actor=actor, now=now)
            return _fresh_codes(factor)
    # Outside, so that the vault's record of the read stays.
    raise _wrong()


def check(user: User, code: str, *, now: datetime) -> None:
    """Use a code of the app, or a recovery code, up. Raises Refusal second_factor_wrong."""
    with transaction.atomic():
        factor = SecondFactor.objects.select_for_update(no_key=True).get(
            user=user, confirmed_at__isnull=False
        )
        by_app = _TOTP.fullmatch(code) is not None
        right = _spend_totp(factor, code, now=now) if by_app else _spend_recovery(factor, code, now=now)
    if not right:
        raise _wrong()


def codes_left(user: User) -> int:
    """How many recovery codes were not used yet."""
    return RecoveryCode.objects.filter(factor__user=user, used_at__isnull=True).count()


def renew_codes(user: User, *, actor: Actor, now: datetime) -> list[str]:
    """Ten fresh recovery codes in place of those before. Raises Refusal second_factor_off."""
    with transaction.atomic():
        factor = SecondFactor.objects.select_for_update(no_key=True).filter(user=user).first()
        if factor is None or factor.confirmed_at is None:
            raise Refusal(Code.SECOND_FACTOR_OFF, "There is no second factor: set one up first.")
        _record("codes", user, actor=actor, now=now)
        return _fresh_codes(factor)


def turn_off(user: User, *, actor: Actor, now: datetime) -> None:
    """Log in by password alone again. Raises Refusal: second_factor_off, second_factor_required (policy)."""
    if settings.OPERATORS_NEED_SECOND_FACTOR and user.is_staff:
        raise Refusal(Code.SECOND_FACTOR_REQUIRED, "Operators need a second factor: it cannot be turned off.")
    with transaction.atomic():
        _forget(user, "off", actor=actor, now=now, reason="")


def reset(*, user_id: int, actor: Actor, now: datetime, reason: str) -> None:
    """Take the factor of somebody who has lost it away; they set up another one.

    Raises Refusal: reason_required, not_found, permission_denied, second_factor_off.
    """
    reason = require_reason(reason)
    with transaction.atomic():
        user = lock_user(user_id, actor)
        require_authority(actor, user)
        if user.pk == actor.user_id:
            raise Refusal(Code.PERMISSION_DENIED, "Your own second factor is taken away by a colleague.")
        _forget(user, "reset", actor=actor, now=now, reason=reason)


def _forget(user: User, verb: str, *, actor: Actor, now: datetime, reason: str) -> None:
    deleted, _models = SecondFactor.objects.filter(user=user).delete()
    if not deleted:
        raise Refusal(Code.SECOND_FACTOR_OFF, f"{user} has no second factor.")
    vault.destroy(_place(user), actor=actor, now=now)
    _record(verb, user, actor=actor, now=now, reason=reason)


def _spend_totp(factor: SecondFactor, code: str, *, now: datetime) -> bool:
    """Whether the code is the app's; then neither it nor an older one works again."""
    secret = vault.read(_place(factor.user), actor=Actor.system("login"), now=now)
    step = totp.step_with(secret, code, now=now)
    if step is None or step <= factor.last_step:
        return False
    factor.last_step = step
    factor.save(update_fields=["last_step"])
    return True


def _spend_recovery(factor: SecondFactor, code: str, *, now: datetime) -> bool:
    unused = RecoveryCode.objects.filter(factor=factor, digest=_digest(code), used_at__isnull=True)
    if not unused.update(used_at=now):
        return False
    user = factor.user
    actor = Actor.user(user_id=user.pk, label=user.username)
    _record("recover", user, actor=actor, now=now, after={"codes_left": codes_left(user)})
    return True


def _fresh_codes(factor: SecondFactor) -> list[str]:
    RecoveryCode.objects.filter(factor=factor).delete()
    texts = [_as_text(secrets.token_bytes(_RECOVERY_BYTES)) for _ in range(RECOVERY_CODES)]
    RecoveryCode.objects.bulk_create(RecoveryCode(factor=factor, digest=_digest(text)) for text in texts)
    return texts


def _as_text(code: bytes) -> str:
    """Four groups of four letters and digits."""
    text = base64.b32encode(code).decode().lower()
    return "-".join(text[place : place + 4] for place in range(0, len(text), 4))


def _digest(text: str) -> str:
    plain = re.sub(r"[\s-]", "", text).lower()
    return hashlib.sha256(plain.encode("utf-8", errors="replace")).hexdigest()


def _place(user: User) -> vault.Place:
    return vault.Place.of_user(user.pk, Purpose.SECOND_FACTOR, "totp")


def _wrong() -> Refusal:
    sentence = "The code is wrong, too old, or was used before: wait for the app's next one."
    return Refusal(Code.SECOND_FACTOR_WRONG, sentence)


def _record(
    verb: str,
    user: User,
    *,
    actor: Actor,
    now: datetime,
    reason: str = "",
    after: dict[str, int] | None = None,
) -> None:
    record(
        actor=actor,
        action=f"accounts.second_factor.{verb}",
        target_type="accounts.user",
        target_id=user.pk,
        target_label=user.username,
        reason=reason,
        after=dict(after or {}),
        now=now,
    )
