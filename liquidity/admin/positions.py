"""Leveraged positions: who holds what on margin, what it is worth now, and every deal behind it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from accounts.models import Deal, Direction, Position, Transfer
from instruments.admin import show as market
from instruments.models import Quote
from liquidity.admin.position_buttons import (
    BreakEven,
    CloseByOpposite,
    ClosePosition,
    ReversePosition,
    SetExits,
)
from liquidity.selectors import deals_of, worths_of
from liquidity.services.valuing import Worth, average_price
from orders.admin.filters import AccountFilter, InstrumentFilter
from tradeplatform.common.admin import show
from tradeplatform.common.admin.details import DetailMixin
from tradeplatform.common.admin.filters import ChoiceFilter
from tradeplatform.common.admin.lists import KeysetList
from tradeplatform.common.admin.panels import Fact, Facts, Panel, Table, columns
from tradeplatform.common.admin.show import Tone


class StateFilter(ChoiceFilter):
    """Open or closed."""

    title, parameters, options = "state", ("state",), (("open", "Open"), ("closed", "Closed"))

    def narrow(self, queryset: QuerySet[Position], chosen: str) -> QuerySet[Position]:
        """By whether it was closed."""
        return queryset.filter(closed_at__isnull=chosen == "open")


@admin.register(Position)
class PositionAdmin(DetailMixin, KeysetList):
    """All leveraged positions, the newest first."""

    question = "Who holds what on margin, and what is it worth now?"
    when_empty = "No leveraged position exists yet. They are opened through the API, by margin accounts."
    search_hint = "Account number, such as ACC-000001"
    list_display = (
        "number", "owner", "market_shown", "way", "volume_shown", "average", "now", "worth", "realised",
        "since",
    )  # fmt: skip
    list_display_links = ("number",)
    list_filter = (StateFilter, AccountFilter, InstrumentFilter)
    buttons = [ClosePosition, CloseByOpposite, ReversePosition, BreakEven, SetExits]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Position]:
        """With account, currency and market."""
        return Position.objects.select_related(
            "account__currency", "account__group__commission_asset", "instrument__base", "instrument__quote"
        )

    def search_rows(self, queryset: QuerySet[Position], term: str) -> QuerySet[Position]:
        """By account."""
        return queryset.filter(account__account_number=term)

    def prepare_rows(self, rows: Sequence[Any]) -> None:
        """Value all open ones of the page at once."""
        worths = worths_of(rows, now=timezone.now())
        for row in rows:
            row.worth_now = worths.get(row.pk)

    @admin.display(description="Position")
    def number(self, position: Position) -> SafeString | str:
        """Its id."""
        return show.mono(f"#{position.pk}")

    @admin.display(description="Account")
    def owner(self, position: Position) -> SafeString | str:
        """Whose."""
        return show.ref(position.account)

    @admin.display(description="Instrument")
    def market_shown(self, position: Position) -> SafeString | str:
        """In what."""
        return show.ref(position.instrument)

    @admin.display(description="Direction")
    def way(self, position: Position) -> SafeString:
        """Long or short, or closed."""
        return direction(position)

    @admin.display(description="Volume")
    def volume_shown(self, position: Position) -> SafeString | str:
        """Contracts."""
        return market.quantity(position.volume, position.instrument)

    @admin.display(description="Average price")
    def average(self, position: Position) -> SafeString | str:
        """What a contract cost."""
        return market.price(average_price(position), position.instrument, extra=2)

    @admin.display(description="Price now")
    def now(self, position: Position) -> SafeString | str:
        """What it could be closed at."""
        worth: Worth | None = getattr(position, "worth_now", None)
        return market.price(worth.price if worth else None, position.instrument)

    @admin.display(description="Unrealised")
    def worth(self, position: Position) -> SafeString | str:
        """What that would gain or lose."""
        worth: Worth | None = getattr(position, "worth_now", None)
        return market.amount(worth.unrealised if worth else None, position.account.currency)

    @admin.display(description="Realised")
    def realised(self, position: Position) -> SafeString | str:
        """What it gained or lost so far."""
        return market.amount(position.pnl, position.account.currency)

    @admin.display(description="Opened (UTC)")
    def since(self, position: Position) -> SafeString | str:
        """When."""
        return show.when(position.opened_at)

    def heading(self, position: Position) -> str:
        """What and how much."""
        return f"{position.instrument.symbol} position #{position.pk}"

    def badges(self, position: Position) -> Iterable[SafeString]:
        """Long or short, or closed."""
        return [direction(position)]

    def subheading(self, position: Position) -> SafeString | str:
        """Whose."""
        return show.ref(position.account)

    def panels(self, request: HttpRequest, position: Position) -> Iterable[Panel]:
        """What it holds and is worth, and its life."""
        worth = worths_of([position], now=timezone.now()).get(position.pk)
        instrument, currency = position.instrument, position.account.currency
        quote = Quote.objects.filter(instrument=instrument).first()
        yield Facts(
            "Holds",
            [
                Fact("Volume", market.quantity(position.volume, instrument)),
                Fact("Contract size", market.limit(position.contract_size, instrument.base.code)),
                Fact("Average price", market.price(average_price(position), instrument, extra=2)),
                Fact("Stop loss", market.price(position.stop_loss, instrument)),
                Fact("Take profit", market.price(position.take_profit, instrument)),
                Fact("Mode", "netting" if position.netting else "hedging"),
                Fact("Opened (UTC)", show.when(position.opened_at)),
                Fact("Closed (UTC)", show.when(position.closed_at)),
            ],
            wide=True,
        )
        yield Facts(
            "Worth",
            [
                Fact("Price now", market.price(worth.price if worth else None, instrument)),
                Fact("Quoted (UTC)", show.when(quote.at if quote else None)),
                Fact("Unrealised", market.amount(worth.unrealised if worth else None, currency)),
                Fact("Realised", market.amount(position.pnl, currency)),
                Fact("Swap", market.amount(position.swap, currency)),
                Fact("Commission", market.amount(position.commission, currency)),
            ],
            wide=True,
        )
        yield deals_table(position)


def direction(position: Position) -> SafeString:
    """Which way, coloured as buying and selling are."""
    if not position.is_open:
        return show.badge("Closed", Tone.QUIET)
    tone = Tone.GOOD if position.direction == Direction.LONG else Tone.BAD
    return show.badge(position.get_direction_display(), tone)


def deals_table(position: Position) -> Table:
    """Every deal, the oldest first."""
    currency = position.account.currency
    return Table(
        "Deals",
        columns(
            "Deal", "When (UTC)", "Why", "Side", "#Volume", "#Price", "#P&L", "#Commission", "#Swap", "Money"
        ),
        [
            [
                show.mono(f"#{deal.pk}"),
                show.when(deal.at),
                show.lines(deal.get_kind_display(), deal.reason),
                "Buy" if deal.buys else "Sell",
                market.quantity(deal.volume or None, position.instrument),
                market.price(deal.price, position.instrument),
                market.amount(deal.pnl, currency, unit=False),
                market.amount(deal.commission, currency, unit=False),
                market.amount(deal.swap, currency, unit=False),
                _money(deal),
            ]
            for deal in deals_of(position.pk)
        ],
        empty="It has no deals.",
        note=f"P&L, commission and swap in {currency.code}.",
    )


def _money(deal: Deal) -> SafeString | str:
    return show.ref_to(Transfer, deal.entry_id, f"entry {deal.entry_id}") if deal.entry_id else show.NOTHING
