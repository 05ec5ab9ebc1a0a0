"""The ledger's only writer: lock the accounts in id order, post in memory, write once.

Everything that moves money goes through a `Ledger` inside one transaction. A batch of a thousand
postings costs the same few statements as one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple, NewType

from tradeengine import pack_rows

from accounts.models import LedgerKind, TransferKind
from instruments.models import Realm
from tradeplatform.common.db import array, copy_packed, execute, fetch, next_ids, require_transaction

_Key = tuple[str, "int | str", int]  # kind, trading account (of the house's own: realm), asset

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
    realm: str
    balance: Decimal
    held: Decimal
    reserved: Decimal
    moved_at: datetime | None

    @property
    def available(self) -> Decimal:
        """What may be spent or withdrawn now; below zero where open positions need more than there is."""
        return self.balance - self.held - self.reserved


class Cause(NamedTuple):
    """Why money moved: a trade and its order, a person's request with its reason, or what it corrects."""

    order_id: int | None = None
    trade_id: int | None = None
    corrects_id: int | None = None
    request_id: str = ""
    reason: str = ""
    actor_id: int | None = None


_TRANSFER_COLUMNS = (
    "id", "entry_id", "at", "kind", "asset_id", "realm", "debit_id", "credit_id", "amount",
    "debit_balance_after", "credit_balance_after", *Cause._fields,
)  # fmt: skip
_TRANSFER_TYPES = "qqtshsqqnnnqqqssq"


_CHANGED_COLUMNS = ("id", "balance", "held", "reserved", "moved_at")


class Ledger:
    """A working copy of locked ledger accounts. Use inside one transaction and `flush` before it ends."""

    def __init__(self, accounts: Iterable[LockedAccount]) -> None:
        self._by_key: dict[_Key, LockedAccount] = {
            (a.kind, a.account_id or a.realm, a.asset_id): a for a in accounts
        }
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
        """Lock the accounts of (trading account, asset) and (kind, asset) in id order; make missing ones.

        The house's own are those of the realms of the trading accounts; where none is named, the live ones.
        """
        require_transaction()
        own: set[_Key] = {(LedgerKind.CLIENT.value, account, asset) for account, asset in clients}
        own |= {(LedgerKind.CREDIT.value, account, asset) for account, asset in credits}
        found = _find_own(own) if own else {}
        realms = {realm for _, realm in found.values()} or {Realm.LIVE.value}
        house = {(kind.value, realm, asset) for kind, asset in system for realm in realms}
        ids = [number for number, _ in found.values()]
        return cls.lock_ids(ids + (_find_house(house) if house else []))

    @classmethod
    def lock_ids(cls, ids: Iterable[int]) -> Ledger:
        """Lock ledger accounts that exist, in id order."""
        require_transaction()
        rows = fetch(
            "SELECT id, kind, account_id, asset_id, realm, balance, held, reserved, moved_at"
            " FROM accounts_ledgeraccount"
            " WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE",
            [list(ids)],
            prepared=True,
        )
        return cls(LockedAccount(*row) for row in rows)

    def client(self, account_id: int, asset_id: int) -> LockedAccount:
        """The locked ledger account of a trading account in an asset."""
        # A kind is its word, as a key too; asking the member for its value would cost more than the look-up.
        return self._by_key[LedgerKind.CLIENT, account_id, asset_id]

    def credit(self, account_id: int, asset_id: int) -> LockedAccount:
        """The locked ledger account of what the house lent a trading account in an asset."""
        return self._by_key[LedgerKind.CREDIT, account_id, asset_id]

    def system(self, kind: LedgerKind, asset_id: int, realm: str = Realm.LIVE) -> LockedAccount:
        """The locked ledger account of the house's own kind in an asset, on one side of the wall."""
        return self._by_key[kind, realm, asset_id]

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
        """Move `amount` (> 0, exact in the asset) from `debit` to `credit` of one realm, at `moment(at)`.

        It is a leg of `entry`, an earlier answer of this Ledger since its last flush, else begins its own.
        """
        if amount <= 0 or debit.asset_id != credit.asset_id or debit.realm != credit.realm:
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
                kind,
                debit.asset_id,
                debit.realm,
                debit.id,
                credit.id,
                amount,
                debit.balance,
                credit.balance,
                *cause,
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
            rows = (
                (number, ids[entry], *row)
                for number, entry, row in zip(ids, self._entries, self._transfers, strict=True)
            )
            copy_packed("accounts_transfer", _TRANSFER_COLUMNS, pack_rows(_TRANSFER_TYPES, rows))
        if self._changed:
            changed = [self._changed[key] for key in sorted(self._changed)]
            execute(
                "UPDATE accounts_ledgeraccount SET balance = new.balance, held = new.held,"
                " reserved = new.reserved, moved_at = new.moved_at"
                " FROM unnest(%s::bigint[], %s::numeric[], %s::numeric[], %s::numeric[], %s::timestamptz[])"
                " AS new(id, balance, held, reserved, moved_at) WHERE accounts_ledgeraccount.id = new.id",
                [array(getattr(a, name) for a in changed) for name in _CHANGED_COLUMNS],
                prepared=True,
            )
        self._transfers, self._entries, self._changed = [], [], {}
        return ids


