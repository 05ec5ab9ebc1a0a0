"""Who a socket belongs to, and whether that is still so."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from accounts.models import Session, TradingAccount
from accounts.services import sessions
from audit.actor import Actor


@dataclass(frozen=True, slots=True)
class Identity:
    """A person, proven by an access token of a session until `expires_at`. `password` is the hash of then."""

    user_id: int
    username: str
    password: str
    sid: str
    expires_at: datetime

    def actor(self, ip: str | None) -> Actor:
        """The person, from the address of the socket, by the session of the token."""
        return Actor.user(user_id=self.user_id, label=self.username, ip=ip, credential=f"session:{self.sid}")


@dataclass(frozen=True, slots=True)
class Access:
    """(person, password hash) of sessions that go on, and the owners of accounts, as they are now."""

    sessions: dict[str, tuple[int, str]]
    owners: dict[int, int]

    def allows(self, identity: Identity, accounts: Iterable[int]) -> bool:
        """Whether the session goes on, with the same password, and its person owns all these accounts."""
        return self.sessions.get(identity.sid) == (identity.user_id, identity.password) and all(
            self.owners.get(account) == identity.user_id for account in accounts
        )


def identify(token: str) -> Identity:
    """The person a token belongs to, checked as the API checks it. Raises Refusal not_authenticated."""
    session = sessions.identify(token)
    return Identity(
        user_id=session.user_id,
        username=session.user.username,
        password=session.user.password,
        sid=session.sid,
        expires_at=sessions.expiry_of(token),
    )


def read_access(sids: Iterable[str], account_ids: Iterable[int]) -> Access:
    """How things stand for these sessions and accounts."""
    living = Session.objects.filter(sid__in=set(sids), ended_at__isnull=True, user__is_active=True)
    owners = TradingAccount.objects.filter(id__in=set(account_ids)).values_list("id", "user_id")
    people = living.values_list("sid", "user_id", "user__password")
    return Access({sid: (user, password) for sid, user, password in people}, dict(owners))
