"""Envelope encryption: a fresh data key for each secret, itself encrypted under a key-encryption key.

AES-256-GCM both times (NIST SP 800-38D), nonce of 12 random bytes in front. What a secret is (its `binding`)
is authenticated with it: bytes moved to another row do not open. Pure functions: nothing is stored here.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_KEY_BYTES = 32
_NONCE_BYTES = 12


class VaultError(Exception):
    """The vault cannot open a secret, which is for an operator to mend: docs/runbook.md."""


class NoSecretError(VaultError):
    """There is no living secret at this place."""


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Key-encryption keys by id; new data keys are wrapped by the current one."""

    keys: Mapping[str, bytes] = field(repr=False)
    current: str

    @classmethod
    def parse(cls, text: str) -> KeyRing:
        """From "id:base64" entries, one a line or between commas, the current one last.

        Raises VaultError without showing what it read.
        """
        keys: dict[str, bytes] = {}
        for place, entry in enumerate(text.replace(",", "\n").split(), start=1):
            name, _, key = entry.partition(":")
            try:
                keys[name] = base64.b64decode(key, validate=True)
            except binascii.Error:
                keys[name] = b""
            if not 0 < len(name) <= 32 or len(keys[name]) != _KEY_BYTES:  # noqa: PLR2004 - column's width
                raise VaultError(f"Vault key {place} is not id:key with 32 bytes in base64.")
        if not keys:
            raise VaultError("There is no vault key.")
        return cls(keys, current=name)

    def cipher(self, kek: str) -> AESGCM:
        """The cipher of a key. Raises VaultError for one that is not here."""
        if kek not in self.keys:
            raise VaultError(f"The vault key {kek} is not among {', '.join(sorted(self.keys))}.")
        return AESGCM(self.keys[kek])


@dataclass(frozen=True, slots=True)
class Envelope:
    """A secret under its data key, and the data key under the key-encryption key `kek`."""

    kek: str
    wrapped_key: bytes
    sealed: bytes


def binding(*parts: str | int) -> bytes:
    """What a secret is, as bytes that no other parts give."""
    return json.dumps(parts, separators=(",", ":")).encode()


def seal(value: bytes, *, bound_to: bytes, ring: KeyRing) -> Envelope:
    """Encrypt under a data key of its own."""
    data_key = AESGCM.generate_key(_KEY_BYTES * 8)
    return Envelope(
        kek=ring.current,
        wrapped_key=_encrypt(ring.cipher(ring.current), data_key, bound_to),
        sealed=_encrypt(AESGCM(data_key), value, bound_to),
    )


def unseal(envelope: Envelope, *, bound_to: bytes, ring: KeyRing) -> bytes:
    """The secret. Raises VaultError when it was altered, belongs elsewhere, or its key is not here."""
    data_key = _decrypt(ring.cipher(envelope.kek), envelope.wrapped_key, bound_to)
    return _decrypt(AESGCM(data_key), envelope.sealed, bound_to)


def rewrap(envelope: Envelope, *, bound_to: bytes, ring: KeyRing) -> Envelope:
    """The same secret with its data key under the current key; the secret itself is not opened."""
    data_key = _decrypt(ring.cipher(envelope.kek), envelope.wrapped_key, bound_to)
    wrapped = _encrypt(ring.cipher(ring.current), data_key, bound_to)
    return Envelope(kek=ring.current, wrapped_key=wrapped, sealed=envelope.sealed)


def _encrypt(cipher: AESGCM, plain: bytes, bound_to: bytes) -> bytes:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, plain, bound_to)


def _decrypt(cipher: AESGCM, sealed: bytes, bound_to: bytes) -> bytes:
    try:
        return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound_to)
    except (InvalidTag, ValueError):
        raise VaultError("A secret was altered or does not belong where it lies.") from None
