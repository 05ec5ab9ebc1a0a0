"""Who a socket belongs to, and whether that is still so."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from rest_framework.exceptions import AuthenticationFailed
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import InvalidToken, TokenError
from rest_framework_simplejwt.tokens import AccessToken

from accounts.models import TradingAccount, User
from tradeplatform.common.errors import Code, Refusal


@dataclass(frozen=True, slots=True)
class Identity:
    """A person, proven by an access token until `expires_at`. `password` is the hash they had then."""

    user_id: int
    username: str
    password: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Access:
    """The passwords of active people, and the owners of accounts, as they are now."""

    passwords: dict[int, str]
    owners: dict[int, int]

    def allows(self, identity: Identity, accounts: Iterable[int]) -> bool:
        """Whether the person may still come in, with the same password, and owns all these accounts."""
        return self.passwords.get(identity.user_id) == identity.password and all(
            self.owners.get(account) == identity.user_id for account in accounts
        )


def identify(token: str) -> Identity:
    """The person a token belongs to, checked as the API checks it. Raises Refusal not_authenticated."""
    try:
        access = AccessToken(token.encode())  # type: ignore[arg-type]  # its own stub wants a Token
        user = JWTAuthentication().get_user(access)
    except (TokenError, InvalidToken, AuthenticationFailed) as error:
        sentence = "The token is invalid or expired, or the login is closed: log in again."
        raise Refusal(Code.NOT_AUTHENTICATED, sentence) from error
    return Identity(
        user_id=user.pk,
        username=user.get_username(),
        password=user.password,
        expires_at=datetime.fromtimestamp(access["exp"], UTC),
    )


def read_access(user_ids: Iterable[int], account_ids: Iterable[int]) -> Access:
    """How things stand for these people and accounts."""
    people = User.objects.filter(id__in=set(user_ids), is_active=True).values_list("id", "password")
    owners = TradingAccount.objects.filter(id__in=set(account_ids)).values_list("id", "user_id")
    return Access(passwords=dict(people), owners=dict(owners))
