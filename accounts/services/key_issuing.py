"""Create, replace and revoke API keys. A secret is shown once, by the call that makes it, and never again."""

from __future__ import annotations

import secrets
import string
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network

from django.db import transaction

from accounts.models import ApiKey, KeyKind, Scope, TradingAccount
from accounts.selectors import account_not_found
from accounts.services import vault
from accounts.services.api_keys import forget, secret_place
from accounts.services.signatures import normal_pem, read_public_key
from audit.actor import Actor
from audit.services.reasons import require_reason
from audit.services.recording import record
from tradeplatform.common.changes import validate
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.ids import is_id
from tradeplatform.common.valkey import tell_access_changed

MOST_KEYS = 30
MOST_NETWORKS = 30
_LENGTH = 64
_CHARACTERS = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class KeyWish:
    """What a key is to be. `public_key` (PEM) for RSA and Ed25519 keys, whose private half we never see."""

    account_id: int
    label: str
    kind: KeyKind = KeyKind.HMAC
    scopes: frozenset[Scope] = frozenset({Scope.READ})
    allowed_ips: tuple[str, ...] = ()
    expires_at: datetime | None = None
    public_key: str = ""


@dataclass(frozen=True, slots=True)
class Issued:
    """A key, and its secret in clear: empty for keys of which we know the public half alone."""

    key: ApiKey
    secret: str = field(repr=False)


def create_key(wish: KeyWish, *, actor: Actor, now: datetime) -> Issued:
    """Issue a key of the account; its label is its own among the account's living keys.

    Asked twice, the second time is refused: the first answer's secret cannot be shown again. Raises Refusal:
    account_not_found, invalid_field, api_key_label_taken, too_many_api_keys.
    """
    networks = _networks(wish.allowed_ips)
    if Scope.WITHDRAW in wish.scopes and not networks:
        raise _invalid("allowed_ips", "A key that may withdraw needs a list of addresses.")
    if wish.expires_at is not None and wish.expires_at <= now:
        raise _invalid("expires_at", "A key expires after now.")
    key = ApiKey(
        key_id=_random(),
        label=wish.label.strip(),
        kind=wish.kind,
        scopes=sorted({Scope.READ, *wish.scopes}),
        allowed_ips=networks,
        created_at=now,
        expires_at=wish.expires_at,
        public_key=_public(wish.kind, wish.public_key),
    )
    with transaction.atomic():
        key.account = _locked_account(wish.account_id)
        living = ApiKey.objects.filter(account=key.account, revoked_at__isnull=True)
        if living.filter(label=key.label).exists():
            sentence = "A key of this account has this label: choose another, or revoke that key."
            raise Refusal(Code.API_KEY_LABEL_TAKEN, sentence, label=key.label)
        if living.count() >= MOST_KEYS:
            sentence = f"An account has at most {MOST_KEYS} keys: revoke one that is not needed."
            raise Refusal(Code.TOO_MANY_API_KEYS, sentence, maximum=MOST_KEYS)
        validate(key)
        key.save(force_insert=True)
        secret = _store_secret(key, actor=actor, now=now)
        _record("create", key, actor=actor, now=now)
    return Issued(key, secret)


def rotate_key(
    *, key_id: int, account_id: int | None = None, public_key: str = "", actor: Actor, now: datetime
) -> Issued:
    """Give a key another secret (or public half); the one before is refused from then on.

    Raises Refusal: api_key_not_found, api_key_revoked, invalid_field.
    """
    with transaction.atomic():
        key = _locked_key(key_id, account_id)
        key.public_key = _public(KeyKind(key.kind), public_key)
        key.generation += 1
        key.save(update_fields=["public_key", "generation"])
        secret = _store_secret(key, actor=actor, now=now)
        _record("rotate", key, actor=actor, now=now)
        forget(key_id=key.key_id)
        tell_access_changed(key.account.user_id)
    return Issued(key, secret)


