"""Portfolios: what is in each, added up; made and changed with a reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from accounts.models import TradingAccount, User
from audit.admin.acting import actor_of
from instruments.admin import show as market
from instruments.models import Asset, Instrument
from orders.admin import show as trading
from orders.history.admin.positions import quantity
from orders.history.models import Portfolio
from orders.history.services.portfolios import content_of, said_of, save_portfolio
from tradeplatform.common.admin import show
from tradeplatform.common.admin.buttons import Button, Done, Effect, ReasonForm
from tradeplatform.common.admin.details import DetailMixin
from tradeplatform.common.admin.editing import EditForm, noted
from tradeplatform.common.admin.fields import text_field
from tradeplatform.common.admin.lists import KeysetList
from tradeplatform.common.admin.panels import Fact, Facts, Panel, Table, columns
from tradeplatform.common.errors import Code, Refusal


class PortfolioForm(ReasonForm):
    """What it is called, and what is in it."""

    name = text_field("Name", max_length=64)
    accounts = text_field("Accounts", max_length=2_000, help_text="Account numbers with blanks between.")
    instruments = text_field(
        "Instruments", max_length=1_000, required=False, help_text="Symbols with blanks between; empty: all."
    )


class EditPortfolioForm(EditForm, PortfolioForm):
    """The same, of one that is there."""


class NewPortfolioForm(PortfolioForm):
    """The same, and whose it is."""

    owner = text_field(
        "Username of the owner", max_length=150, required=False, help_text="Empty: the house's own."
    )


class _Save(Button):
    """What both buttons do with their form."""

    previews = True

    def effects(self, obj: Portfolio | None, data: Mapping[str, Any]) -> Sequence[Effect]:
        """What will be in it."""
        accounts, instruments = _accounts(data["accounts"]), _instruments(data["instruments"])
        before = PortfolioAdmin.names_of(obj) if obj else ("", "", "")
        after = (data["name"], " ".join(sorted(accounts)), " ".join(sorted(instruments)) or "all")
        return [
            Effect(*each) for each in zip(("Name", "Accounts", "Instruments"), before, after, strict=True)
        ]

    def act(self, obj: Portfolio | None, data: Mapping[str, Any]) -> Done:
        """Save it."""
        saved = save_portfolio(
            portfolio_id=None if obj is None else obj.pk,
            name=data["name"],
            owner_id=_owner(data.get("owner", "")),
            account_ids=_accounts(data["accounts"]).values(),
            instrument_ids=_instruments(data["instruments"]).values(),
            seen=data.get("seen"),
            reason=data["reason"],
            actor=actor_of(self.request),
            now=timezone.now(),
        )
        return Done(f"{saved} is saved.", show.page_of(saved, saved.pk))


class AddPortfolio(_Save):
    """A new one."""

    name, label, icon = "add", "New portfolio", "add"
    permission = "history.add_portfolio"
    form_class = NewPortfolioForm


class EditPortfolio(_Save):
    """Another name, other content."""

    name, label, icon = "edit", "Edit", "edit"
    permission = "history.change_portfolio"
    form_class = EditPortfolioForm

    def initial(self, obj: Portfolio) -> Mapping[str, Any]:
        """As it is."""
        name, accounts, instruments = PortfolioAdmin.names_of(obj)
        return {
            "name": name, "accounts": accounts, "instruments": "" if instruments == "all" else instruments,
            "seen": noted(said_of(obj)),
        }  # fmt: skip


@admin.register(Portfolio)
class PortfolioAdmin(DetailMixin, KeysetList):
    """All portfolios."""

    question = "Which accounts and instruments are looked at as one?"
    when_empty = "There is no portfolio yet."
    search_hint = "Name"
    list_display = ("name_shown", "owner_shown", "accounts_shown", "instruments_shown")
    list_display_links = ("name_shown",)
    buttons: ClassVar[list[type[Button]]] = [EditPortfolio]
    list_buttons: ClassVar[list[type[Button]]] = [AddPortfolio]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Portfolio]:
        """With owner and content."""
        return Portfolio.objects.select_related("owner").prefetch_related("accounts", "instruments")

    def search_rows(self, queryset: QuerySet[Portfolio], term: str) -> QuerySet[Portfolio]:
        """By name."""
        return queryset.filter(name=term)

    @staticmethod
    def names_of(portfolio: Portfolio) -> tuple[str, str, str]:
        """Name, accounts and instruments as text."""
        accounts = " ".join(sorted(account.account_number for account in portfolio.accounts.all()))
        instruments = " ".join(sorted(instrument.symbol for instrument in portfolio.instruments.all()))
        return portfolio.name, accounts, instruments or "all"

    @admin.display(description="Portfolio")
    def name_shown(self, portfolio: Portfolio) -> str:
        """What it is called."""
        return portfolio.name

    @admin.display(description="Owner")
    def owner_shown(self, portfolio: Portfolio) -> SafeString | str:
        """Whose."""
        return show.ref(portfolio.owner) if portfolio.owner else "the house"

    @admin.display(description="Accounts")
    def accounts_shown(self, portfolio: Portfolio) -> str:
        """Which."""
        return self.names_of(portfolio)[1]

    @admin.display(description="Instruments")
    def instruments_shown(self, portfolio: Portfolio) -> str:
        """Which."""
        return self.names_of(portfolio)[2]

    def panels(self, request: HttpRequest, portfolio: Portfolio) -> Iterable[Panel]:
        """What it is, and its positions, added up."""
        content = content_of(portfolio, at=None)
        assets = Asset.objects.in_bulk([total.asset for total in content.totals], field_name="code")
        yield Facts(
            "",
            [
                Fact("Owner", self.owner_shown(portfolio)),
                Fact("Accounts", self.accounts_shown(portfolio)),
                Fact("Instruments", self.instruments_shown(portfolio)),
            ],
            wide=True,
        )
        yield Table(
            "Positions",
            columns("Instrument", "#Accounts", "#Quantity", "#Cost", "#Realised P&L", "#Fees", "Last (UTC)"),
            [
                [
                    trading.instrument(instrument),
                    show.number(show.whole(found.accounts)),
                    quantity(found.standing.quantity, instrument),
                    market.amount(found.standing.cost, instrument.quote),
                    market.amount(found.standing.realised, instrument.quote),
                    market.amount(found.standing.fees, instrument.quote),
                    show.when(found.at),
                ]
                for instrument, found in content.positions
            ],
            empty="Nothing was executed in it yet.",
        )
        yield Table(
            "In all",
            columns("Quote asset", "#Cost", "#Realised P&L", "#Fees"),
            [
                [
                    total.asset,
                    *(
                        market.amount(value, assets[total.asset])
                        for value in (total.cost, total.realised, total.fees)
                    ),
                ]
                for total in content.totals
            ],
            empty="Nothing to add up.",
            note="Nothing is converted.",
        )


def _owner(username: str) -> int | None:
    if not username:
        return None
    found = User.objects.filter(username=username).values_list("pk", flat=True).first()
    if found is None:
        raise Refusal(Code.NOT_FOUND, "No such user: give the login name.", field="owner")
    return int(found)


def _accounts(typed: str) -> dict[str, int]:
    numbers = set(typed.split())
    found = dict(
        TradingAccount.objects.filter(account_number__in=numbers).values_list("account_number", "pk")
    )
    return _all_found(numbers, found, Code.ACCOUNT_NOT_FOUND, "accounts")


def _instruments(typed: str) -> dict[str, int]:
    symbols = set(typed.split())
    found = dict(Instrument.objects.filter(symbol__in=symbols).values_list("symbol", "pk"))
    return _all_found(symbols, found, Code.UNKNOWN_SYMBOL, "instruments")


def _all_found(wanted: set[str], found: dict[str, int], code: Code, field: str) -> dict[str, int]:
    if missing := sorted(wanted - found.keys()):
        raise Refusal(code, f"Not found: {', '.join(missing)}.", field=field)
    return found
