"""The ledger's only writer: lock the accounts in id order, post in memory, write once.

Everything that moves money goes through a `Ledger` inside one transaction. A batch of a thousand
postings costs the same few statements as one.

What depends on balances to the last unit locks first. Intake and the drain, which have much else to write,
only look at first, and lock at the end: the same accounts are then locked for a fraction of the time, and
shards and doors work side by side.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple, NewType

from accounts.models import LedgerKind, TransferKind
from instruments.models import Realm
from tradeplatform.common.db import array, execute, fetch, require_transaction
from tradeplatform.common.statements import Insertion, Statement, known, numbers, run_each

_Key = tuple[str, "int | str", int]  # kind, trading account (of the house's own: realm), asset

#: The place in its batch of an entry's first transfer.
Entry = NewType("Entry", int)

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class OpenAccount:
    """A ledger account as this transaction has it: as it was read, with what has been posted since."""

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


# In the order of the fields of an OpenAccount.
_COLUMNS = (
    "la.id, la.kind, la.account_id, la.asset_id, la.realm, la.balance, la.held, la.reserved, la.moved_at"
)
_CHANGED_COLUMNS = ("id", "balance", "held", "reserved", "moved_at")


class Ledger:
    """A working copy of ledger accounts. Use inside one transaction and `flush` before it ends."""

    def __init__(
        self, accounts: Iterable[OpenAccount], *, locked: bool = True, ids: Iterable[int] = ()
    ) -> None:
        self._by_key: dict[_Key, OpenAccount] = {_key(account): account for account in accounts}
        # As they were read: what is done here is told from what others do by the difference.
        self._seen = {account.id: replace(account) for account in self._by_key.values()}
        self._is_locked = locked
        self._latest = self._last_move()
        self._changed: dict[int, OpenAccount] = {}
        self._transfers: list[tuple[Any, ...]] = []
        self._entries: list[Entry] = []
        # For transfers to come. They are taken under the locks, in the order of what they do.
        self._ids = list(ids)

    @classmethod
    def lock(
        cls,
        *,
        clients: Iterable[tuple[int, int]] = (),
        credits: Iterable[tuple[int, int]] = (),  # noqa: A002 - the kind's name
        system: Iterable[tuple[LedgerKind, int]] = (),
        seen: Iterable[OpenAccount] = (),
        transfers: int = 0,
    ) -> Ledger:
        """Lock the accounts of (trading account, asset) and (kind, asset) in id order; make missing ones.

        The house's own are those of the realms of the trading accounts; where none is named, the live ones.
        `seen` were found in this transaction already. Ids for so many `transfers` are taken in the same go.
        """
        own: set[_Key] = {(LedgerKind.CLIENT.value, account, asset) for account, asset in clients}
        own |= {(LedgerKind.CREDIT.value, account, asset) for account, asset in credits}
        found = _locked(account.id for account in _found(own, set(system), seen))
        # Not before the locks: what they had to wait for has lower ids.
        accounts, ids = run_each(found, _transfer_ids(transfers))
        return cls(accounts, ids=ids)

    @classmethod
    def look(
        cls,
        *,
        clients: Iterable[tuple[int, int]] = (),
        system: Iterable[tuple[LedgerKind, int]] = (),
        seen: Iterable[OpenAccount] = (),
    ) -> Ledger:
        """As `lock`, but locked by `take` or `flush` only: until then what others post is not seen.

        What was posted here is then put on top of that; nothing may depend on the balances themselves.
        `seen` were read in this transaction already.
        """
        own: set[_Key] = {(LedgerKind.CLIENT.value, account, asset) for account, asset in clients}
        return cls(_found(own, set(system), seen), locked=False)

    @classmethod
    def lock_ids(cls, ids: Iterable[int]) -> Ledger:
        """Lock ledger accounts that exist, in id order."""
        return cls(_locked(ids).run())

    def client(self, account_id: int, asset_id: int) -> OpenAccount:
        """The locked ledger account of a trading account in an asset."""
        # A kind is its word, as a key too; asking the member for its value would cost more than the look-up.
        return self._by_key[LedgerKind.CLIENT, account_id, asset_id]

    def credit(self, account_id: int, asset_id: int) -> OpenAccount:
        """The locked ledger account of what the house lent a trading account in an asset."""
        return self._by_key[LedgerKind.CREDIT, account_id, asset_id]

    def system(self, kind: LedgerKind, asset_id: int, realm: str = Realm.LIVE) -> OpenAccount:
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
        debit: OpenAccount,
        credit: OpenAccount,
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

    def hold(self, account: OpenAccount, change: Decimal) -> None:
        """Reserve (`change` > 0) or release (< 0) a part of a client's balance, for an order or a request."""
        if change:
            account.held += change
            self._changed[account.id] = account

    def reserve(self, account: OpenAccount, amount: Decimal) -> None:
        """Say how much of a client's balance open positions need now, in place of what was said before."""
        if account.reserved != amount:
            account.reserved = amount
            self._changed[account.id] = account

    def take(self) -> None:
        """Lock what was only looked at, and put what has been posted here on top of what is there now."""
        if self._is_locked:
            return
        moved: dict[int, Decimal] = {}
        accounts = {account.id: account for account in self._by_key.values()}
        for now in _locked(accounts).run():
            account, seen = accounts[now.id], self._seen[now.id]
            if now.balance != seen.balance:
                moved[now.id] = now.balance - seen.balance
            account.balance += now.balance - seen.balance
            account.held += now.held - seen.held
            account.reserved += now.reserved - seen.reserved
            account.moved_at = max(filter(None, (account.moved_at, now.moved_at)), default=None)
        self._is_locked = True
        latest = max(self._latest, self._last_move())
        if moved or latest != self._latest:
            self._latest = latest
            self._transfers = [_rebased(row, moved, latest) for row in self._transfers]
            for at, _kind, _asset, _realm, debit_id, credit_id, *_ in self._transfers:
                accounts[debit_id].moved_at = accounts[credit_id].moved_at = at

    def holding(self) -> Statement[bool]:
        """Lock what was only looked at, and hold what is held here on top of what is held there by now.

        The answer is whether there was enough of everything: else nothing may come of the transaction. For
        a Ledger in which nothing was done but `hold`, and instead of `flush`.
        """
        more = {number: account.held - self._seen[number].held for number, account in self._changed.items()}
        self._changed = {}
        if not more:
            return known(value=True)
        ids, changes = array(more), array(more.values())
        return Statement(_HOLD, [ids, ids, changes], lambda rows: len(rows) == len(more))

    def changed(self) -> Sequence[OpenAccount]:
        """The accounts that this transaction has changed so far."""
        return list(self._changed.values())

    def _last_move(self) -> datetime:
        return max((a.moved_at for a in self._by_key.values() if a.moved_at), default=_LONG_AGO)

    def accounts(self) -> Sequence[OpenAccount]:
        """Every account of it, in no particular order."""
        return list(self._by_key.values())

    def flush(self) -> list[int]:
        """Write transfers and balances; return transfer ids. The database refuses to leave a client short."""
        ids = self.numbered()
        transfers, balances = self.written()
        transfers.copy()
        balances.run()
        return ids

    def numbered(self) -> list[int]:
        """The ids of what is posted here, in that order.

        They are taken under the locks only, so that along each ledger account they increase with its time.
        """
        self.take()
        missing = len(self._transfers) - len(self._ids)
        if missing > 0:
            self._ids += _transfer_ids(missing).run()
        return self._ids[: len(self._transfers)]

    def written(self) -> tuple[Insertion, Statement[None]]:
        """What `flush` writes: transfers, and after them the balances that they leave."""
        ids = self.numbered()
        rows = [
            (number, ids[entry], *row)
            for number, entry, row in zip(ids, self._entries, self._transfers, strict=True)
        ]
        changed = [self._changed[key] for key in sorted(self._changed)]
        self._transfers, self._entries, self._changed, self._ids = [], [], {}, []
        columns = [array(getattr(account, name) for account in changed) for name in _CHANGED_COLUMNS]
        return (
            Insertion("accounts_transfer", _TRANSFER_COLUMNS, _TRANSFER_TYPES, rows),
            Statement(_CHANGE, columns, lambda _rows: None) if changed else known(None),
        )


