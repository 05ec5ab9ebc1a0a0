"""Transfers: every movement of money, with both sides and what each held before and after. Read only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import path
from django.utils.safestring import SafeString

from accounts.admin import correcting, exports
from accounts.admin import show as party
from accounts.admin.ledger_panels import RELATED, cause, order_link, sides_of, trade_link
from accounts.models import LedgerAccount, Transfer, TransferKind, User
from instruments.admin.show import amount
from instruments.models import Asset
from tradeplatform.common.admin import show
from tradeplatform.common.admin.buttons import Button
from tradeplatform.common.admin.details import DetailMixin
from tradeplatform.common.admin.filters import ChoiceFilter, DaysFilter, IdFilter, SourceFilter, as_id
from tradeplatform.common.admin.lists import KeysetList
from tradeplatform.common.admin.paging import (
    KeysetChangeList,
    Page,
    page_by_id,
    page_of_timed_sources,
)
from tradeplatform.common.admin.panels import Fact, Facts, Panel, Table, columns


class AccountFilter(SourceFilter):
    """One side belongs to this trading account, or is this ledger account (#12)."""

    title, parameters, placeholder = "account", ("account",), "ACC-000001"


class KindFilter(ChoiceFilter):
    """Why it moved."""

    indexed = False
    title, parameters, options = "kind", ("kind",), TransferKind.choices


class AssetFilter(ChoiceFilter):
    """What moved."""

    indexed = False
    title, parameters, lookup = "asset", ("asset",), "asset__code"

    def lookups(self) -> list[tuple[str, str]]:
        """All assets."""
        return [(code, code) for code in Asset.objects.order_by("code").values_list("code", flat=True)]


class TradeFilter(IdFilter):
    """All that one trade moved."""

    title, parameters, lookup, placeholder = "trade", ("trade",), "trade_id", "trade id"


class TransferDays(DaysFilter):
    """When it was posted."""

    field = "at"


@admin.register(Transfer)
class TransferAdmin(DetailMixin, KeysetList):
    """The ledger, newest first."""

    question = "What money moved, between whom, and what did each side hold before and after?"
    when_empty = "No money has moved yet. Deposit on a trading account's page."
    search_hint = "Transfer id"
    list_display = ("number", "moment", "kind_shown", "moved", "from_side", "to_side", "because")
    list_display_links = ("number",)
    list_filter = (AccountFilter, KindFilter, AssetFilter, TradeFilter, TransferDays)
    list_before_template = "accounts/ledger_export.html"
    buttons: ClassVar[list[type[Button]]] = [correcting.Correct]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Transfer]:
        """With both sides."""
        return Transfer.objects.select_related(*RELATED)

    def get_urls(self) -> list[Any]:
        """The export before the addresses of rows, which match everything."""
        export = self.admin_site.admin_view(exports.export_view)
        return [path("export/", export, name="ledger_export"), *super().get_urls()]

    def search_rows(self, queryset: QuerySet[Transfer], term: str) -> QuerySet[Transfer]:
        """By id."""
        found = as_id(term)
        return queryset.none() if found is None else queryset.filter(pk=found)

    def page_of_rows(self, changes: KeysetChangeList, *, older: str | None, newer: str | None) -> Page:
        """By id; of one account, both sides of each of its ledger accounts from their own indexes."""
        named, size = changes.filter_value("account"), self.list_per_page
        if not named:
            return page_by_id(changes.queryset, older=older, newer=newer, size=size)
        sources = sides_of(ledgers_named(named), changes.queryset)
        whole = Transfer.objects.select_related(*RELATED)
        return page_of_timed_sources(sources, whole, older=older, newer=newer, size=size)

    @admin.display(description="Transfer")
    def number(self, transfer: Transfer) -> SafeString | str:
        """Its id."""
        return show.mono(transfer.pk)

    @admin.display(description="When (UTC)")
    def moment(self, transfer: Transfer) -> SafeString | str:
        """When."""
        return show.when(transfer.at)

    @admin.display(description="Kind")
    def kind_shown(self, transfer: Transfer) -> SafeString:
        """Why."""
        return party.transfer_kind(transfer.kind)

    @admin.display(description="Amount")
    def moved(self, transfer: Transfer) -> SafeString | str:
        """How much."""
        return amount(transfer.amount, transfer.asset)

    @admin.display(description="From, balance after")
    def from_side(self, transfer: Transfer) -> SafeString:
        """Who gave."""
        after = amount(transfer.debit_balance_after, transfer.asset, unit=False)
        return show.lines(party.party(transfer.debit), after)

    @admin.display(description="To, balance after")
    def to_side(self, transfer: Transfer) -> SafeString:
        """Who got."""
        after = amount(transfer.credit_balance_after, transfer.asset, unit=False)
        return show.lines(party.party(transfer.credit), after)

    @admin.display(description="Because of")
    def because(self, transfer: Transfer) -> object:
        """The order, or the reason."""
        return cause(transfer)

    def heading(self, transfer: Transfer) -> str:
        """Its number."""
        return f"Transfer {transfer.pk}"

    def badges(self, transfer: Transfer) -> Iterable[SafeString]:
        """Why."""
        return [party.transfer_kind(transfer.kind)]

    def panels(self, request: HttpRequest, transfer: Transfer) -> Iterable[Panel]:
        """The movement on both sides, and its cause."""
        asset, moved = transfer.asset, transfer.amount
        yield Table(
            "Both sides: before + amount = after",
            columns("Side", "Ledger account", "#Before", "#Amount", "#After"),
            [
                [
                    "From (debit)",
                    party.party(transfer.debit),
                    amount(transfer.debit_balance_after + moved, asset),
                    amount(-moved, asset),
                    amount(transfer.debit_balance_after, asset),
                ],
                [
                    "To (credit)",
                    party.party(transfer.credit),
                    amount(transfer.credit_balance_after - moved, asset),
                    amount(moved, asset),
                    amount(transfer.credit_balance_after, asset),
                ],
            ],
            empty="",
        )
        actor = User.objects.filter(id=transfer.actor_id).first() if transfer.actor_id else None
        yield Facts(
            "Because of",
            [
                Fact("Posted (UTC)", show.when(transfer.at)),
                Fact("Order", order_link(transfer.order_id)),
                Fact(
                    "Trade",
                    trade_link(transfer.trade_id),
                ),
                Fact("By", show.ref(actor) if actor else "the drain" if transfer.order_id else show.NOTHING),
                Fact("Entry", _entry(transfer), "Transfers that belong together share one."),
                Fact("Corrects", show.ref_to(Transfer, transfer.corrects_id)),
                Fact("Reason", transfer.reason or show.NOTHING),
                Fact("Request id", show.mono(transfer.request_id)),
            ],
            wide=True,
        )
        yield corrections(transfer)


def corrections(transfer: Transfer) -> Table:
    """What was taken back of it."""
    rows = Transfer.objects.filter(corrects_id=transfer.pk, at__gte=transfer.at).select_related("asset")
    return Table(
        "Corrections",
        columns("Transfer", "When (UTC)", "#Amount", "Reason"),
        [
            [show.ref(row, row.pk), show.when(row.at), amount(row.amount, row.asset), row.reason]
            for row in rows.order_by("id")
        ],
        empty="Nothing of it was taken back.",
    )


def _entry(transfer: Transfer) -> SafeString | str:
    """The transfer that its entry begins with."""
    return "begins with it" if transfer.entry_id == transfer.pk else show.ref_to(Transfer, transfer.entry_id)


def ledgers_named(name: str) -> list[int]:
    """The ledger accounts of a trading account by its number, or the one with this #id."""
    if name.startswith("#"):
        found = as_id(name[1:])
        return [found] if found else []
    return list(LedgerAccount.objects.filter(account__account_number=name).values_list("id", flat=True))
