"""Trading accounts: whose, whether they may trade, what they own. The floor above adds live orders."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils.safestring import SafeString

from accounts.admin import (
    account_buttons,
    ledger_panels,
    money,
    money_requests,
    standing_buttons,
    statements,
)
from accounts.admin import show as party
from accounts.models import AccountType, TradingAccount, TradingGroup
from tradeplatform.common.admin import show
from tradeplatform.common.admin.buttons import Button
from tradeplatform.common.admin.details import DetailMixin, PanelMaker
from tradeplatform.common.admin.filters import ChoiceFilter, TextFilter
from tradeplatform.common.admin.lists import KeysetList
from tradeplatform.common.admin.panels import Fact, Facts, Panel

#: A search looks at so many accounts by their number, and at so many by their owner.
_FOUND = 500


class TypeFilter(ChoiceFilter):
    """What kind of account."""

    title, parameters, options = "type", ("type",), AccountType.choices


class StateFilter(ChoiceFilter):
    """Whether it may trade."""

    title, parameters = "state", ("state",)
    options = (("trading", "Trading"), ("locked", "Locked"), ("closed", "Closed"))

    def narrow(self, queryset: QuerySet[TradingAccount], chosen: str) -> QuerySet[TradingAccount]:
        """By the two flags."""
        states = {
            "trading": Q(is_active=True, is_locked=False),
            "locked": Q(is_locked=True),
            "closed": Q(is_active=False),
        }
        return queryset.filter(states[chosen])


class GroupFilter(ChoiceFilter):
    """On which terms."""

    title, parameters, lookup = "group", ("group",), "group__name"

    def lookups(self) -> list[tuple[str, str]]:
        """The groups there are."""
        return [(name, name) for name in TradingGroup.objects.order_by("name").values_list("name", flat=True)]


class OwnerFilter(TextFilter):
    """Whose."""

    title, parameters, placeholder = "owner", ("owner",), "username"

    def narrow(self, queryset: QuerySet[TradingAccount], typed: str) -> QuerySet[TradingAccount]:
        """By login."""
        return queryset.filter(user__username=typed)


@admin.register(TradingAccount)
class TradingAccountAdmin(DetailMixin, KeysetList):
    """All trading accounts, the newest first."""

    question = "Whose account is it, and may it trade?"
    when_empty = "No trading account exists yet. Open one, or run `manage.py seed`."
    search_hint = "Account number or user name, or how it begins"
    list_display = (
        "account_number",
        "owner",
        "states",
        "currency",
        "leverage_shown",
        "group_shown",
        "opened",
    )
    list_display_links = ("account_number",)
    list_filter = (TypeFilter, StateFilter, GroupFilter, OwnerFilter)
    buttons: ClassVar[list[type[Button]]] = [
        money.Deposit,
        money.Withdraw,
        money.TransferMoney,
        money.Credit,
        money.Bonus,
        money.Adjust,
        account_buttons.EditAccount,
        account_buttons.LockAccount,
        account_buttons.UnlockAccount,
        standing_buttons.ChangeGroup,
        standing_buttons.ChangeMode,
        standing_buttons.CloseAccount,
        standing_buttons.ReopenAccount,
    ]
    list_buttons: ClassVar[list[type[Button]]] = [account_buttons.OpenAccount]
    more_panels: ClassVar[list[PanelMaker]] = []

    def get_queryset(self, request: HttpRequest) -> QuerySet[TradingAccount]:
        """With owner and currency."""
        return TradingAccount.objects.select_related("user", "currency", "group")

    def search_rows(self, queryset: QuerySet[TradingAccount], term: str) -> QuerySet[TradingAccount]:
        """By the beginning of its number or of its owner's user name, each by an index of its own."""
        number = TradingAccount.objects.filter(account_number__startswith=term.upper())
        owner = TradingAccount.objects.filter(user__username__startswith=term)
        found = number.values("pk")[:_FOUND].union(owner.values("pk")[:_FOUND])
        return queryset.filter(pk__in=found)

    @admin.display(description="Owner")
    def owner(self, account: TradingAccount) -> SafeString:
        """Whose."""
        return show.lines(show.ref(account.user, party.person(account.user)), account.user.username)

    @admin.display(description="State")
    def states(self, account: TradingAccount) -> SafeString:
        """Type and state."""
        return show.together(party.account_states(account))

    @admin.display(description="Leverage")
    def leverage_shown(self, account: TradingAccount) -> SafeString:
        """Of its maximum."""
        return show.number(f"{account.leverage} / {account.max_leverage}")

    @admin.display(description="Group")
    def group_shown(self, account: TradingAccount) -> SafeString | str:
        """On whose terms it deals."""
        return show.ref(account.group)

    @admin.display(description="Opened (UTC)")
    def opened(self, account: TradingAccount) -> SafeString | str:
        """When."""
        return show.when(account.created_at)

    def badges(self, account: TradingAccount) -> Iterable[SafeString]:
        """Type and state."""
        return party.account_states(account)

    def subheading(self, account: TradingAccount) -> SafeString:
        """Whose."""
        return show.link(
            show.page_of(account.user, account.user_id),
            f"{party.person(account.user)} ({account.user.username})",
        )

    def warning(self, account: TradingAccount) -> str:
        """Why it is locked."""
        if account.is_locked:
            return f"Locked: new orders are denied. Reason: {account.locked_reason or 'none was given'}"
        return ""

    def get_urls(self) -> list[Any]:
        """The statement beside the buttons: the row's own address matches everything."""
        view = self.admin_site.admin_view(self.statement_view)
        return [path("<path:object_id>/statement/", view, name=statements.URL_NAME), *super().get_urls()]

    def statement_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """What moved on the account in a period."""
        account = self.get_object(request, unquote(object_id))
        return statements.statement_view(request, account, self.admin_site.each_context(request))

    def panels(self, request: HttpRequest, account: TradingAccount) -> Iterable[Panel]:
        """Balances; live orders and fills are added by the floor above."""
        yield ledger_panels.balances(account)

    def closing_panels(self, request: HttpRequest, account: TradingAccount) -> Iterable[Panel]:
        """The account itself, and what moved its money."""
        yield Facts(
            "Account",
            [
                Fact("Number", show.mono(account.account_number)),
                Fact("Owner", show.ref(account.user)),
                Fact("Currency", show.ref(account.currency)),
                Fact("Group", show.ref(account.group)),
                Fact("Positions", account.get_position_mode_display()),
                Fact("Leverage", f"{account.leverage} of at most {account.max_leverage}"),
                Fact(
                    "Trade group",
                    account.trade_group or show.NOTHING,
                    "Accounts of one group never trade with each other.",
                ),
                Fact("Opened (UTC)", show.when(account.created_at)),
            ],
            wide=True,
        )
        yield money_requests.latest_of_account(account)
        if request.user.has_perm(statements.PERMISSION):
            yield statements.panel(account)
        yield ledger_panels.latest_of_account(account)
