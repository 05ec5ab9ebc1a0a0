"""Open users, trading accounts and first balances in bulk: what seeding, replays and participants share.

Everything here adds only what is missing, so running it again changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.contrib.auth.hashers import make_password

from accounts.models import (
    AccountType,
    FundingRequest,
    PositionMode,
    TradingAccount,
    TradingGroup,
    User,
)
from accounts.services.funding import deposit
from audit.actor import Actor
from instruments.models import Asset, Realm
from tradeplatform.common.db import fetch, require_transaction
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.config import load_config


@dataclass(frozen=True, slots=True)
class Opening:
    """An account to open for a user, in a group if named, with what it starts with: (asset code, amount)."""

    account_number: str
    username: str
    type: AccountType
    currency: str
    leverage: int
    max_leverage: int
    deposits: tuple[tuple[str, Decimal], ...]
    group: str = ""


def play_account_type(realm: str) -> AccountType:
    """What kind of account plays in markets of this realm with made-up money.

    In production none does in live markets: raises Refusal wrong_realm.
    """
    if realm == Realm.DEMO:
        return AccountType.DEMO
    if load_config().is_production:
        raise Refusal(Code.WRONG_REALM, "In production made-up money trades demo instruments only.")
    return AccountType.LIVE


def open_users(users: Sequence[User]) -> list[User]:
    """Insert the users whose name is new and return those. Must run alone, inside a transaction."""
    require_transaction()
    names = [user.username for user in users]
    known = set(User.objects.filter(username__in=names).values_list("username", flat=True))
    return User.objects.bulk_create([user for user in users if user.username not in known])


def machine_user(username: str) -> User:
    """A user that only our own commands act for: nobody can log in as it."""
    return User(
        username=username,
        email=f"{username}@participants.invalid",
        first_name="Automatic",
        last_name="participant",
        password=make_password(None),
    )


def open_accounts(
    openings: Sequence[Opening], *, actor: Actor, now: datetime, reason: str
) -> tuple[int, int]:
    """Open the accounts that are missing and make the deposits that were never made.

    A deposit is known by its account and asset for ever: money that was traded away does not come back.
    Must run alone, inside a transaction. Returns (accounts opened, deposits made).
    """
    require_transaction()
    opened = _insert_accounts(openings)
    ids = dict(
        TradingAccount.objects.filter(
            account_number__in=[opening.account_number for opening in openings]
        ).values_list("account_number", "id")
    )
    wanted = {
        opening_request_id(opening.account_number, asset): (ids[opening.account_number], asset, amount)
        for opening in openings
        for asset, amount in opening.deposits
    }
    made = _missing(wanted)
    for request_id in made:
        account_id, asset, amount = wanted[request_id]
        deposit(
            account_id=account_id,
            asset=asset,
            amount=amount,
            reason=reason,
            request_id=request_id,
            actor=actor,
            now=now,
        )
    return opened, len(made)


def opening_amounts(accounts: Sequence[str], assets: Sequence[str]) -> dict[tuple[str, str], Decimal]:
    """What each of these accounts was opened with of each of these assets; absent where with nothing."""
    wanted = {
        opening_request_id(account, asset): (account, asset) for account in accounts for asset in assets
    }
    rows = fetch(
        "SELECT r.request_id, t.amount FROM accounts_fundingrequest r"
        " JOIN accounts_transfer t ON t.id = r.transfer_id AND t.at = r.at WHERE r.request_id = ANY(%s)",
        [list(wanted)],
    )
    return {wanted[request_id]: amount for request_id, amount in rows}


def opening_request_id(account_number: str, asset: str) -> str:
    """What an account's first deposit of an asset is known by, for ever."""
    return f"opening:{account_number}:{asset}"


def _missing(request_ids: Collection[str]) -> list[str]:
    """Those of the funding requests that never happened, in the order given."""
    done = set(
        FundingRequest.objects.filter(request_id__in=list(request_ids)).values_list("request_id", flat=True)
    )
    return [request_id for request_id in request_ids if request_id not in done]


def _insert_accounts(openings: Sequence[Opening]) -> int:
    numbers = [opening.account_number for opening in openings]
    known = set(
        TradingAccount.objects.filter(account_number__in=numbers).values_list("account_number", flat=True)
    )
    fresh = [opening for opening in openings if opening.account_number not in known]
    users = dict(User.objects.filter(username__in={o.username for o in fresh}).values_list("username", "id"))
    assets = dict(Asset.objects.filter(code__in={o.currency for o in fresh}).values_list("code", "id"))
    groups = {group.name: group for group in TradingGroup.objects.filter(name__in={o.group for o in fresh})}
    created = TradingAccount.objects.bulk_create(
        TradingAccount(
            account_number=opening.account_number,
            user_id=users[opening.username],
            type=opening.type,
            currency_id=assets[opening.currency],
            leverage=opening.leverage,
            max_leverage=opening.max_leverage,
            group=groups[opening.group] if opening.group else None,
            position_mode=groups[opening.group].position_mode if opening.group else PositionMode.NETTING,
        )
        for opening in fresh
    )
    return len(created)
