"""Who calls with an API key, whether they signed it, and whether the key allows what they ask.

What is known of a key is kept in the process for a second at most: a revoked key, an expired one, or one
whose owner was shut out is refused at once by the process where that was done, and no later than
FRESH_SECONDS after its commit by all others. Within that time a check costs no query.

Reads the database when it has to: call it from a thread, never on an event loop.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import structlog
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts.models import ApiKey, KeyKind, Purpose, Scope, TradingAccount, User
from accounts.services import vault
from accounts.services.envelope import NoSecretError, VaultError
from accounts.services.signatures import Check, checker
from audit.actor import Actor
from tradeplatform.common.db import read_joined
from tradeplatform.common.errors import Code, Refusal

FRESH_SECONDS = 1.0
_USE_IS_NOTED_EVERY = timedelta(minutes=1)
_TOLD_EVERY_SECONDS = 60.0
_REVOKED = "This API key was revoked: create another one."
_UNUSABLE = "We cannot open the secret of this API key: create another key, or ask the operators to mend it."
# Beyond so many keys in use at once all is read again, rather than kept for ever.
_MOST_KEPT = 10_000

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ApiKeyCaller:
    """A program that named a living key, from an address the key allows. `verify` says whether it is real."""

    id: int
    key_id: str
    kind: KeyKind
    user_id: int
    username: str
    account_id: int
    scopes: frozenset[Scope]
    ip: str
    expires_at: datetime | None
    networks: tuple[IPv4Network | IPv6Network, ...]
    tier_id: int | None
    generation: int
    is_signed: Check = field(repr=False, compare=False)

    @property
    def actor(self) -> Actor:
        """The key's owner, with the address and the key as what the act is done with."""
        return Actor.user(user_id=self.user_id, label=self.username, ip=self.ip, credential=f"key:{self.id}")


@dataclass(frozen=True, slots=True)
class _Kept:
    caller: ApiKeyCaller
    until: float


# Counts `forget`: what was read before one must not be kept after it, nor while it is at it.
_forgotten = itertools.count(1)
_last_forgotten = 0
_keeping = threading.Lock()

# By key id; and by key and generation the checks, whose secrets are read from the vault once a process.
_kept: dict[str, _Kept] = {}
_checks: dict[tuple[int, int], Check] = {}
_noted: dict[int, datetime] = {}
# By key, when it was last said that its secret does not open.
_told: dict[int, float] = {}


def authenticate(key_id: str, *, ip: str | None) -> ApiKeyCaller:
    """The caller behind a key. Their request is not theirs until `verify` says so.

    Raises Refusal: api_key_unknown, api_key_revoked, api_key_expired, api_key_owner_disabled,
    api_key_unusable, api_key_wrong_ip.
    """
    caller = (_fresh(key_id) or _read(key_id)).caller
    if caller.expires_at is not None and caller.expires_at <= timezone.now():
        raise _refused(Code.API_KEY_EXPIRED, "This API key has expired: create another one.", key_id)
    if caller.networks and not _is_among(ip, caller.networks):
        sentence = "This API key may not be used from this address."
        raise _refused(Code.API_KEY_WRONG_IP, sentence, key_id, ip=ip)
    return replace(caller, ip=ip or "")


def read_ahead(key_ids: Iterable[str]) -> None:
    """Read what `authenticate` would have to read of these keys, in one look-up for all."""
    until, forgotten = time.monotonic() + FRESH_SECONDS, _last_forgotten
    for key in _find({key_id for key_id in key_ids if _fresh(key_id) is None}).values():
        # Whoever is refused is told so when it is asked for; so is who has a secret that does not open.
        if key.revoked_at is None and key.account.user.is_active:
            with suppress(VaultError):
                _keep(key, until, forgotten)


def verify(caller: ApiKeyCaller, payload: bytes, signature: str) -> None:
    """Check that the key signed these bytes, and note its use. Raises Refusal bad_signature.

    HMAC: hex in either case. RSA (PKCS#1 v1.5 with SHA-256) and Ed25519: base64.
    """
    if not caller.is_signed(payload, signature):
        sentence = "The signature does not fit what was sent: look at what it has to cover, byte by byte."
        raise _refused(Code.BAD_SIGNATURE, sentence, caller.key_id)
    _note_use(caller)


def require(caller: ApiKeyCaller, scope: Scope) -> None:
    """Refuse with api_key_wrong_scope unless the key may be used for this."""
    if scope not in caller.scopes:
        held = sorted(scope.value for scope in caller.scopes)
        raise _refused(
            Code.API_KEY_WRONG_SCOPE,
            f"This API key may not {scope.value}: it has {', '.join(held)}.",
            caller.key_id,
            scope=scope.value,
        )


def forget(*, key_id: str | None = None, user_id: int | None = None) -> None:
    """Read a key, or all keys of a person, anew at the next call in this process, once this is committed."""

    def drop() -> None:
        global _last_forgotten  # noqa: PLW0603 - the process has one memory of keys
        with _keeping:
            _last_forgotten = next(_forgotten)
            for name, kept in list(_kept.items()):
                if name == key_id or kept.caller.user_id == user_id:
                    _kept.pop(name, None)

    transaction.on_commit(drop)


