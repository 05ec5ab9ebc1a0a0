"""The ledger's only writer: lock the accounts in id order, post in memory, write once.

Everything that moves money goes through a `Ledger` inside one transaction. A batch of a thousand
postings costs the same few statements as one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import NewType

from accounts.models import LedgerKind, TransferKind
from tradeplatform.common.db import array, copy_rows, execute, fetch, next_ids, require_transaction

_Key = tuple[str, "int | None", int]  # kind, trading account, asset

#: The place in its batch of an entry's first transfer.
Entry = NewType("Entry", int)

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class LockedAccount:
    """A ledger account whose row this transaction holds, with its balance as posted so far."""

    id: int
    kind: str
    account_id: int | None
    asset_id: int
    balance: Decimal
    held: Decimal
    reserved: Decimal
    moved_at: datetime | None

    @property
    def available(self) -> Decimal:
        """What may be spent or withdrawn now; below zero where open positions need more than there is."""
        return self.balance - self.held - self.reserved


@dataclass(frozen=True, slots=True)
class Cause:
    """Why money moved: a trade and its order, a person's request with its reason, or what it corrects."""

    order_id: int | None = None
    trade_id: int | None = None
    corrects_id: int | None = None
    request_id: str = ""
    reason: str = ""
    actor_id: int | None = None


_TRANSFER_COLUMNS = (
    "id", "entry_id", "at", "kind", "asset_id", "debit_id", "credit_id", "amount", "debit_balance_after",
    "credit_balance_after", "order_id", "trade_id", "corrects_id", "request_id", "reason", "actor_id",
)  # fmt: skip


_CHANGED_COLUMNS = ("id", "balance", "held", "reserved", "moved_at")


