"""What an amendment makes of an order: which fields it may change, and its new numbers in ticks and lots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from instruments.scaling import product, short_text, steps_above, steps_below
from instruments.selectors import Rules
from orders.models import Link, Order, OrderStatus, OrderType, Side
from orders.services.book_refs import BookRef
from orders.services.conditions import STOPS, clash
from orders.services.requests import Changes
from risk.services import pretrade
from tradeplatform.common.errors import Code, Refusal


@dataclass(frozen=True, slots=True)
class Amended:
    """The engine's integers of an amendment (0 = stays), and the worst price the order may then trade at."""

    price_ticks: int
    lots: int
    trigger_ticks: int
    worst_price: Decimal


def amended(
    order: Order, changes: Changes, *, rules: Rules, book: BookRef, listed: Sequence[Order]
) -> Amended:
    """Check an amendment of a live order as intake checks a new one.

    `listed` are the live orders of its list.

    A new trigger price of an order that trades at market moves its protection in proportion, and never past
    the edge of the band; a limit must lie in the band around the trigger price.
    """
    kind = OrderType(order.type)
    parked = kind.is_triggered and order.triggered_at is None
    _check_fields(order, kind, changes, parked=parked, listed=listed)
    trigger_ticks = (
        pretrade.check_range(rules, changes.trigger_price, field="trigger_price")
        if changes.trigger_price is not None
        else 0
    )
    trigger = rules.price(trigger_ticks) if trigger_ticks else order.trigger_price or Decimal(0)
    anchor = trigger if parked else _parents_price(order, listed) or book.reference(rules)
    price_ticks, worst = 0, order.price if order.price is not None else order.protection_price or Decimal(0)
    if changes.price is not None:
        price_ticks = pretrade.check_price(rules, changes.price, anchor)
    elif trigger_ticks and kind.is_limit_priced:
        pretrade.check_price(rules, worst, anchor)
    elif trigger_ticks:
        price_ticks = _moved_protection(order, rules, trigger)
    if price_ticks:
        worst = rules.price(price_ticks)
    _check_bracket(order, _acts_at(kind, price=worst, trigger=trigger), listed)
    lots, quantity = 0, order.quantity
    if changes.quantity is not None:
        lots = pretrade.check_quantity(rules, changes.quantity)
        quantity = rules.quantity(lots)
        _check_parts(order, rules, quantity)
    pretrade.check_notional(rules, price=worst if kind.is_limit_priced else anchor, quantity=quantity)
    return Amended(price_ticks, lots, trigger_ticks, worst)


def _check_fields(
    order: Order, kind: OrderType, changes: Changes, *, parked: bool, listed: Sequence[Order]
) -> None:
    """Which fields can change at all."""
    if kind == OrderType.MARKET and not order.parent_id:
        raise Refusal(Code.INVALID_COMBINATION, "A market order cannot be amended.")
    if changes.trigger_price is not None and (not parked or kind.is_trailing):
        raise Refusal(
            Code.TRIGGER_PRICE_NOT_ALLOWED,
            "A trailing stop follows the market: leave the trigger_price out."
            if parked
            else "This order does not wait for a price: leave the trigger_price out.",
        )
    if changes.price is not None and not kind.is_limit_priced:
        raise Refusal(
            Code.PRICE_NOT_ALLOWED,
            "An order that trades at market has no price: leave it out.",
            type=kind.value,
        )
    if changes.price is not None and kind.is_trailing and parked:
        raise _fixed("price", "The limit of a trailing stop stays at its offset from the stop.")
    if changes.quantity is None:
        return
    if order.link == Link.ATTACHED and parked:
        raise _fixed("quantity", "The quantity of this order is what its entry has filled.")
    if any(other.parent_id == order.id for other in listed):
        raise _fixed(
            "quantity", "Other orders are made for this quantity: cancel the list and place it anew."
        )


def _fixed(field: str, sentence: str) -> Refusal:
    return Refusal(Code.FIELD_IS_FIXED, sentence, fields={field: sentence})


def _parents_price(order: Order, listed: Sequence[Order]) -> Decimal | None:
    """What an order that waits for its parent is measured from, as when it was placed."""
    if order.status not in {OrderStatus.PENDING, OrderStatus.WAITING}:
        return None
    parent = next((other for other in listed if other.id == order.parent_id), None)
    if parent is None:
        return None
    price: Decimal | None = parent.price if parent.price is not None else parent.trigger_price
    return price


def _check_bracket(order: Order, acts_at: Decimal | None, listed: Sequence[Order]) -> None:
    """Refuse what placing would have refused: exits that do not lie on the two sides of their entry.

    An exit on the wrong side would go live with the first fill. `acts_at` is where the amended order will
    act; members that have ended, or act at any price, bound nothing.
    """
    members = {other.id: other for other in (*listed, order)}
    exits = [other for other in members.values() if other.link == Link.ATTACHED and not other.triggered_at]
    if not exits or not (order in exits or any(exit_.parent_id == order.id for exit_ in exits)):
        return
    places = {
        other.id: _acts_at(OrderType(other.type), price=other.price, trigger=other.trigger_price)
        for other in members.values()
    } | {order.id: acts_at}
    stops = [places[exit_.id] for exit_ in exits if exit_.type in STOPS]
    profits = [places[exit_.id] for exit_ in exits if exit_.type not in STOPS]
    in_turn = [place for place in (*stops, places.get(exits[0].parent_id), *profits) if place is not None]
    if exits[0].side == Side.BUY:
        in_turn.reverse()
    if any(lower >= upper for lower, upper in pairwise(in_turn)):
        raise clash(
            "The exits of a bracket must lie on the two sides of its entry.", "price", "trigger_price"
        )


def _acts_at(kind: OrderType, *, price: Decimal | None, trigger: Decimal | None) -> Decimal | None:
    """Where an order acts: its trigger, else its limit; None for one that takes any price."""
    if kind.is_triggered:
        return trigger
    return price if kind.is_limit_priced else None


def _moved_protection(order: Order, rules: Rules, trigger: Decimal) -> int:
    """The protection at a new trigger price: as far from it, in proportion, as it was from the old one."""
    buy = order.side == Side.BUY
    old, protection = order.trigger_price or trigger, order.protection_price or trigger
    # Rounded towards the trigger, as the edge of the band is.
    counted = steps_below if buy else steps_above
    moved = counted(product(protection, trigger), product(old, rules.tick_size))
    edge = pretrade.protection_ticks(rules, buy=buy, reference=trigger)
    return max(1, min(moved, edge) if buy else max(moved, edge))


def _check_parts(order: Order, rules: Rules, quantity: Decimal) -> None:
    """What a new total must be to the parts of the order."""
    if quantity <= order.filled + order.prevented:
        raise Refusal(
            Code.BELOW_EXECUTED,
            "The new quantity is not above what has been filled: cancel the rest instead.",
            filled=short_text(order.filled),
        )
    if order.min_quantity is not None and quantity < order.min_quantity:
        raise clash("The quantity cannot be below the order's min_quantity.", "quantity")
    if order.display_quantity:
        leaves = quantity - order.filled - order.prevented
        pretrade.check_slices(
            rules,
            lots=pretrade.check_lots(rules, leaves, field="quantity"),
            shown_lots=pretrade.check_lots(rules, order.display_quantity, field="display_quantity"),
        )
