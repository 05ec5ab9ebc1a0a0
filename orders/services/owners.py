"""The accounts behind requests: locked, so that what is checked of them stays true until the commit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from instruments.selectors import Rules
from orders.models import LIMIT_PRICED, OrderType
from risk.services.stops import NO_STOPS, SQL_OF_ACCOUNT, Stops
from tradeplatform.common.db import execute, fetch, require_transaction
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.ids import is_id
from tradeplatform.common.statements import Rows, Statement, known


@dataclass(frozen=True, slots=True)
class Owner:
    """What intake must know of a trading account."""

    is_active: bool
    is_locked: bool
    trade_group: int
    realm: str
    stops: Stops = NO_STOPS


_LOCK = (
    f"SELECT id, is_active, is_locked, trade_group, realm, {SQL_OF_ACCOUNT}"  # noqa: S608 - our own words
    " FROM accounts_tradingaccount a WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE OF a"
)


def lock_owners(ids: Iterable[int]) -> dict[int, Owner]:
    """Lock these trading accounts in id order; unknown ones are simply absent.

    Whatever adds to an account's orders or holds takes turns here. Must be called inside a transaction.
    """
    return owners_locked(ids).run()


def owners_locked(ids: Iterable[int]) -> Statement[dict[int, Owner]]:
    """As `lock_owners`, for whoever asks for more with it."""
    require_transaction()
    # Nobody has a larger one, and the database has no such number.
    wanted = [number for number in set(ids) if is_id(number)]
    return Statement(_LOCK, [wanted], _owners) if wanted else known({})


def _owners(rows: Rows) -> dict[int, Owner]:
    return {
        number: Owner(is_active, is_locked, trade_group, realm, Stops.parse(stops))
        for number, is_active, is_locked, trade_group, realm, stops in rows
    }


# Whoever locks accounts has this lock on their table before his statement looks at anything.
_ON_THEIR_WAY = """
    SELECT count(DISTINCT l.pid) FROM pg_locks l JOIN pg_stat_activity t USING (pid)
    WHERE l.locktype = 'relation' AND l.relation = 'accounts_tradingaccount'::regclass
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND l.mode = 'RowShareLock' AND t.xact_start <= %s AND l.pid <> pg_backend_pid()
"""


def on_their_way(*, since: datetime) -> int:
    """How many transactions that lock accounts began at this time of the database's clock, or before.

    What they were told of the accounts, such as that nothing is stopped, may be as old as that.
    """
    # Who is active is looked at once in a transaction otherwise.
    execute("SELECT pg_stat_clear_snapshot()")
    return int(fetch(_ON_THEIR_WAY, [since])[0][0])


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


def check_may_trade(owner: Owner, rules: Rules, *, credential: str, order_type: OrderType) -> None:
    """Refuse new orders and amends that the kill switch stops, or of an account that is closed or locked.

    `credential` is what the request was made with. What commits after a stop that it has not seen, the drain
    refuses.
    """
    owner.stops.check(instrument_id=rules.id, credential=credential, market=order_type not in LIMIT_PRICED)
    if not owner.is_active:
        raise Refusal(Code.ACCOUNT_INACTIVE, "This account is closed to trading.")
    if owner.is_locked:
        raise Refusal(Code.ACCOUNT_LOCKED, "This account is locked: ask support why.")
