"""Ledger accounts: what each party owns of each asset. Read only; transfers move them."""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from accounts.admin import ledger_panels
from accounts.admin import show as party
from accounts.admin.ledger_panels import latest_of_ledger
from accounts.admin.transfers import AssetFilter
from accounts.models import LedgerAccount, LedgerKind
from instruments.admin.show import amount
from instruments.models import Realm
from tradeplatform.common.admin import show
from tradeplatform.common.admin.details import DetailMixin
from tradeplatform.common.admin.filters import ChoiceFilter
from tradeplatform.common.admin.lists import KeysetList
from tradeplatform.common.admin.panels import Fact, Facts, Panel
from tradeplatform.common.admin.show import Tone


class KindFilter(ChoiceFilter):
    """Whose it is."""

    title, parameters, options = "kind", ("kind",), LedgerKind.choices


class RealmFilter(ChoiceFilter):
    """Real money or play money."""

    title, parameters, options = "realm", ("realm",), Realm.choices


@admin.register(LedgerAccount)
class LedgerAccountAdmin(DetailMixin, KeysetList):
    """The house's own accounts and every client's."""

    question = "Who owns how much of what, and how much of it do open orders hold?"
    when_empty = "No ledger account exists yet: the first deposit opens one."
    search_hint = "Account number, such as ACC-000001"
    list_display = ("number", "owner", "asset", "balance_shown", "held_shown", "free", "parts")
    list_display_links = ("number",)
    list_filter = (KindFilter, RealmFilter, AssetFilter)

    def get_queryset(self, request: HttpRequest) -> QuerySet[LedgerAccount]:
        """With owner and asset."""
        return LedgerAccount.objects.select_related("account", "asset")

    def search_rows(self, queryset: QuerySet[LedgerAccount], term: str) -> QuerySet[LedgerAccount]:
        """By trading account."""
        return queryset.filter(account__account_number=term)

    @admin.display(description="Ledger account")
    def number(self, ledger: LedgerAccount) -> SafeString | str:
        """Its id."""
        return show.mono(f"#{ledger.pk}")

    @admin.display(description="Owner")
    def owner(self, ledger: LedgerAccount) -> SafeString | str:
        """Whose."""
        return party.party(ledger)

    @admin.display(description="Balance")
    def balance_shown(self, ledger: LedgerAccount) -> SafeString | str:
        """All of it."""
        return amount(ledger.balance, ledger.asset, unit=False)

    @admin.display(description="Held")
    def held_shown(self, ledger: LedgerAccount) -> SafeString | str:
        """What open orders hold."""
        return amount(ledger.held, ledger.asset, unit=False)

    @admin.display(description="Available")
    def free(self, ledger: LedgerAccount) -> SafeString | str:
        """What is free."""
        return amount(ledger.available, ledger.asset, unit=False)

    @admin.display(description="Held / reserved / available")
    def parts(self, ledger: LedgerAccount) -> SafeString | str:
        """The three as a bar."""
        return ledger_panels.parts(ledger) if ledger.kind == LedgerKind.CLIENT else show.NOTHING

    def heading(self, ledger: LedgerAccount) -> str:
        """Whose, and of what."""
        owner = ledger.account.account_number if ledger.account else ledger.get_kind_display()
        return f"{owner}: {ledger.asset.code}"

    def badges(self, ledger: LedgerAccount) -> Iterable[SafeString]:
        """What for, and whether it is play money."""
        return [kind(ledger), *([show.badge("Demo", Tone.INFO)] if ledger.realm == Realm.DEMO else [])]

    def panels(self, request: HttpRequest, ledger: LedgerAccount) -> Iterable[Panel]:
        """The figures and what moved them."""
        yield Facts(
            "",
            [
                Fact("Ledger account", show.mono(f"#{ledger.pk}")),
                Fact("Owner", party.party(ledger)),
                Fact("Asset", show.ref(ledger.asset)),
                Fact("Balance", amount(ledger.balance, ledger.asset), "Credits minus debits"),
                Fact("Held by open orders", amount(ledger.held, ledger.asset)),
                Fact("Available", amount(ledger.available, ledger.asset)),
            ],
            wide=True,
        )
        yield latest_of_ledger(ledger)


def kind(ledger: LedgerAccount) -> SafeString:
    """What it is for, as a badge."""
    tone = Tone.INFO if ledger.kind == LedgerKind.CLIENT else Tone.QUIET
    return show.badge(ledger.get_kind_display(), tone)
