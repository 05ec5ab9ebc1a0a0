"""Balances with what is held of them, and the latest transfers of ledger accounts."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import QuerySet
from django.urls import reverse
from django.utils.safestring import SafeString

from accounts.admin import show as party
from accounts.models import LedgerAccount, TradingAccount, Transfer
from accounts.selectors import balances_of
from instruments.admin.show import amount
from tradeplatform.common.admin import show
from tradeplatform.common.admin.paging import page_of_timed_sources
from tradeplatform.common.admin.panels import Table, columns

LATEST = 20
RELATED = ("asset", "debit__asset", "credit__asset", "debit__account", "credit__account")


def balances(account: TradingAccount) -> Table:
    """All balances of an account, with bars of what is held, what positions need, and what is available."""
    return Table(
        "Balances",
        columns("Asset", "#Balance", "#Held", "#Reserved", "#Available", "Held / reserved / available"),
        [
            [
                show.ref(row, row.asset.code),
                amount(row.balance, row.asset, unit=False),
                amount(row.held, row.asset, unit=False),
                amount(row.reserved, row.asset, unit=False),
                amount(row.available, row.asset, unit=False),
                parts(row),
            ]
            for row in balances_of(account.pk)
        ],
        empty="No money yet. Press Deposit to bring some in.",
    )


def parts(row: LedgerAccount) -> SafeString:
    """What orders and requests hold, what open positions need, and what is free, as a bar."""
    return show.bar(
        (row.held, "warn"),
        (row.reserved, "info"),
        (row.available, "good"),
        title="held, reserved for positions, available",
    )


def latest_of_account(account: TradingAccount) -> Table:
    """The newest transfers of all the account's ledger accounts."""
    ids = list(LedgerAccount.objects.filter(account=account).values_list("id", flat=True))
    return _latest(ids, account.account_number)


def latest_of_ledger(ledger: LedgerAccount) -> Table:
    """The newest transfers of one ledger account."""
    return _latest([ledger.pk], f"#{ledger.pk}")


def _latest(ledger_ids: list[int], name: str) -> Table:
    whole = Transfer.objects.select_related(*RELATED)
    sources = sides_of(ledger_ids, Transfer.objects.all())
    transfers = page_of_timed_sources(sources, whole, older=None, newer=None, size=LATEST).rows
    return Table(
        "Latest transfers",
        columns("Transfer", "When (UTC)", "Kind", "#Amount", "#Balance after", "Other side", "Because of"),
        [_line(transfer, set(ledger_ids)) for transfer in transfers],
        empty="No money has moved yet.",
        more=(show.list_of(Transfer, account=name), "All of them") if transfers else None,
    )


def sides_of(ledger_ids: Sequence[int], transfers: QuerySet[Transfer]) -> list[QuerySet[Transfer]]:
    """What debits and what credits each of them, by the indexes of both sides."""
    return [transfers.filter(**{side: number}) for number in ledger_ids for side in ("debit_id", "credit_id")]


def _line(transfer: Transfer, own: set[int]) -> list[object]:
    incoming = transfer.credit_id in own
    after = transfer.credit_balance_after if incoming else transfer.debit_balance_after
    signed = transfer.amount if incoming else -transfer.amount
    return [
        show.ref(transfer, transfer.pk),
        show.when(transfer.at),
        party.transfer_kind(transfer.kind),
        amount(signed, transfer.asset),
        amount(after, transfer.asset),
        party.party(transfer.debit if incoming else transfer.credit),
        cause(transfer),
    ]


def cause(transfer: Transfer) -> object:
    """The order behind it, or a person's reason."""
    if transfer.order_id:
        return show.lines(order_link(transfer.order_id))
    return transfer.reason or show.NOTHING


def trade_link(trade_id: int | None) -> object:
    """A link to a trade, likewise, and to all that it moved."""
    if not trade_id:
        return show.NOTHING
    page = reverse("admin:orders_trade_change", args=[trade_id])
    return show.lines(
        show.link(page, trade_id), show.link(show.list_of(Transfer, trade=trade_id), "all its transfers")
    )


def order_link(order_id: int | None) -> object:
    """A link to an order, which lives on a floor above: only its address is known here."""
    if not order_id:
        return show.NOTHING
    return show.link(reverse("admin:orders_order_change", args=[order_id]), f"order {order_id}")
