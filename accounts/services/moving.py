"""One movement of money between a client and one other party: who may, from where to where, and its transfer.

What a person asks for (money_requests.py) and what the platform does itself (funding.py) both end here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial

from django.db import transaction

from accounts.models import CLIENTS, LedgerKind, MoneyKind, TradingAccount, TransferKind
from accounts.selectors import account_not_found
from accounts.services.amounts import check_supply, insufficient
from accounts.services.posting import Cause, Ledger, OpenAccount
from instruments.models import Asset, Realm
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.valkey import tell_balances_moved

TRANSFER_KIND = {
    MoneyKind.DEPOSIT: TransferKind.DEPOSIT,
    MoneyKind.WITHDRAWAL: TransferKind.WITHDRAWAL,
    MoneyKind.TRANSFER: TransferKind.INTERNAL,
    MoneyKind.CREDIT: TransferKind.CREDIT,
    MoneyKind.BONUS: TransferKind.BONUS,
    MoneyKind.ADJUSTMENT: TransferKind.ADJUSTMENT,
}
_OUT = frozenset({MoneyKind.WITHDRAWAL, MoneyKind.TRANSFER})
_LENT = frozenset({MoneyKind.CREDIT, MoneyKind.BONUS})


@dataclass(frozen=True, slots=True)
class Movement:
    """`amount` of an asset, to the client when above zero; withdrawals and transfers leave the client."""

    kind: MoneyKind
    account_id: int
    asset: Asset
    amount: Decimal
    to_account_id: int | None = None

    @property
    def account_ids(self) -> list[int]:
        """The trading accounts it touches, in the order in which they are locked."""
        return sorted({self.account_id} | ({self.to_account_id} if self.to_account_id else set()))

    @property
    def house_kind(self) -> LedgerKind | None:
        """The house's ledger account on the other side; None between two clients."""
        if self.kind == MoneyKind.TRANSFER:
            return None
        outside = self.kind in {MoneyKind.DEPOSIT, MoneyKind.WITHDRAWAL}
        return LedgerKind.FUNDING if outside else LedgerKind.HOUSE

    def lock(self) -> Ledger:
        """Lock the ledger accounts of both sides."""
        own = [(self.account_id, self.asset.pk)]
        other = [(self.to_account_id, self.asset.pk)] if self.to_account_id else []
        system = [(self.house_kind, self.asset.pk)] if self.house_kind else []
        if self.kind in _LENT:
            return Ledger.lock(credits=own, system=system)
        return Ledger.lock(clients=[*own, *other], system=system)

    def sides(self, ledger: Ledger) -> tuple[OpenAccount, OpenAccount]:
        """(from, to)."""
        lent = self.kind in _LENT
        own = (ledger.credit if lent else ledger.client)(self.account_id, self.asset.pk)
        if self.to_account_id is not None:
            return own, ledger.client(self.to_account_id, self.asset.pk)
        assert self.house_kind is not None  # noqa: S101 - for the type checker
        house = ledger.system(self.house_kind, self.asset.pk, own.realm)
        gives = self.kind in _OUT or self.amount < 0
        return (own, house) if gives else (house, own)


@dataclass(frozen=True, slots=True)
class Posted:
    """A transfer that was written, and what the client's own side was before and after."""

    transfer_id: int
    at: datetime
    before: Decimal
    after: Decimal


def post(movement: Movement, *, cause: Cause, now: datetime, release: Decimal = Decimal(0)) -> Posted:
    """Write the transfer. `release` is what the movement held of the client's balance until now.

    Call it with the trading accounts locked. Raises Refusal: insufficient_funds, invalid_number.
    """
    ledger = movement.lock()
    at = ledger.moment(now)
    source, target = movement.sides(ledger)
    ledger.hold(source, -release)
    require_available(source, abs(movement.amount), movement.asset)
    own = next(
        side for side in (source, target) if side.kind in CLIENTS and side.account_id == movement.account_id
    )
    before = own.balance
    ledger.transfer(
        at=at,
        kind=TRANSFER_KIND[movement.kind],
        debit=source,
        credit=target,
        amount=abs(movement.amount),
        cause=cause,
    )
    for side in (source, target):
        if side.kind not in CLIENTS:
            check_supply(side.balance, movement.asset)
    (transfer_id,) = ledger.flush()
    tell(movement.account_ids)
    return Posted(transfer_id, at, before, own.balance)


def hold(movement: Movement, change: Decimal) -> None:
    """Reserve (above zero) or release (below) a part of the client's balance for a request that waits."""
    ledger = Ledger.lock(clients=[(movement.account_id, movement.asset.pk)])
    client = ledger.client(movement.account_id, movement.asset.pk)
    if change > 0:
        require_available(client, change, movement.asset)
    ledger.hold(client, change)
    ledger.flush()
    tell([movement.account_id])


def tell(account_ids: list[int]) -> None:
    """Let the feed of each account read its balances again, after the commit."""
    transaction.on_commit(partial(tell_balances_moved, *account_ids), robust=True)


def lock_accounts(movement: Movement) -> dict[int, TradingAccount]:
    """The trading accounts it touches, locked in id order. Raises Refusal account_not_found."""
    found = lock_all(movement.account_ids)
    require_found(movement, found)
    return found


def lock_all(ids: Iterable[int]) -> dict[int, TradingAccount]:
    """These trading accounts with their owners, locked in id order; unknown ones are simply absent."""
    rows = TradingAccount.objects.select_for_update(no_key=True, of=("self",)).select_related("user")
    return {account.pk: account for account in rows.filter(id__in=ids).order_by("id")}


def require_found(movement: Movement, accounts: Mapping[int, TradingAccount]) -> None:
    """Raise account_not_found unless all trading accounts that it touches are there."""
    for account_id in movement.account_ids:
        if account_id not in accounts:
            raise account_not_found(account_id)


def require_may(movement: Movement, accounts: Mapping[int, TradingAccount]) -> None:
    """The rules of accounts: who is locked or closed, whose money it is, and that demo money stays demo.

    Raises Refusal: account_inactive, account_locked, account_not_found (a transfer to another person's
    account, which is not there for this one), demo_money.
    """
    own = accounts[movement.account_id]
    other = accounts[movement.to_account_id] if movement.to_account_id else None
    if other is not None and other.user_id != own.user_id:
        raise account_not_found(other.pk)
    if movement.kind in _OUT:
        if not own.is_active:
            raise _closed(own)
        if own.is_locked:
            raise Refusal(Code.ACCOUNT_LOCKED, f"{own} is locked: no money leaves it.", account=str(own.pk))
        if own.realm != (other.realm if other is not None else Realm.LIVE):
            raise Refusal(Code.DEMO_MONEY, "Demo money stays on demo accounts.", account=str(own.pk))
    receiver = other or (own if movement.kind not in _OUT and movement.amount > 0 else None)
    if receiver is not None and not receiver.is_active:
        raise _closed(receiver)


def _closed(account: TradingAccount) -> Refusal:
    return Refusal(Code.ACCOUNT_INACTIVE, f"{account} is closed.", account=str(account.pk))


def require_available(account: OpenAccount, amount: Decimal, asset: Asset) -> None:
    """Refuse to take more from a client than what nothing holds."""
    if account.kind in CLIENTS and account.available < amount:
        raise insufficient(account.available, account.held, amount, asset)
