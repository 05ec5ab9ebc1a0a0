"""Orders: what was asked, where it stands, and on its page its whole life."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from accounts.models import TradingAccount
from instruments.admin import show as market
from orders.admin import conditions, order_page, words
from orders.admin import show as trading
from orders.admin.filters import AccountFilter, CreatedDays, InstrumentFilter
from orders.admin.order_buttons import AmendOrder, CancelOrder
from orders.admin.order_reading import order_ids_named
from orders.models import LIVE, PARKED, Order, OrderStatus, OrderType, Side, Source, standing
from tradeplatform.common.admin import show
from tradeplatform.common.admin.buttons import Button
from tradeplatform.common.admin.details import DetailMixin
from tradeplatform.common.admin.filters import ChoiceFilter, as_id
from tradeplatform.common.admin.lists import KeysetList
from tradeplatform.common.admin.panels import Panel


class StatusFilter(ChoiceFilter):
    """Where it stands; live ones have an index of their own."""

    title, parameters = "status", ("status",)
    groups: ClassVar[dict[str, tuple[OrderStatus, ...]]] = {"live": LIVE, "parked": PARKED}
    options = (("live", "Live (not final)"), ("parked", "Parked (in no depth)"), *OrderStatus.choices)

    def narrow(self, queryset: QuerySet[Order], chosen: str) -> QuerySet[Order]:
        """One status, or a group of them."""
        return queryset.filter(standing(*self.groups.get(chosen, [chosen])))

    def walks(self) -> bool:
        """Final orders have no index by status: there is no end to them."""
        return self.value not in {*self.groups, *LIVE}


class TypeFilter(ChoiceFilter):
    """What kind of order it is."""

    indexed = False
    title, parameters, options = "type", ("type",), OrderType.choices


class SideFilter(ChoiceFilter):
    """Buy or sell."""

    indexed = False
    title, parameters, options = "side", ("side",), Side.choices


class SourceFilter(ChoiceFilter):
    """The door it came through."""

    indexed = False
    title, parameters, options = "came through", ("source",), Source.choices


@admin.register(Order)
class OrderAdmin(DetailMixin, KeysetList):
    """All orders, the newest first."""

    question = "What was ordered, and where does it stand?"
    when_empty = "No order has been sent yet. Run `manage.py simulate`, or send one through the API."
    search_hint = "Order id, client order id or account number, exactly"
    list_display = (
        "number", "moment", "account_shown", "instrument_shown", "side_shown", "kind", "price_shown",
        "quantity_shown", "filled_shown", "state",
    )  # fmt: skip
    list_display_links = ("number",)
    list_filter = (
        StatusFilter, TypeFilter, SideFilter, InstrumentFilter, AccountFilter, SourceFilter, CreatedDays,
    )  # fmt: skip
    buttons: ClassVar[list[type[Button]]] = [CancelOrder, AmendOrder]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Order]:
        """With account and instrument, which every row shows."""
        return Order.objects.select_related("account__user", "instrument__base", "instrument__quote")

    def search_rows(self, queryset: QuerySet[Order], term: str) -> QuerySet[Order]:
        """By order id, by client order id of any account, or by account number: each from an index."""
        account = TradingAccount.objects.filter(account_number=term).values_list("id", flat=True).first()
        if account is not None:
            return queryset.filter(account_id=account)
        number = as_id(term)
        return queryset.filter(pk__in=[*order_ids_named(term), *([number] if number else [])])

    @admin.display(description="Order")
    def number(self, order: Order) -> SafeString:
        """Its id and its client's id."""
        return show.lines(show.mono(order.pk), order.client_order_id)

    @admin.display(description="Accepted (UTC)")
    def moment(self, order: Order) -> SafeString:
        """When, and through which door."""
        return show.time_over_day(order.created_at, order.get_source_display())

    @admin.display(description="Account")
    def account_shown(self, order: Order) -> SafeString:
        """Whose."""
        return show.lines(show.ref(order.account), order.account.user.username)

    @admin.display(description="Instrument")
    def instrument_shown(self, order: Order) -> SafeString | str:
        """In what."""
        return trading.instrument(order.instrument)

    @admin.display(description="Side")
    def side_shown(self, order: Order) -> SafeString | str:
        """Buy or sell."""
        return trading.side(order.side)

    @admin.display(description="Type")
    def kind(self, order: Order) -> SafeString:
        """Type, time in force and what is special."""
        return conditions.kind(order)

    @admin.display(description="Price")
    def price_shown(self, order: Order) -> SafeString | str:
        """Its limit and its trigger."""
        return conditions.price(order)

    @admin.display(description="Quantity")
    def quantity_shown(self, order: Order) -> SafeString | str:
        """All of it."""
        return conditions.quantity(order)

    @admin.display(description="Filled")
    def filled_shown(self, order: Order) -> SafeString:
        """How much, as a number and a bar."""
        return show.lines(market.quantity(order.filled, order.instrument), trading.progress(order))

    @admin.display(description="Status")
    def state(self, order: Order) -> SafeString:
        """Where it stands, and why it ended."""
        return show.lines(trading.status(order), words.reason(order.reason))

    def heading(self, order: Order) -> str:
        """Its number."""
        return f"Order {order.pk}"

    def badges(self, order: Order) -> Iterable[SafeString | str]:
        """Side and status."""
        return [trading.side(order.side), trading.status(order)]

    def subheading(self, order: Order) -> str:
        """The order in one line."""
        return order_page.sentence(order)

    def panels(self, request: HttpRequest, order: Order) -> Iterable[Panel]:
        """Its whole life."""
        return order_page.panels(request, order)
