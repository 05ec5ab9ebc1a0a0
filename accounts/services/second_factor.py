"""The second factor: set up an authenticator app, check its codes and passkeys, replace what was lost.

A code of the app works once, and so does a recovery code and a passkey's answer. Who may not go without one
is decided by OPERATORS_NEED_SECOND_FACTOR for staff; everybody else chooses.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from accounts.models import Passkey, Purpose, SecondFactor, User
from accounts.services import passkeys, recovery_codes, totp, vault
from accounts.services.authority import answerable, lock_user, require_agreement, require_authority
from accounts.services.passkeys import Asked
from audit.actor import Actor
from audit.models import ApprovalRequest
from audit.services.reasons import require_reason
from audit.services.recording import agreed, record
from tradeplatform.common.errors import Code, Refusal

ISSUER = "Trading platform"
_TOTP = re.compile(r"[0-9]{6}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Setup:
    """What an authenticator app needs: shown once."""

    secret: str = field(repr=False)
    uri: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Proof:
    """What somebody gives as their second factor: a code, or a passkey's answer to what it was asked."""

    code: str = field(default="", repr=False)
    passkey: Mapping[str, Any] | None = field(default=None, repr=False)

    @property
    def is_given(self) -> bool:
        """Whether there is anything to check."""
        return bool(self.code or self.passkey)


def is_on(user: User) -> bool:
    """Whether the person's logins need one."""
    return app_is_on(user) or Passkey.objects.filter(user=user).exists()


def app_is_on(user: User) -> bool:
    """Whether it may be a code of an authenticator app."""
    return SecondFactor.objects.filter(user=user, confirmed_at__isnull=False).exists()


def in_words(user: User) -> str:
    """Which the person has, in a few words."""
    words, keys = ["App"] if app_is_on(user) else [], passkeys.of(user).count()
    if keys:
        words.append("1 passkey" if keys == 1 else f"{keys} passkeys")
    return " and ".join(words) or "Off"


def is_missing(user: User) -> bool:
    """Whether the person must set one up before anything else."""
    return settings.OPERATORS_NEED_SECOND_FACTOR and user.is_staff and not is_on(user)


def begin(user: User, *, actor: Actor, now: datetime) -> Setup:
    """Make a secret for an app; nothing is asked for until `finish` has seen a code of it.

    Begun again, the secret before is forgotten. Raises Refusal no_change when there is an app already.
    """
    secret = totp.new_secret()
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(id=user.pk)
        if app_is_on(user):
            raise Refusal(Code.NO_CHANGE, "There is an authenticator app already: turn it off first.")
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
            return recovery_codes.fresh(user)
    # Outside, so that the vault's record of the read stays.
    raise _wrong()


def check(user: User, proof: Proof, *, asked: Asked, now: datetime) -> None:
    """Use a code of the app, a recovery code, or a passkey's answer to what it was asked up.

    Raises Refusal: second_factor_wrong, passkey_challenge_gone, passkey_cloned.
    """
    if proof.passkey is not None:
        passkeys.check(user, proof.passkey, asked, now=now)
        return
    with transaction.atomic():
        right = _spend_code(user, proof.code, now=now)
    if not right:
        raise _wrong()


def renew_codes(user: User, *, actor: Actor, now: datetime) -> list[str]:
    """Ten fresh recovery codes in place of those before. Raises Refusal second_factor_off."""
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(id=user.pk)
        if not is_on(user):
            raise Refusal(Code.SECOND_FACTOR_OFF, "There is no second factor: set one up first.")
        _record("codes", user, actor=actor, now=now)
        return recovery_codes.fresh(user)


def turn_off(user: User, *, actor: Actor, now: datetime) -> None:
    """Forget the authenticator app. Raises Refusal: second_factor_off, second_factor_required (policy)."""
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(id=user.pk)
        if not _forget_app(user, actor=actor, now=now):
            raise Refusal(Code.SECOND_FACTOR_OFF, f"{user} has no authenticator app.")
        _record("off", user, actor=actor, now=now)
        _after_taking_one_away(user)


def remove_passkey(user: User, passkey_id: int, *, actor: Actor, now: datetime) -> None:
    """Forget a passkey. Raises Refusal: passkey_not_found, second_factor_required (policy)."""
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(id=user.pk)
        passkeys.remove(user, passkey_id, actor=actor, now=now)
        _after_taking_one_away(user)


def reset(
    *, user_id: int, approval: ApprovalRequest | None = None, actor: Actor, now: datetime, reason: str
) -> None:
    """Take app, passkeys and recovery codes of somebody who has lost them away; they set up others.

    With staff for who asked for it (`approval`).

    Raises Refusal: reason_required, not_found, permission_denied, second_factor_off.
    """
    reason = require_reason(reason)
    with transaction.atomic():
        user = lock_user(user_id, actor)
        require_resettable(user, answerable(actor, approval))
        if user.is_staff:
            require_agreement(actor, user, approval)
        _forget_app(user, actor=actor, now=now)
        passkeys.forget(user)
        recovery_codes.forget(user)
        after = agreed(approval.pk if approval else None)
        _record("reset", user, actor=actor, now=now, reason=reason, after=after)


def require_resettable(user: User, maker: Actor) -> None:
    """Refuse a reset that could not be made now. Raises Refusal: permission_denied, second_factor_off."""
    require_authority(maker, user)
    if user.pk == maker.user_id:
        raise Refusal(Code.PERMISSION_DENIED, "Your own second factor is taken away by a colleague.")
    begun = SecondFactor.objects.filter(user=user).exists()
    if not begun and not Passkey.objects.filter(user=user).exists():
        raise Refusal(Code.SECOND_FACTOR_OFF, f"{user} has no second factor.")


def _forget_app(user: User, *, actor: Actor, now: datetime) -> bool:
    deleted, _models = SecondFactor.objects.filter(user=user).delete()
    if deleted:
        vault.destroy(_place(user), actor=actor, now=now)
    return bool(deleted)


def _after_taking_one_away(user: User) -> None:
    """Of the last one the recovery codes go too, and operators may have to keep it."""
    if is_on(user):
        return
    if is_missing(user):
        raise Refusal(
            Code.SECOND_FACTOR_REQUIRED, "Operators need a second factor: set up another one first."
        )
    recovery_codes.forget(user)


def _spend_code(user: User, code: str, *, now: datetime) -> bool:
    """Whether the code is the app's of now, or an unused recovery code; either is used up."""
    if _TOTP.fullmatch(code) is None:
        return _spend_recovery(user, code, now=now)
    on = SecondFactor.objects.filter(user=user, confirmed_at__isnull=False)
    factor = on.select_for_update(no_key=True).first()
    return factor is not None and _spend_totp(factor, code, now=now)


def _spend_totp(factor: SecondFactor, code: str, *, now: datetime) -> bool:
    """Whether the code is the app's; then neither it nor an older one works again."""
    secret = vault.read(_place(factor.user), actor=Actor.system("login"), now=now)
    step = totp.step_with(secret, code, now=now)
    if step is None or step <= factor.last_step:
        return False
    factor.last_step = step
    factor.save(update_fields=["last_step"])
    return True


def _spend_recovery(user: User, code: str, *, now: datetime) -> bool:
    if not recovery_codes.spend(user, code, now=now):
        return False
    actor, left = Actor.user(user_id=user.pk, label=user.username), recovery_codes.left(user)
    _record("recover", user, actor=actor, now=now, after={"codes_left": left})
    return True


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