def _read(key_id: str) -> _Kept:
    """The key as it stands, kept from now on. Raises as authenticate."""
    # Before the query: what it answers is true of that moment, not of a later one.
    until, forgotten = time.monotonic() + FRESH_SECONDS, _last_forgotten
    _kept.pop(key_id, None)
    key = _find([key_id]).get(key_id)
    if key is None:
        raise _refused(Code.API_KEY_UNKNOWN, "There is no such API key.", key_id)
    if key.revoked_at is not None:
        for known in [known for known in _checks if known[0] == key.pk]:
            _checks.pop(known, None)
        raise _refused(Code.API_KEY_REVOKED, _REVOKED, key_id)
    if not key.account.user.is_active:
        sentence = "The login of this API key's owner is closed."
        raise _refused(Code.API_KEY_OWNER_DISABLED, sentence, key_id)
    try:
        return _keep(key, until, forgotten)
    except NoSecretError:
        # Destroyed with the key, since the key was read.
        raise _refused(Code.API_KEY_REVOKED, _REVOKED, key_id) from None
    except VaultError as error:
        _tell_operators(key, error)
        raise _refused(Code.API_KEY_UNUSABLE, _UNUSABLE, key_id) from None


def _keep(key: ApiKey, until: float, forgotten: int) -> _Kept:
    """The caller behind a living key, kept unless keys were forgotten meanwhile. Raises VaultError."""
    caller = ApiKeyCaller(
        id=key.pk,
        key_id=key.key_id,
        kind=KeyKind(key.kind),
        user_id=key.account.user_id,
        username=key.account.user.username,
        account_id=key.account_id,
        scopes=frozenset(Scope(scope) for scope in key.scopes),
        ip="",
        expires_at=key.expires_at,
        networks=tuple(ip_network(network) for network in key.allowed_ips),
        tier_id=key.account.user.rate_tier_id,
        generation=key.generation,
        is_signed=_check_of(key),
    )
    kept = _Kept(caller, until)
    with _keeping:
        if len(_kept) >= _MOST_KEPT:
            _kept.clear()
        if forgotten == _last_forgotten:
            _kept[key.key_id] = kept
    return kept


def _fresh(key_id: str) -> _Kept | None:
    """What is kept of a key, while it may be believed."""
    kept = _kept.get(key_id)
    return kept if kept is not None and time.monotonic() < kept.until else None


def _find(key_ids: Iterable[str]) -> dict[str, ApiKey]:
    """Keys with their accounts and people, by a statement that is planned once."""
    wanted = [key_id for key_id in key_ids if "\0" not in key_id]
    if not wanted:
        return {}
    rest = (
        "ON accounts_user.id = accounts_tradingaccount.user_id"
        " ON accounts_tradingaccount.id = accounts_apikey.account_id"
        " WHERE accounts_apikey.key_id = ANY(%s::text[])"
    )
    found = {}
    for key, account, user in read_joined((ApiKey, TradingAccount, User), rest, [wanted]):
        key.account, account.user = account, user
        found[key.key_id] = key
    return found


def _check_of(key: ApiKey) -> Check:
    found = _checks.get((key.pk, key.generation))
    if found is None:
        if len(_checks) >= _MOST_KEPT:
            _checks.clear()
        found = _checks[key.pk, key.generation] = checker(key.kind, _material(key))
    return found


def _material(key: ApiKey) -> bytes:
    if key.kind != KeyKind.HMAC:
        return key.public_key.encode()
    return vault.read(secret_place(key), actor=Actor.system("api keys"), now=timezone.now())


def secret_place(key: ApiKey) -> vault.Place:
    """Where the secret of an HMAC key lies."""
    return vault.Place.of_user(key.account.user_id, Purpose.API_KEY, key.key_id)


def _tell_operators(key: ApiKey, error: VaultError) -> None:
    """The vault's sentence names its keys by their ids; nothing of a secret is in it."""
    now = time.monotonic()
    if now - _told.get(key.pk, -_TOLD_EVERY_SECONDS) < _TOLD_EVERY_SECONDS:
        return
    if len(_told) >= _MOST_KEPT:
        _told.clear()
    _told[key.pk] = now
    _log.error(
        "api_key_secret_does_not_open",
        api_key=key.pk,
        key=key.key_id[:8],
        error=str(error),
        what_to_do="put the vault key back (manage.py vault status), else its owner creates another key",
    )


def _note_use(caller: ApiKeyCaller) -> None:
    now = timezone.now()
    due = now - _USE_IS_NOTED_EVERY
    noted = _noted.get(caller.id)
    if noted is not None and noted > due:
        return
    if len(_noted) >= _MOST_KEPT:
        _noted.clear()
    _noted[caller.id] = now
    stale = Q(last_used_at__isnull=True) | Q(last_used_at__lte=due)
    ApiKey.objects.filter(stale, id=caller.id, revoked_at__isnull=True).update(last_used_at=now)


def _is_among(ip: str | None, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    try:
        address = ip_address(ip or "")
    except ValueError:
        return False
    # A socket open to both families says ::ffff:192.0.2.1 of a caller who has 192.0.2.1.
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in networks)


def _refused(code: Code, sentence: str, key_id: str, **context: object) -> Refusal:
    _log.info("api_key_refused", code=code.value, key=ascii(key_id[:8]))
    return Refusal(code, sentence, **context)
