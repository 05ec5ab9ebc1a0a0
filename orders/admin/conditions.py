"""What an order waits for, shows and depends on, in an operator's words."""

from __future__ import annotations

from decimal import Decimal

from django.utils.html import format_html
from django.utils.safestring import SafeString

from instruments.admin import show as market
from orders.admin import show as trading
from orders.models import Link, Order, OrderType, Side, TimeInForce, TriggerBy
from tradeplatform.common.admin import show
from tradeplatform.common.admin.panels import Fact, Facts, Table, columns

_RELATED = 20


def kind(order: Order) -> SafeString:
    """Type, time in force and what is special, in one cell."""
    force = order.time_in_force.upper()
    return show.lines(order.get_type_display(), ", ".join([force, *specials(order)]))


def specials(order: Order) -> list[str]:
    """What most orders are not."""
    words = []
    if order.post_only:
        words.append("post-only")
    if order.display_quantity is not None:
        words.append("iceberg" if order.display_quantity else "hidden")
    if order.min_quantity is not None:
        words.append("minimum quantity")
    if order.quote_quantity is not None:
        words.append("by amount")
    if order.reduce_only:
        words.append("reduce-only")
    if order.link:
        words.append({Link.OCO: "OCO", Link.OTO: "child", Link.ATTACHED: "exit"}[Link(order.link)])
    elif order.list_id:
        words.append("parent")
    return words


def price(order: Order) -> SafeString | str:
    """The limit, and below it the trigger."""
    limit = market.price(order.price, order.instrument)
    if order.price is None:
        limit = show.number("market", muted=True)
    if order.trigger_price is None:
        return limit
    return show.lines(limit, format_html("trigger {}", market.price(order.trigger_price, order.instrument)))


def quantity(order: Order) -> SafeString | str:
    """How much: lots, or an amount of quote."""
    if order.quote_quantity is not None:
        return market.amount(order.quote_quantity, order.instrument.quote)
    return market.quantity(order.quantity, order.instrument)


def trigger_rule(order: Order) -> str:
    """When it goes live: last trade is at or above, best bid is at or below its trigger price."""
    takes_profit = order.type in {OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT}
    rises = takes_profit != (order.side == Side.BUY)
    if order.trigger_by == TriggerBy.QUOTE:
        watched = "best ask" if order.side == Side.BUY else "best bid"
    else:
        watched = "last trade"
    return f"{watched} is at or {'above' if rises else 'below'}"


def trail(order: Order) -> SafeString | str:
    """How far its trigger stays behind, and in which steps."""
    if order.trail_step is None:
        return show.NOTHING
    quote = order.instrument.quote.code
    distance = (
        market.limit(order.trail_amount, quote)
        if order.trail_amount is not None
        else show.number(f"{(order.trail_percent or Decimal(0)).normalize():f} %")
    )
    return show.lines(distance, format_html("in steps of {}", market.limit(order.trail_step, quote)))


def facts(order: Order) -> Facts | None:
    """The conditions of an order that has any."""
    instrument, found = order.instrument, []
    if order.trigger_price is not None:
        found += [
            Fact("Trigger price", market.price(order.trigger_price, instrument)),
            Fact("Goes live when", trigger_rule(order)),
            Fact("Triggered (UTC)", show.when(order.triggered_at)),
        ]
    if order.trail_step is not None:
        found.append(Fact("Trails by", trail(order)))
    if order.display_quantity is not None:
        shown = market.quantity(order.display_quantity, instrument, unit=True)
        found += [
            Fact("Slice", shown if order.display_quantity else "hidden: it shows nothing"),
            Fact("Shown now", market.quantity(order.shown, instrument, unit=True)),
        ]
    if order.min_quantity is not None:
        found.append(Fact("Minimum quantity", market.quantity(order.min_quantity, instrument, unit=True)))
    if order.quote_quantity is not None:
        found.append(Fact("For an amount of", market.amount(order.quote_quantity, instrument.quote)))
    if order.reduce_only:
        found.append(Fact("Reduce-only", "yes", "What goes beyond the position was cut off"))
    if order.expires_at is not None:
        ends = "DAY: also when the market closes" if order.time_in_force == TimeInForce.DAY else ""
        found.append(Fact("Ends by itself (UTC)", show.when(order.expires_at), ends))
    if order.link:
        found.append(Fact("Depends", order.get_link_display()))
    return Facts("Conditions", found, wide=True) if found else None


def related(order: Order) -> Table | None:
    """The orders it depends on and those that depend on it: parent, partner, the rest of its list."""
    if not order.list_id:
        return None
    # A list is written in one go: its partition is known.
    rows = list(
        Order.objects.filter(list_id=order.list_id, created_at=order.created_at)
        .select_related("instrument__base", "instrument__quote")
        .order_by("id")[:_RELATED]
    )
    return Table(
        "Orders of its list",
        columns("Order", "Is its", "Type", "Side", "#Price", "#Quantity", "#Open", "Status"),
        [
            [
                show.ref(row, row.pk),
                relation(order, row),
                kind(row),
                trading.side(row.side),
                price(row),
                quantity(row),
                market.quantity(row.leaves, row.instrument),
                trading.status(row),
            ]
            for row in sorted(rows, key=lambda row: row.parent_id)
        ],
        empty="",
    )


def relation(order: Order, other: Order) -> str:
    """What the other order is to this one."""
    if other.pk == order.pk:
        return "self"
    if other.pk == order.parent_id:
        return "parent"
    if other.parent_id == order.pk:
        return "child"
    return "partner" if order.pk == other.partner_id or other.pk == order.partner_id else "of the same list"
