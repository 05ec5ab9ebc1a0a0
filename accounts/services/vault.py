"""The vault: secrets of clients' keys, of liquidity providers and exchanges. The one reader of `Secret`.

The database holds ciphertext alone; key-encryption keys are in the configuration or in a file of the var
folder. Every read leaves an audit record: who opened what.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.db import transaction
from django.db.models import Count, Max

from accounts.models import Purpose, Secret
from accounts.services.envelope import (
    Envelope,
    KeyRing,
    NoSecretError,
    VaultError,
    binding,
    rewrap,
    seal,
    unseal,
)
from audit.actor import Actor
from audit.services.recording import record
from tradeplatform.common.db import require_transaction, run_alone
from tradeplatform.config import load_config, new_vault_key, vault_keys, vault_keys_file

# So many data keys are wrapped anew in one transaction.
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Place:
    """Where a secret lies: whose it is, what it opens, and which of those it is."""

    owner: str
    purpose: Purpose
    name: str

    @classmethod
    def of_user(cls, user_id: int, purpose: Purpose, name: str) -> Place:
        """A secret of a person."""
        return cls(f"accounts.user:{user_id}", purpose, name)


@dataclass(frozen=True, slots=True)
class KeyUse:
    """A key-encryption key and how many living secrets need it; `known` when we have it."""

    kek: str
    secrets: int
    known: bool
    current: bool


def key_ring() -> KeyRing:
    """The key-encryption keys as they are now. Raises VaultError."""
    return KeyRing.parse(vault_keys(load_config()))


def put(place: Place, value: bytes, *, actor: Actor, now: datetime) -> Secret:
    """Store a secret, or its next version: the one before is destroyed. Must be called in a transaction."""
    _take(place)
    versions = Secret.objects.filter(owner=place.owner, purpose=place.purpose, name=place.name)
    version = (versions.aggregate(highest=Max("version"))["highest"] or 0) + 1
    destroy(place, actor=actor, now=now)
    envelope = seal(value, bound_to=_bound(place, version), ring=key_ring())
    secret = Secret.objects.create(
        owner=place.owner,
        purpose=place.purpose,
        name=place.name,
        version=version,
        kek=envelope.kek,
        wrapped_key=envelope.wrapped_key,
        sealed=envelope.sealed,
        created_at=now,
        wrapped_at=now,
    )
    _record("store", secret, actor=actor, now=now)
    return secret


def read(place: Place, *, actor: Actor, now: datetime) -> bytes:
    """The living version, in clear; the read is recorded. Raises NoSecretError, VaultError."""
    with transaction.atomic():
        secret = _living(place)
        if secret is None:
            raise NoSecretError(f"There is no {place.purpose} secret {place.name} of {place.owner}.")
        value = unseal(_envelope(secret), bound_to=_bound(place, secret.version), ring=key_ring())
        _record("read", secret, actor=actor, now=now)
    return value


def destroy(place: Place, *, actor: Actor, now: datetime) -> bool:
    """Forget what the living version holds, for ever; False when there is none. In a transaction."""
    _take(place)
    secret = _living(place)
    if secret is None:
        return False
    secret.wrapped_key = secret.sealed = None
    secret.destroyed_at = now
    secret.save(update_fields=["wrapped_key", "sealed", "destroyed_at"])
    _record("destroy", secret, actor=actor, now=now)
    return True


def status() -> list[KeyUse]:
    """Each key that we have or that a secret needs, the current one last."""
    ring = key_ring()
    living = Secret.objects.filter(destroyed_at__isnull=True)
    used = dict(living.values_list("kek").annotate(secrets=Count("id")).order_by("kek"))
    names = [*sorted(used.keys() - ring.keys.keys()), *ring.keys]
    return [
        KeyUse(kek=name, secrets=used.get(name, 0), known=name in ring.keys, current=name == ring.current)
        for name in names
    ]


def add_key() -> str:
    """Append a fresh key to the file, for new secrets from now on; its id.

    Raises VaultError when the keys are configured: then it is added where they are.
    """
    config = load_config()
    if config.vault_keys:
        raise VaultError("The keys are set by TRADEPLATFORM_VAULT_KEYS: add one at its end there.")
    entry = new_vault_key()
    _replace(vault_keys_file(config), f"{vault_keys(config)}\n{entry}\n")
    return key_ring().current


def wrap_anew(*, actor: Actor, now: datetime) -> Iterator[int]:
    """Wrap every data key that is not under the current key under it; yields how many after each batch.

    Safe to stop and to run again: a batch is a transaction, and a secret never leaves its own envelope.
    """
    ring = key_ring()
    while True:
        with transaction.atomic():
            batch = list(
                Secret.objects.select_for_update(no_key=True)
                .filter(destroyed_at__isnull=True)
                .exclude(kek=ring.current)
                .order_by("id")[:_AT_ONCE]
            )
            for secret in batch:
                place = Place(secret.owner, Purpose(secret.purpose), secret.name)
                fresh = rewrap(_envelope(secret), bound_to=_bound(place, secret.version), ring=ring)
                secret.kek, secret.wrapped_key, secret.wrapped_at = fresh.kek, fresh.wrapped_key, now
            Secret.objects.bulk_update(batch, ["kek", "wrapped_key", "wrapped_at"])
            if batch:
                record(
                    actor=actor,
                    action="accounts.vault.rotate",
                    target_type="accounts.secret",
                    target_id="",
                    target_label=f"{len(batch)} data keys",
                    after={"kek": ring.current, "from": batch[0].pk, "to": batch[-1].pk},
                    now=now,
                )
        if not batch:
            return
        yield len(batch)


def _living(place: Place) -> Secret | None:
    return Secret.objects.filter(
        owner=place.owner, purpose=place.purpose, name=place.name, destroyed_at__isnull=True
    ).first()


def _take(place: Place) -> None:
    """One writer at a time for each place."""
    require_transaction()
    run_alone(f"vault:{place.owner}:{place.purpose}:{place.name}")


def _bound(place: Place, version: int) -> bytes:
    return binding(place.owner, str(place.purpose), place.name, version)


def _envelope(secret: Secret) -> Envelope:
    return Envelope(secret.kek, bytes(secret.wrapped_key or b""), bytes(secret.sealed or b""))


def _replace(path: Path, text: str) -> None:
    """All of it or nothing, readable by its owner alone."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.touch(mode=0o600)
    fresh.chmod(0o600)
    fresh.write_text(text)
    fresh.replace(path)


def _record(verb: str, secret: Secret, *, actor: Actor, now: datetime) -> None:
    record(
        actor=actor,
        action=f"accounts.secret.{verb}",
        target_type="accounts.secret",
        target_id=secret.pk,
        target_label=str(secret)[:150],
        after={"kek": secret.kek},
        now=now,
    )
