"""Who a socket belongs to, and whether that is still so."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db.models import Q
from django.utils import timezone

from accounts.models import ApiKey, TradingAccount
from accounts.selectors import Reach
from accounts.services import api_keys, sessions, signed_requests
from accounts.services.api_keys import ApiKeyCaller
from accounts.services.sessions import SessionProof
from accounts.services.signed_requests import SignedRequest
from audit.actor import Actor
from orders.feed.caller import Caller
from orders.feed.protocol import KeyAuth

_FOR_EVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Identity:
    """A person, proven until `expires_at`: by an access token of a session, or by an API key of an account.

    `password` is the hash of then; with a key it is empty, as is `sid`.
    """

    user_id: int
    username: str
    password: str
    sid: str
    expires_at: datetime
    tier_id: int | None
    key: ApiKeyCaller | None = None

    @property
    def reach(self) -> Reach:
        """The person's accounts; with a key its own account alone."""
        return Reach(self.user_id, None if self.key is None else self.key.account_id)

    def actor(self, ip: str | None) -> Actor:
        """The person, from the address of the socket, by the session or key."""
        if self.key is not None:
            return self.key.actor
        return Actor.user(user_id=self.user_id, label=self.username, ip=ip, credential=f"session:{self.sid}")

    def caller(self, ip: str | None) -> Caller:
        """Whom orders from this socket are from."""
        proof = SessionProof(self.sid, self.user_id, self.password) if self.key is None else None
        return Caller(self.reach, self.tier_id, self.actor(ip), self.key, proof)


@dataclass(frozen=True, slots=True)
class Access:
    """Who may go on as things are now.

    (person, password hash) of the sessions that go on, (person, generation) of the keys that live by their
    rows' ids, the owners of accounts.
    """

    sessions: dict[str, tuple[int, str]]
    keys: dict[int, tuple[int, int]]
    owners: dict[int, int]

    def allows(self, identity: Identity, accounts: Iterable[int]) -> bool:
        """Whether the session or the key goes on as it was, and all accounts are theirs."""
        return self._goes_on(identity) and all(
            self.owners.get(account) == identity.user_id for account in accounts
        )

    def _goes_on(self, identity: Identity) -> bool:
        key = identity.key
        if key is not None:
            return self.keys.get(key.id) == (key.user_id, key.generation)
        return self.sessions.get(identity.sid) == (identity.user_id, identity.password)


def identify(token: str) -> Identity:
    """The person a token belongs to, checked as the API checks it. Raises Refusal not_authenticated."""
    session = sessions.identify(token)
    return Identity(
        user_id=session.user_id,
        username=session.user.username,
        password=session.user.password,
        sid=session.sid,
        expires_at=sessions.expiry_of(token),
        tier_id=session.user.rate_tier_id,
    )


def identify_key(asked: KeyAuth, *, ip: str | None) -> Identity:
    """The owner of an API key that signed `GET /ws/v1` without a body, as the API checks it.

    Raises Refusal as a signed request does.
    """
    caller = api_keys.authenticate(asked.key, ip=ip)
    signed = SignedRequest("GET", "/ws/v1", asked.timestamp, asked.nonce, b"")
    signed_requests.accept(caller, signed, signature=asked.signature, now=timezone.now())
    return owner_of(caller)


def owner_of(caller: ApiKeyCaller) -> Identity:
    """The person whose key has proven itself."""
    return Identity(
        user_id=caller.user_id,
        username=caller.username,
        password="",
        sid="",
        expires_at=caller.expires_at or _FOR_EVER,
        tier_id=caller.tier_id,
        key=caller,
    )


def read_access(identities: Collection[Identity], account_ids: Iterable[int]) -> Access:
    """How things stand for the sessions and keys of these, and for accounts."""
    owners = TradingAccount.objects.filter(id__in=set(account_ids)).values_list("id", "user_id")
    return Access(
        sessions=sessions.living({one.sid for one in identities if one.key is None}),
        keys=_living_keys({one.key.id for one in identities if one.key is not None}),
        owners=dict(owners),
    )


def _living_keys(keys: Collection[int]) -> dict[int, tuple[int, int]]:
    if not keys:
        return {}
    valid = Q(expires_at__isnull=True) | Q(expires_at__gt=timezone.now())
    living = ApiKey.objects.filter(valid, id__in=keys, revoked_at__isnull=True, account__user__is_active=True)
    found = living.values_list("id", "account__user_id", "generation")
    return {key: (user, generation) for key, user, generation in found}
