"""Reading people, trading accounts, balances and the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from django.db.models import QuerySet

from accounts.models import LedgerAccount, LedgerKind, MoneyRequest, TradingAccount
from tradeplatform.common.db import array, fetch
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.ids import ID_MAX, is_id
from tradeplatform.common.pagination import Page, cut
from tradeplatform.common.together import Together

_THE_END = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """One transfer as one party saw it: `amount` is negative when money left its balance.

    The order behind a transfer is the payer's, so `order_id` is None where the party was paid.
    """

    transfer_id: int
    at: datetime
    kind: str
    asset: str
    decimals: int
    amount: Decimal
    balance_after: Decimal
    order_id: int | None
    trade_id: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Reach:
    """Whose accounts a caller may name: a person's own, or of those only the one that a key is for."""

    user_id: int
    account_id: int | None = None

    def is_own(self, account_id: int, owners: Mapping[int, int]) -> bool:
        """Whether it is within reach, if these are the accounts' `owners`."""
        return owners.get(account_id) == self.user_id and self.account_id in (None, account_id)


def accounts_of(reach: Reach) -> QuerySet[TradingAccount]:
    """The trading accounts within reach, oldest first."""
    return _within(reach).select_related("currency").order_by("id")


def own_accounts(reach: Reach, account_ids: Iterable[int]) -> set[int]:
    """Those of the accounts that are within reach."""
    wanted = {number for number in account_ids if is_id(number)}
    return set(_within(reach).filter(id__in=wanted).values_list("id", flat=True))


def require_own_account(reach: Reach, account_id: int) -> int:
    """The account's id. Another person's account is as unknown as none: both raise account_not_found."""
    named = is_id(account_id) and reach.account_id in (None, account_id)
    if not named or _owner_of(account_id) != reach.user_id:
        raise account_not_found(account_id)
    return account_id


def owners_of(account_ids: Iterable[int]) -> dict[int, int]:
    """Whose these accounts are: the person's id by that of the account."""
    wanted = list(account_ids)
    sql = "SELECT id, user_id FROM accounts_tradingaccount WHERE id = ANY(%s::bigint[])"
    return dict(fetch(sql, [array(wanted)], prepared=True)) if wanted else {}


def _owners(account_ids: Sequence[int]) -> list[int | None]:
    owners = owners_of(account_ids)
    return [owners.get(account_id) for account_id in account_ids]


_owner_of = Together(_owners)


def chosen_accounts(reach: Reach, account_id: int | None) -> list[int]:
    """The one account asked for, or all within reach. Raises account_not_found."""
    if account_id is not None:
        return [require_own_account(reach, account_id)]
    return list(accounts_of(reach).values_list("id", flat=True))


def _within(reach: Reach) -> QuerySet[TradingAccount]:
    own = TradingAccount.objects.filter(user_id=reach.user_id)
    return own if reach.account_id is None else own.filter(id=reach.account_id)


def account_not_found(account_id: int) -> Refusal:
    """The one answer for an account that is not there and for one that is another person's."""
    return Refusal(Code.ACCOUNT_NOT_FOUND, "No such account.", account=str(account_id))


def money_requests_of(account_id: int) -> QuerySet[MoneyRequest]:
    """What was asked for about an account's money."""
    return MoneyRequest.objects.filter(account_id=account_id).select_related("asset")


def require_money_request(account_id: int, number: int) -> MoneyRequest:
    """One of the account's requests. Raises request_not_found."""
    found = money_requests_of(account_id).filter(id=number).first() if is_id(number) else None
    if found is None:
        raise Refusal(Code.REQUEST_NOT_FOUND, "No such request.", request=str(number))
    return found


def balances_of(account_id: int) -> QuerySet[LedgerAccount]:
    """What an account owns, by asset code; what the house lent it (credit) is not its own."""
    own = LedgerAccount.objects.filter(account_id=account_id, kind=LedgerKind.CLIENT)
    return own.select_related("asset").order_by("asset__code")


