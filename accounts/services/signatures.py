"""Checking a request's signature, by the kind of its key. Pure: no clock, no database."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from accounts.models import KeyKind
from tradeplatform.common.errors import Code, Refusal

#: Says whether a signature is that of the bytes.
Check = Callable[[bytes, str], bool]

_SHORTEST_RSA = 2048
_LONGEST_RSA = 8192


def checker(kind: str, material: bytes) -> Check:
    """The check of a key: `material` is its secret, or its public half as PEM."""
    if kind == KeyKind.HMAC:
        return lambda payload, signature: _is_hmac(material, payload, signature)
    public = read_public_key(KeyKind(kind), material.decode())
    if isinstance(public, RSAPublicKey):
        rsa = public
        return lambda payload, signature: _is_rsa(rsa, payload, signature)
    ed25519 = public
    return lambda payload, signature: _is_ed25519(ed25519, payload, signature)


def read_public_key(kind: KeyKind, pem: str) -> RSAPublicKey | Ed25519PublicKey:
    """The public key in a PEM text. Raises Refusal invalid_field."""
    try:
        found = serialization.load_pem_public_key(pem.encode())
    except (ValueError, TypeError) as error:
        raise _unfit("This is not a public key in PEM form.") from error
    if kind == KeyKind.RSA and isinstance(found, RSAPublicKey):
        if not _SHORTEST_RSA <= found.key_size <= _LONGEST_RSA:
            raise _unfit(f"An RSA key has {_SHORTEST_RSA} to {_LONGEST_RSA} bits.")
        return found
    if kind == KeyKind.ED25519 and isinstance(found, Ed25519PublicKey):
        return found
    raise _unfit(f"This is not a public key of the kind {kind.value}.")


def normal_pem(public: RSAPublicKey | Ed25519PublicKey) -> str:
    """One PEM text for one key."""
    encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return public.public_bytes(encoding, form).decode()


def _is_hmac(secret: bytes, payload: bytes, signature: str) -> bool:
    try:
        given = bytes.fromhex(signature)
    except ValueError:
        return False
    return hmac.compare_digest(hmac.digest(secret, payload, "sha256"), given)


def _is_rsa(public: RSAPublicKey, payload: bytes, signature: str) -> bool:
    try:
        given = base64.b64decode(signature, validate=True)
        public.verify(given, payload, padding.PKCS1v15(), hashes.SHA256())
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def _is_ed25519(public: Ed25519PublicKey, payload: bytes, signature: str) -> bool:
    try:
        public.verify(base64.b64decode(signature, validate=True), payload)
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def _unfit(sentence: str) -> Refusal:
    return Refusal(Code.INVALID_FIELD, sentence, field="public_key", fields={"public_key": sentence})