def _find_own(keys: Collection[_Key]) -> dict[_Key, tuple[int, str]]:
    """Ids and realms of clients' ledger accounts by key, made where missing; ids and realms never change."""
    found = _select_own(keys)
    if missing := [key for key in keys if key not in found]:
        # Each is of its trading account's realm.
        execute(
            _CREATE.format(
                realm="(SELECT realm FROM accounts_tradingaccount WHERE id = k.owner)",
                account="owner",
                type="bigint",
            ),
            _columns(sorted(missing)),
        )
        found = _select_own(keys)
    return found


def _select_own(keys: Collection[_Key]) -> dict[_Key, tuple[int, str]]:
    rows = fetch(
        "SELECT la.kind, la.account_id, la.asset_id, la.id, la.realm FROM accounts_ledgeraccount la"
        " JOIN unnest(%s::text[], %s::bigint[], %s::bigint[]) AS k(kind, account_id, asset_id)"
        " USING (kind, account_id, asset_id)",
        _columns(keys),
        prepared=True,
    )
    return {(kind, account, asset): (number, realm) for kind, account, asset, number, realm in rows}


def _find_house(keys: Collection[_Key]) -> list[int]:
    """Ids of the house's own ledger accounts, made where missing."""
    found = _select_house(keys)
    if len(found) < len(keys):
        execute(_CREATE.format(realm="owner", account="NULL", type="text"), _columns(sorted(keys)))
        found = _select_house(keys)
    return found


def _select_house(keys: Collection[_Key]) -> list[int]:
    rows = fetch(
        "SELECT la.id FROM accounts_ledgeraccount la"
        " JOIN unnest(%s::text[], %s::text[], %s::bigint[]) AS k(kind, realm, asset_id)"
        " USING (kind, realm, asset_id) WHERE la.account_id IS NULL",
        _columns(keys),
        prepared=True,
    )
    return [number for (number,) in rows]


# One that another transaction creates meanwhile is left alone. Keys are sorted: two meet them in one order.
_CREATE = """
    INSERT INTO accounts_ledgeraccount (kind, account_id, asset_id, realm, balance, held, reserved, moved_at)
    SELECT kind, {account}, asset_id, {realm}, 0, 0, 0,
        (SELECT (max(month) + interval '1 month') AT TIME ZONE 'UTC' FROM accounts_closedmonth)
    FROM unnest(%s::text[], %s::{type}[], %s::bigint[]) AS k(kind, owner, asset_id)
    ON CONFLICT DO NOTHING"""


def _columns(keys: Iterable[_Key]) -> list[list[object]]:
    return [list(column) for column in zip(*keys, strict=True)]