class Ledger:
    """A working copy of locked ledger accounts. Use inside one transaction and `flush` before it ends."""

    def __init__(self, accounts: Iterable[LockedAccount]) -> None:
        self._by_key: dict[_Key, LockedAccount] = {(a.kind, a.account_id, a.asset_id): a for a in accounts}
        self._latest = max((a.moved_at for a in self._by_key.values() if a.moved_at), default=_LONG_AGO)
        self._changed: dict[int, LockedAccount] = {}
        self._transfers: list[tuple[object, ...]] = []
        self._entries: list[Entry] = []

    @classmethod
    def lock(
        cls,
        *,
        clients: Iterable[tuple[int, int]] = (),
        credits: Iterable[tuple[int, int]] = (),  # noqa: A002 - the kind's name
        system: Iterable[tuple[LedgerKind, int]] = (),
    ) -> Ledger:
        """Lock the accounts of (trading account, asset) and (kind, asset) in id order; make missing ones."""
        require_transaction()
        wanted: set[_Key] = {(LedgerKind.CLIENT.value, account, asset) for account, asset in clients}
        wanted |= {(LedgerKind.CREDIT.value, account, asset) for account, asset in credits}
        wanted |= {(kind.value, None, asset) for kind, asset in system}
        keys = list(wanted)
        found = _find(keys)
        if missing := [key for key in keys if key not in found]:
            _create(missing)
            found = _find(keys)
        return cls.lock_ids(found.values())

    @classmethod
    def lock_ids(cls, ids: Iterable[int]) -> Ledger:
        """Lock ledger accounts that exist, in id order."""
        require_transaction()
        rows = fetch(
            "SELECT id, kind, account_id, asset_id, balance, held, reserved, moved_at"
            " FROM accounts_ledgeraccount"
            " WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE",
            [list(ids)],
        )
        return cls(LockedAccount(*row) for row in rows)

    def client(self, account_id: int, asset_id: int) -> LockedAccount:
        """The locked ledger account of a trading account in an asset."""
        # A kind is its word, as a key too; asking the member for its value would cost more than the look-up.
        return self._by_key[LedgerKind.CLIENT, account_id, asset_id]

    def credit(self, account_id: int, asset_id: int) -> LockedAccount:
        """The locked ledger account of what the house lent a trading account in an asset."""
        return self._by_key[LedgerKind.CREDIT, account_id, asset_id]

    def system(self, kind: LedgerKind, asset_id: int) -> LockedAccount:
        """The locked ledger account of the house's own kind in an asset."""
        return self._by_key[kind, None, asset_id]

    def moment(self, now: datetime) -> datetime:
        """When this transaction takes effect: `now`, or the last time of a locked account if that is later.

        Clocks of hosts differ, and `now` may have been read before a long wait for these locks; along a
        ledger account times never run backwards.
        """
        return max(now, self._latest)

    def transfer(
        self,
        *,
        at: datetime,
        kind: TransferKind,
        debit: LockedAccount,
        credit: LockedAccount,
        amount: Decimal,
        cause: Cause,
        entry: Entry | None = None,
    ) -> Entry:
        """Move `amount` (> 0, exact in the asset) from `debit` to `credit`, at `moment(at)`.

        It is a leg of `entry`, an earlier answer of this Ledger since its last flush, else begins its own.
        """
        if amount <= 0 or debit.asset_id != credit.asset_id:
            raise ValueError(f"not a transfer: {amount} from {debit} to {credit}")
        if entry is None:
            entry = Entry(len(self._transfers))
        self._entries.append(entry)
        at = self._latest = max(at, self._latest)
        debit.moved_at = credit.moved_at = at
        debit.balance -= amount
        credit.balance += amount
        self._changed[debit.id] = debit
        self._changed[credit.id] = credit
        self._transfers.append(
            (
                at,
                kind.value,
                debit.asset_id,
                debit.id,
                credit.id,
                amount,
                debit.balance,
                credit.balance,
                cause.order_id,
                cause.trade_id,
                cause.corrects_id,
                cause.request_id,
                cause.reason,
                cause.actor_id,
            )
        )
        return entry

    def hold(self, account: LockedAccount, change: Decimal) -> None:
        """Reserve (`change` > 0) or release (< 0) a part of a client's balance, for an order or a request."""
        if change:
            account.held += change
            self._changed[account.id] = account

    def reserve(self, account: LockedAccount, amount: Decimal) -> None:
        """Say how much of a client's balance open positions need now, in place of what was said before."""
        if account.reserved != amount:
            account.reserved = amount
            self._changed[account.id] = account

    def accounts(self) -> Sequence[LockedAccount]:
        """Every locked account, in no particular order."""
        return list(self._by_key.values())

    def flush(self) -> list[int]:
        """Write transfers and balances; return transfer ids. The database refuses to leave a client short."""
        ids = next_ids("accounts_transfer_id_seq", len(self._transfers)) if self._transfers else []
        if ids:
            copy_rows(
                "accounts_transfer",
                _TRANSFER_COLUMNS,
                (
                    (number, ids[entry], *row)
                    for number, entry, row in zip(ids, self._entries, self._transfers, strict=True)
                ),
            )
        if self._changed:
            changed = [self._changed[key] for key in sorted(self._changed)]
            execute(
                "UPDATE accounts_ledgeraccount SET balance = new.balance, held = new.held,"
                " reserved = new.reserved, moved_at = new.moved_at"
                " FROM unnest(%s::bigint[], %s::numeric[], %s::numeric[], %s::numeric[], %s::timestamptz[])"
                " AS new(id, balance, held, reserved, moved_at) WHERE accounts_ledgeraccount.id = new.id",
                [array(getattr(a, name) for a in changed) for name in _CHANGED_COLUMNS],
            )
        self._transfers, self._entries, self._changed = [], [], {}
        return ids


def _find(keys: Sequence[_Key]) -> dict[_Key, int]:
    """The ids of ledger accounts by key; ids never change and rows are never deleted."""
    rows = fetch(
        "SELECT la.kind, la.account_id, la.asset_id, la.id FROM accounts_ledgeraccount la"
        " JOIN unnest(%s::text[], %s::bigint[], %s::bigint[]) AS k(kind, account_id, asset_id)"
        " ON la.kind = k.kind AND la.asset_id = k.asset_id"
        " AND la.account_id IS NOT DISTINCT FROM k.account_id",
        [[k[0] for k in keys], [k[1] for k in keys], [k[2] for k in keys]],
    )
    return {(kind, account_id, asset_id): number for kind, account_id, asset_id, number in rows}


def _create(keys: Sequence[_Key]) -> None:
    """Create missing ledger accounts; one that another transaction creates meanwhile is left alone."""
    ordered = sorted(keys, key=lambda key: (key[1] or 0, key[2], key[0]))
    execute(
        "INSERT INTO accounts_ledgeraccount (kind, account_id, asset_id, balance, held, reserved, moved_at)"
        " SELECT kind, account_id, asset_id, 0, 0, 0,"
        " (SELECT (max(month) + interval '1 month') AT TIME ZONE 'UTC' FROM accounts_closedmonth)"
        " FROM unnest(%s::text[], %s::bigint[], %s::bigint[]) AS k(kind, account_id, asset_id)"
        " ON CONFLICT DO NOTHING",
        [[k[0] for k in ordered], [k[1] for k in ordered], [k[2] for k in ordered]],
    )