def revoke_key(
    *, key_id: int, account_id: int | None = None, actor: Actor, now: datetime, reason: str
) -> ApiKey:
    """End a key for ever and forget its secret.

    Raises Refusal: reason_required, api_key_not_found, api_key_revoked.
    """
    reason = require_reason(reason)
    with transaction.atomic():
        key = _locked_key(key_id, account_id)
        key.revoked_at = now
        key.save(update_fields=["revoked_at"])
        vault.destroy(secret_place(key), actor=actor, now=now)
        _record("revoke", key, actor=actor, now=now, reason=reason)
        forget(key_id=key.key_id)
        tell_access_changed(key.account.user_id)
    return key


def _locked_account(account_id: int) -> TradingAccount:
    """The account, so that its keys are counted and named by one caller at a time."""
    accounts = TradingAccount.objects.select_for_update(no_key=True, of=("self",)).select_related("user")
    account = accounts.filter(id=account_id).first()
    if account is None:
        raise account_not_found(account_id)
    return account


def _locked_key(key_id: int, account_id: int | None) -> ApiKey:
    keys = ApiKey.objects.select_for_update(no_key=True, of=("self",)).select_related("account__user")
    if account_id is not None:
        keys = keys.filter(account_id=account_id)
    key = keys.filter(id=key_id).first() if is_id(key_id) else None
    if key is None:
        raise Refusal(Code.API_KEY_NOT_FOUND, "No such API key.", key=str(key_id))
    if key.revoked_at is not None:
        raise Refusal(Code.API_KEY_REVOKED, "This API key was revoked already.", key=str(key_id))
    return key


def _store_secret(key: ApiKey, *, actor: Actor, now: datetime) -> str:
    if key.kind != KeyKind.HMAC:
        return ""
    secret = _random()
    vault.put(secret_place(key), secret.encode(), actor=actor, now=now)
    return secret


def _random() -> str:
    """64 letters and digits: 381 bits, in the shape of the ids and secrets that clients know."""
    return "".join(secrets.choice(_CHARACTERS) for _ in range(_LENGTH))


def _public(kind: KeyKind, pem: str) -> str:
    if kind == KeyKind.HMAC:
        if pem:
            raise _invalid("public_key", "An HMAC key has no public half: leave it out.")
        return ""
    return normal_pem(read_public_key(kind, pem))


def _networks(given: Iterable[str]) -> list[str]:
    try:
        found = {ip_network(text.strip(), strict=False) for text in given}
    except ValueError as error:
        raise _invalid("allowed_ips", f"{error}: write networks such as 203.0.113.0/24.") from error
    if len(found) > MOST_NETWORKS:
        raise _invalid("allowed_ips", f"At most {MOST_NETWORKS} networks.")
    # Halves of the world together are the world: a list of addresses that keeps nobody out is none.
    fours = collapse_addresses(network for network in found if isinstance(network, IPv4Network))
    sixes = collapse_addresses(network for network in found if isinstance(network, IPv6Network))
    if 0 in [*(network.prefixlen for network in fours), *(network.prefixlen for network in sixes)]:
        raise _invalid("allowed_ips", "These are all addresses there are: name fewer, or leave the list out.")
    return sorted(map(str, found))


def _invalid(field_name: str, sentence: str) -> Refusal:
    fields = {field_name: sentence}
    return Refusal(Code.INVALID_FIELD, f"{field_name}: {sentence}", field=field_name, fields=fields)


def _record(verb: str, key: ApiKey, *, actor: Actor, now: datetime, reason: str = "") -> None:
    record(
        actor=actor,
        action=f"accounts.api_key.{verb}",
        target_type="accounts.apikey",
        target_id=key.pk,
        target_label=str(key),
        reason=reason,
        after={
            "account": key.account.account_number,
            "kind": key.kind,
            "scopes": list(key.scopes),
            "allowed_ips": list(key.allowed_ips),
            "expires_at": key.expires_at.isoformat() if key.expires_at else None,
            "generation": key.generation,
        },
        now=now,
    )
