"""Fills: one order's side of a trade, with the fee it was charged. Read only."""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from instruments.admin import show as market
from orders.admin import show as trading
from orders.admin.filters import AccountFilter, AtDays
from orders.models import Fill, Liquidity, Side, Trade
from tradeplatform.common.admin import show
from tradeplatform.common.admin.details import DetailMixin
from tradeplatform.common.admin.filters import ChoiceFilter, IdFilter, as_id
from tradeplatform.common.admin.lists import KeysetList
from tradeplatform.common.admin.panels import Fact, Facts, Panel


class OrderFilter(IdFilter):
    """Of one order."""

    title, parameters, lookup, placeholder = "order", ("order",), "order_id", "order id"


class SideFilter(ChoiceFilter):
    """Buy or sell."""

    indexed = False
    title, parameters, options = "side", ("side",), Side.choices


class LiquidityFilter(ChoiceFilter):
    """Waiting or arriving."""

    indexed = False
    title, parameters, options = "as", ("liquidity",), Liquidity.choices


@admin.register(Fill)
class FillAdmin(DetailMixin, KeysetList):
    """All fills, newest first."""

    question = "What did an account trade, and which fee was it charged?"
    when_empty = "No order has been filled yet."
    search_hint = "Fill id or trade id"
    list_display = (
        "number",
        "moment",
        "account_shown",
        "market_shown",
        "side_shown",
        "as_shown",
        "price_shown",
        "quantity_shown",
        "fee_shown",
        "order_shown",
        "trade_shown",
    )
    list_display_links = ("number",)
    list_filter = (AccountFilter, OrderFilter, SideFilter, LiquidityFilter, AtDays)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Fill]:
        """With account and market."""
        return Fill.objects.select_related("account", "instrument__base", "instrument__quote", "fee_asset")

    def search_rows(self, queryset: QuerySet[Fill], term: str) -> QuerySet[Fill]:
        """By its id, or both fills of a trade."""
        number = as_id(term)
        if number is None:
            return queryset.none()
        of_trade = Fill.objects.filter(trade_id=number).values_list("id", flat=True)
        return queryset.filter(pk__in=[number, *of_trade])

    @admin.display(description="Fill")
    def number(self, fill: Fill) -> SafeString | str:
        """Its id."""
        return show.mono(fill.pk)

    @admin.display(description="When (UTC)")
    def moment(self, fill: Fill) -> SafeString | str:
        """When."""
        return show.when(fill.at)

    @admin.display(description="Account")
    def account_shown(self, fill: Fill) -> SafeString | str:
        """Whose."""
        return show.ref(fill.account)

    @admin.display(description="Instrument")
    def market_shown(self, fill: Fill) -> SafeString | str:
        """In what."""
        return trading.instrument(fill.instrument)

    @admin.display(description="Side")
    def side_shown(self, fill: Fill) -> SafeString | str:
        """Buy or sell."""
        return trading.side(fill.side)

    @admin.display(description="As")
    def as_shown(self, fill: Fill) -> str:
        """Maker or taker."""
        return fill.get_liquidity_display()

    @admin.display(description="Price")
    def price_shown(self, fill: Fill) -> SafeString | str:
        """At what."""
        return market.price(fill.price, fill.instrument)

    @admin.display(description="Quantity")
    def quantity_shown(self, fill: Fill) -> SafeString | str:
        """How much."""
        return market.quantity(fill.quantity, fill.instrument)

    @admin.display(description="Fee")
    def fee_shown(self, fill: Fill) -> SafeString | str:
        """Charged."""
        return market.amount(fill.fee, fill.fee_asset)

    @admin.display(description="Order")
    def order_shown(self, fill: Fill) -> SafeString | str:
        """Which order."""
        return trading.order_ref(fill.order_id)

    @admin.display(description="Trade")
    def trade_shown(self, fill: Fill) -> SafeString | str:
        """Which trade."""
        return show.ref_to(Trade, fill.trade_id, "trade")

    def heading(self, fill: Fill) -> str:
        """Its number."""
        return f"Fill {fill.pk}"

    def badges(self, fill: Fill) -> Iterable[SafeString | str]:
        """Side and part."""
        return [trading.side(fill.side), show.badge(fill.get_liquidity_display())]

    def panels(self, request: HttpRequest, fill: Fill) -> Iterable[Panel]:
        """The fill, with links to its order and trade."""
        instrument = fill.instrument
        yield Facts(
            "",
            [
                Fact("Account", show.ref(fill.account)),
                Fact("Order", trading.order_ref(fill.order_id)),
                Fact("Trade", show.ref_to(Trade, fill.trade_id)),
                Fact("Instrument", trading.instrument(instrument)),
                Fact("When (UTC)", show.when(fill.at)),
                Fact("Price", market.price(fill.price, instrument)),
                Fact("Quantity", market.quantity(fill.quantity, instrument, unit=True)),
                Fact("Notional", market.amount(fill.price * fill.quantity, instrument.quote)),
                Fact("Fee", market.amount(fill.fee, fill.fee_asset)),
                Fact("Fee rate", show.percent(fill.fee_rate)),
            ],
            wide=True,
        )
