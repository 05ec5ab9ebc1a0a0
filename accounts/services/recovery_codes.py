"""Recovery codes: each stands in for a person's second factor once, when their device is lost."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from datetime import datetime

from accounts.models import RecoveryCode, User
from tradeplatform.common.db import require_transaction

HOW_MANY = 10
_BYTES = 10


def fresh(user: User) -> list[str]:
    """Ten codes in place of those before; they are shown once. Must be called in a transaction."""
    require_transaction()
    forget(user)
    texts = [_as_text(secrets.token_bytes(_BYTES)) for _ in range(HOW_MANY)]
    RecoveryCode.objects.bulk_create(RecoveryCode(user=user, digest=_digest(text)) for text in texts)
    return texts


def are_there(user: User) -> bool:
    """Whether the person was ever given any for the factors they have now."""
    return RecoveryCode.objects.filter(user=user).exists()


def left(user: User) -> int:
    """How many were not used yet."""
    return RecoveryCode.objects.filter(user=user, used_at__isnull=True).count()


def spend(user: User, code: str, *, now: datetime) -> bool:
    """Use one up, however it is typed; False when it is none of theirs, or was used."""
    unused = RecoveryCode.objects.filter(user=user, digest=_digest(code), used_at__isnull=True)
    return bool(unused.update(used_at=now))


def forget(user: User) -> None:
    """Take all of a person's codes away."""
    RecoveryCode.objects.filter(user=user).delete()


def _as_text(code: bytes) -> str:
    """Four groups of four letters and digits."""
    text = base64.b32encode(code).decode().lower()
    return "-".join(text[place : place + 4] for place in range(0, len(text), 4))


def _digest(text: str) -> str:
    plain = re.sub(r"[\s-]", "", text).lower()
    return hashlib.sha256(plain.encode("utf-8", errors="replace")).hexdigest()
