"""The accounts behind requests: locked, so that what is checked of them stays true until the commit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from instruments.selectors import Rules
from tradeplatform.common.db import fetch, require_transaction
from tradeplatform.common.errors import Code, Refusal


@dataclass(frozen=True, slots=True)
class Owner:
    """What intake must know of a trading account."""

    is_active: bool
    is_locked: bool
    trade_group: int
    realm: str


def lock_owners(ids: Iterable[int]) -> dict[int, Owner]:
    """Lock these trading accounts in id order; unknown ones are simply absent.

    Whatever adds to an account's orders or holds takes turns here. Must be called inside a transaction.
    """
    require_transaction()
    rows = fetch(
        "SELECT id, is_active, is_locked, trade_group, realm FROM accounts_tradingaccount"
        " WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE",
        [list(set(ids))],
    )
    return {row[0]: Owner(*row[1:]) for row in rows}


def check_realm(owner: Owner, rules: Rules) -> None:
    """Refuse an order that would meet others across the wall between demo and live money."""
    if owner.realm != rules.realm:
        raise Refusal(
            Code.WRONG_REALM,
            f"{rules.symbol} is a {rules.realm} instrument: accounts of the other realm do not trade it.",
            symbol=rules.symbol,
            instrument=rules.realm,
            account=owner.realm,
        )


def check_may_trade(owner: Owner) -> None:
    """Refuse new orders and amends of an account that is closed or locked."""
    if not owner.is_active:
        raise Refusal(Code.ACCOUNT_INACTIVE, "This account is closed to trading.")
    if owner.is_locked:
        raise Refusal(Code.ACCOUNT_LOCKED, "This account is locked: ask support why.")
