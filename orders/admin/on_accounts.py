"""What trading adds to an account's page: live orders, latest fills, and the button that cancels all."""

from __future__ import annotations

from collections.abc import Iterable

from django.http import HttpRequest

from accounts.admin.accounts import TradingAccountAdmin
from accounts.models import TradingAccount
from instruments.admin import show as market
from orders.admin import conditions
from orders.admin import show as trading
from orders.admin.mass_buttons import CancelAllOrders
from orders.models import CancelTimer, Fill, Order
from tradeplatform.common.admin import show
from tradeplatform.common.admin.panels import Panel, Table, columns

_ORDERS, _FILLS = 50, 20


def panels(request: HttpRequest, account: TradingAccount) -> Iterable[Panel]:
    """Live orders and fills, for those who may see them."""
    if request.user.has_perm("orders.view_order"):
        yield live_orders(account)
        yield cancel_timers(account)
    if request.user.has_perm("orders.view_fill"):
        yield latest_fills(account)


def live_orders(account: TradingAccount) -> Table:
    """Pending, resting and parked orders, by the index of live orders of an account."""
    orders = (
        Order.objects.live()
        .for_account(account.pk)
        .select_related("instrument__base", "instrument__quote")
        .order_by("-id")[: _ORDERS + 1]
    )
    rows = list(orders)
    return Table(
        "Live orders",
        columns(
            "Order",
            "Accepted (UTC)",
            "Instrument",
            "Side",
            "Type",
            "#Price",
            "#Quantity",
            "#Open",
            "#Held",
            "Status",
        ),
        [
            [
                show.ref(order, order.pk),
                show.when(order.created_at),
                trading.instrument(order.instrument),
                trading.side(order.side),
                conditions.kind(order),
                conditions.price(order),
                conditions.quantity(order),
                market.quantity(order.leaves, order.instrument),
                market.amount(
                    order.held, order.instrument.quote if order.side == "buy" else order.instrument.base
                ),
                trading.status(order),
            ]
            for order in rows[:_ORDERS]
        ],
        empty="No live order.",
        more=(show.list_of(Order, account=account.account_number), "All orders of this account"),
    )


def cancel_timers(account: TradingAccount) -> Table:
    """When the account's orders are cancelled by themselves, and when they were."""
    timers = CancelTimer.objects.filter(account=account).select_related("instrument").order_by("id")
    return Table(
        "Dead man's switches",
        columns("What", "Instrument", "#Seconds", "Renewed (UTC)", "Due (UTC)", "Last fired (UTC)"),
        [
            [
                timer.get_kind_display(),
                "All" if timer.instrument is None else trading.instrument(timer.instrument),
                str(timer.seconds),
                show.when(timer.renewed_at),
                show.when(timer.due_at) if timer.due_at else "Off",
                show.when(timer.fired_at) if timer.fired_at else "",
            ]
            for timer in timers
        ],
        empty="None was ever set.",
    )


def latest_fills(account: TradingAccount) -> Table:
    """The newest fills, by (account, id)."""
    fills = (
        Fill.objects.filter(account=account)
        .select_related("instrument__base", "instrument__quote", "fee_asset")
        .order_by("-id")[:_FILLS]
    )
    rows = list(fills)
    return Table(
        "Latest fills",
        columns("Fill", "When (UTC)", "Instrument", "Side", "As", "#Price", "#Quantity", "#Fee", "Order"),
        [
            [
                show.ref(fill, fill.pk),
                show.when(fill.at),
                trading.instrument(fill.instrument),
                trading.side(fill.side),
                fill.get_liquidity_display(),
                market.price(fill.price, fill.instrument),
                market.quantity(fill.quantity, fill.instrument),
                market.amount(fill.fee, fill.fee_asset),
                trading.order_ref(fill.order_id),
            ]
            for fill in rows
        ],
        empty="Nothing of it has traded yet.",
        more=(show.list_of(Fill, account=account.account_number), "All fills of this account")
        if rows
        else None,
    )


TradingAccountAdmin.buttons.append(CancelAllOrders)
TradingAccountAdmin.more_panels.append(panels)