def _transfer_ids(count: int) -> Statement[list[int]]:
    return numbers("accounts_transfer_id_seq", count) if count else known([])


_CHANGE = """
    UPDATE accounts_ledgeraccount SET balance = new.balance, held = new.held, reserved = new.reserved,
        moved_at = new.moved_at
    FROM unnest(%s::bigint[], %s::numeric[], %s::numeric[], %s::numeric[], %s::timestamptz[])
        AS new(id, balance, held, reserved, moved_at)
    WHERE accounts_ledgeraccount.id = new.id"""

# Who waits for a row goes on from what it is by then, with what stands here: other conditions, other holds.
_HOLD = """
    WITH locked AS MATERIALIZED (
        SELECT id FROM accounts_ledgeraccount WHERE id = ANY(%s::bigint[]) ORDER BY id FOR NO KEY UPDATE
    )
    UPDATE accounts_ledgeraccount a SET held = a.held + more.held
    FROM locked JOIN unnest(%s::bigint[], %s::numeric[]) AS more(id, held) USING (id)
    WHERE a.id = locked.id AND a.balance - a.held - a.reserved >= more.held
    RETURNING a.id"""


def _rebased(row: tuple[Any, ...], moved: Mapping[int, Decimal], latest: datetime) -> tuple[Any, ...]:
    """A transfer whose accounts had moved by so much before it, at `latest` or later."""
    at, kind, asset_id, realm, debit_id, credit_id, amount, debit_after, credit_after, *cause = row
    debit_after += moved.get(debit_id, 0)
    credit_after += moved.get(credit_id, 0)
    at = max(at, latest)
    return at, kind, asset_id, realm, debit_id, credit_id, amount, debit_after, credit_after, *cause