def ledger_of(*, account_id: int, asset: str | None, cursor: int | None, limit: int) -> Page[LedgerLine]:
    """An account's transfers, newest first, before the transfer with the id `cursor`.

    Each balance is read from both sides by the indexes (debit, at, id) and (credit, at, id), for `limit + 1`
    rows, and no partition is opened beyond those.
    """
    rows = fetch(
        """
        SELECT t.id, t.at, t.kind, a.code, a.decimals,
               CASE WHEN t.credit_id = la.id THEN t.amount ELSE -t.amount END,
               CASE WHEN t.credit_id = la.id THEN t.credit_balance_after ELSE t.debit_balance_after END,
               CASE WHEN t.debit_id = la.id THEN t.order_id END, t.trade_id, t.reason
        FROM accounts_ledgeraccount la
        JOIN instruments_asset a ON a.id = la.asset_id
        CROSS JOIN LATERAL (
            (SELECT * FROM accounts_transfer WHERE debit_id = la.id AND (at, id) < (%(at)s, %(below)s)
             ORDER BY at DESC, id DESC LIMIT %(rows)s)
            UNION ALL
            (SELECT * FROM accounts_transfer WHERE credit_id = la.id AND (at, id) < (%(at)s, %(below)s)
             ORDER BY at DESC, id DESC LIMIT %(rows)s)
        ) t
        WHERE la.account_id = %(account)s AND la.kind = 'client'
          AND (%(asset)s::text IS NULL OR a.code = %(asset)s)
        ORDER BY t.at DESC, t.id DESC LIMIT %(rows)s
        """,
        {
            "account": account_id,
            "asset": asset,
            "at": _THE_END if cursor is None else _time_of(cursor),
            "below": cursor or ID_MAX,
            "rows": limit + 1,
        },
    )
    return cut([(row[0], LedgerLine(*row)) for row in rows], limit)


@dataclass(frozen=True, slots=True)
class LastMoved:
    """The last transfer of a ledger account; none yet: no time, and the id 0."""

    at: datetime | None
    id: int


def last_moved(balances: Iterable[LedgerAccount]) -> dict[int, LastMoved]:
    """The last transfer of each of these ledger accounts, by its id."""
    moved = {row.pk: row.moved_at for row in balances}
    rows = fetch(
        """
        SELECT la.id, max(t.id)
        FROM unnest(%s::bigint[], %s::timestamptz[]) AS la(id, at)
        CROSS JOIN LATERAL (
            SELECT id FROM accounts_transfer WHERE debit_id = la.id AND at = la.at
            UNION ALL SELECT id FROM accounts_transfer WHERE credit_id = la.id AND at = la.at
        ) t
        GROUP BY la.id
        """,
        [list(moved), list(moved.values())],
    )
    last = dict(rows)
    return {number: LastMoved(at, last.get(number, 0)) for number, at in moved.items()}


def lines_after(account_id: int, since: Mapping[int, LastMoved]) -> list[LedgerLine]:
    """The account's transfers after these of its ledger accounts that no trade has caused, oldest first.

    Of a ledger account that is not among them, all: it is new.
    """
    rows = fetch(
        """
        SELECT t.id, t.at, t.kind, a.code, a.decimals,
               CASE WHEN t.credit_id = la.id THEN t.amount ELSE -t.amount END,
               CASE WHEN t.credit_id = la.id THEN t.credit_balance_after ELSE t.debit_balance_after END,
               NULL, NULL, t.reason
        FROM accounts_ledgeraccount la
        JOIN instruments_asset a ON a.id = la.asset_id
        LEFT JOIN unnest(%(accounts)s::bigint[], %(times)s::timestamptz[], %(ids)s::bigint[])
            AS since(account, at, id) ON since.account = la.id
        CROSS JOIN LATERAL (
            (SELECT * FROM accounts_transfer WHERE debit_id = la.id AND trade_id IS NULL
             AND (at, id) > (coalesce(since.at, '-infinity'), coalesce(since.id, 0)))
            UNION ALL
            (SELECT * FROM accounts_transfer WHERE credit_id = la.id AND trade_id IS NULL
             AND (at, id) > (coalesce(since.at, '-infinity'), coalesce(since.id, 0)))
        ) t
        WHERE la.account_id = %(account)s AND la.kind = 'client'
        ORDER BY t.id
        """,
        {
            "account": account_id,
            "accounts": list(since),
            "times": [one.at for one in since.values()],
            "ids": [one.id for one in since.values()],
        },
    )
    return [LedgerLine(*row) for row in rows]


def _time_of(transfer_id: int) -> datetime:
    """When the transfer with this id was, or the last before it."""
    found = fetch("SELECT at FROM accounts_transfer WHERE id <= %s ORDER BY id DESC LIMIT 1", [transfer_id])
    return found[0][0] if found else _THE_END
