"""API keys for tests: issued by the real service, and what a client does with them."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.utils import timezone

from accounts.models import ApiKey, KeyKind, Scope, TradingAccount
from accounts.services.key_issuing import KeyWish, create_key
from tests.factories import ACTOR, tag

ALL_SCOPES = frozenset({Scope.READ, Scope.TRADE})


class Key(NamedTuple):
    """A key and how its owner signs."""

    row: ApiKey
    sign: Callable[[bytes], str]
    secret: str = ""

    @property
    def key_id(self) -> str:
        """Its public id."""
        return self.row.key_id


def hmac_signer(secret: str) -> Callable[[bytes], str]:
    """How programs sign with a secret."""
    return lambda payload: hmac.digest(secret.encode(), payload, "sha256").hex()


def pem_of(private: rsa.RSAPrivateKey | Ed25519PrivateKey) -> str:
    """The public half."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return private.public_key().public_bytes(serialization.Encoding.PEM, form).decode()


def make_key(
    account: TradingAccount,
    *,
    kind: KeyKind = KeyKind.HMAC,
    scopes: frozenset[Scope] = ALL_SCOPES,
    allowed_ips: tuple[str, ...] = (),
    expires_at: datetime | None = None,
) -> Key:
    """A fresh key of the account."""
    private = _private(kind)
    issued = create_key(
        KeyWish(
            account_id=account.pk,
            label=f"bot {tag()}",
            kind=kind,
            scopes=scopes,
            allowed_ips=allowed_ips,
            expires_at=expires_at,
            public_key=pem_of(private) if private else "",
        ),
        actor=ACTOR,
        now=timezone.now(),
    )
    if isinstance(private, rsa.RSAPrivateKey):
        signer = private
        return Key(
            issued.key, lambda payload: _text(signer.sign(payload, padding.PKCS1v15(), hashes.SHA256()))
        )
    if private is not None:
        return Key(issued.key, lambda payload: _text(private.sign(payload)))
    return Key(issued.key, hmac_signer(issued.secret), issued.secret)


def _private(kind: KeyKind) -> rsa.RSAPrivateKey | Ed25519PrivateKey | None:
    if kind == KeyKind.RSA:
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return Ed25519PrivateKey.generate() if kind == KeyKind.ED25519 else None


def _text(signature: bytes) -> str:
    return base64.b64encode(signature).decode()