def _found(
    own: Collection[_Key], system: Collection[tuple[LedgerKind, int]], seen: Iterable[OpenAccount] = ()
) -> list[OpenAccount]:
    """These accounts as committed, made where missing; the house's own are of the realms of `own`."""
    require_transaction()
    there = {key: account for account in seen if (key := _key(account)) in own}
    missing = [key for key in own if key not in there]
    found = [*there.values(), *(_find_own(missing) if missing else [])]
    realms = {account.realm for account in found} or {Realm.LIVE.value}
    house = {(kind.value, realm, asset) for kind, asset in system for realm in realms}
    return found + (_find_house(house) if house else [])


def _locked(ids: Iterable[int]) -> Statement[list[OpenAccount]]:
    require_transaction()
    return Statement(
        f"SELECT {_COLUMNS} FROM accounts_ledgeraccount la"  # noqa: S608 - our own words
        " WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE",
        [list(ids)],
        lambda rows: [OpenAccount(*row) for row in rows],
    )


def _find_own(keys: Collection[_Key]) -> list[OpenAccount]:
    """Clients' ledger accounts, made where missing."""
    found = _own(keys).run()
    there = {_key(account) for account in found}
    if missing := [key for key in keys if key not in there]:
        # Each is of its trading account's realm.
        execute(
            _CREATE.format(
                realm="(SELECT realm FROM accounts_tradingaccount WHERE id = k.owner)",
                account="owner",
                type="bigint",
            ),
            _columns(sorted(missing)),
        )
        found = _own(keys).run()
    return found


def _key(account: OpenAccount) -> _Key:
    return account.kind, account.account_id or account.realm, account.asset_id


def clients_seen(clients: Iterable[tuple[int, int]]) -> Statement[list[OpenAccount]]:
    """Clients' ledger accounts of (trading account, asset) as they are; those that are missing stay so."""
    wanted: set[_Key] = {(LedgerKind.CLIENT.value, account, asset) for account, asset in clients}
    return _own(wanted) if wanted else known([])


def _own(keys: Collection[_Key]) -> Statement[list[OpenAccount]]:
    return Statement(_OWN, _columns(keys), lambda rows: [OpenAccount(*row) for row in rows])


# One after another: a join that is planned once may go through all accounts for a few.
_OWN = f"""
    SELECT {_COLUMNS} FROM unnest(%s::text[], %s::bigint[], %s::bigint[]) AS k(kind, account_id, asset_id)
    CROSS JOIN LATERAL (
        SELECT * FROM accounts_ledgeraccount a
        WHERE a.kind = k.kind AND a.account_id = k.account_id AND a.asset_id = k.asset_id OFFSET 0
    ) la"""  # noqa: S608 - our own words


def _find_house(keys: Collection[_Key]) -> list[OpenAccount]:
    """The house's own ledger accounts, made where missing."""
    found = _select_house(keys)
    if len(found) < len(keys):
        execute(_CREATE.format(realm="owner", account="NULL", type="text"), _columns(sorted(keys)))
        found = _select_house(keys)
    return found


def _select_house(keys: Collection[_Key]) -> list[OpenAccount]:
    rows = fetch(
        f"SELECT {_COLUMNS} FROM accounts_ledgeraccount la"  # noqa: S608 - our own words
        " JOIN unnest(%s::text[], %s::text[], %s::bigint[]) AS k(kind, realm, asset_id)"
        " ON la.kind = k.kind AND la.realm = k.realm AND la.asset_id = k.asset_id"
        " WHERE la.account_id IS NULL",
        _columns(keys),
        prepared=True,
    )
    return [OpenAccount(*row) for row in rows]


# One that another transaction creates meanwhile is left alone. Keys are sorted: two meet them in one order.
_CREATE = """
    INSERT INTO accounts_ledgeraccount (kind, account_id, asset_id, realm, balance, held, reserved, moved_at)
    SELECT kind, {account}, asset_id, {realm}, 0, 0, 0,
        (SELECT (max(month) + interval '1 month') AT TIME ZONE 'UTC' FROM accounts_closedmonth)
    FROM unnest(%s::text[], %s::{type}[], %s::bigint[]) AS k(kind, owner, asset_id)
    ON CONFLICT DO NOTHING"""


def _columns(keys: Iterable[_Key]) -> list[list[object]]:
    return [list(column) for column in zip(*keys, strict=True)]
