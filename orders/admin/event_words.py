"""What an event did to an order, as a sentence with numbers in units of the market."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from django.utils.html import format_html
from django.utils.safestring import SafeString
from tradeengine.codec import EventFlag, Reason

from instruments.admin import show as market
from instruments.models import Instrument
from instruments.scaling import times
from orders.admin import show as trading
from orders.models import Event, EventKind, Order, Side, Trade
from tradeplatform.common.admin import show


@dataclass(frozen=True)
class Told:
    """An event, as far as one order is concerned."""

    order: Order
    event: Event
    #: The trigger price that the order came with, where this event is about it; 0 = none.
    trigger_ticks: int = 0

    @property
    def is_maker(self) -> bool:
        """Whether the order was the one that waited."""
        return self.event.maker_order_id == self.order.pk

    @cached_property
    def quantity(self) -> SafeString | str:
        """Of the event."""
        return self._lots(self.event.quantity_lots)

    @cached_property
    def leaves(self) -> SafeString | str:
        """What is open of the order after it."""
        return self._lots(self.event.maker_leaves_lots if self.is_maker else self.event.leaves_lots)

    @cached_property
    def price(self) -> SafeString | str:
        """Of the event."""
        return self._ticks(self.event.price_ticks)

    @cached_property
    def trigger(self) -> SafeString | str:
        """The trigger price that the order came with."""
        return self._ticks(self.trigger_ticks)

    def _ticks(self, ticks: int) -> SafeString | str:
        instrument = self.order.instrument
        return market.price(times(ticks, instrument.tick_size), instrument)

    def has(self, flag: EventFlag) -> bool:
        """Whether the event says so."""
        return bool(self.event.flags & flag)

    def _lots(self, lots: int) -> SafeString | str:
        instrument = self.order.instrument
        return market.quantity(times(lots, instrument.lot_size), instrument)


def price_of(event: Event, instrument: Instrument) -> SafeString | str:
    """The event's price, if it has one; of the opening after an auction, the auction's."""
    if not event.price_ticks:
        return show.NOTHING
    return market.price(times(event.price_ticks, instrument.tick_size), instrument)


def quantity_of(event: Event, instrument: Instrument) -> SafeString | str:
    """The event's quantity; of a mass cancel, how many orders."""
    if event.kind == EventKind.MASS_CANCELLED:
        return show.number(f"{show.whole(event.quantity_lots)} orders")
    if not event.order_id and not event.quantity_lots:
        return show.NOTHING
    return market.quantity(times(event.quantity_lots, instrument.lot_size), instrument)


def flags_of(event: Event) -> str:
    """What the event's flags say; those of a change of phase are the phase itself."""
    if event.kind == EventKind.PHASE_CHANGED:
        return show.NOTHING
    words = [flag.name.replace("_", " ").lower() for flag in EventFlag if event.flags & flag and flag.name]
    return ", ".join(words) or show.NOTHING


def sentence(told: Told) -> SafeString:
    """The event as the owner of the order would be told."""
    write = _SENTENCES.get(EventKind(told.event.kind))
    return write(told) if write else format_html("{}", told.event.get_kind_display())


def _accepted(told: Told) -> SafeString:
    how = "Entered the book"
    if told.has(EventFlag.WAITING):
        how = "Waits for its parent"
    elif told.has(EventFlag.ARMED):
        how = "Armed, waits for its trigger,"
    price = trigger = SafeString()
    if told.event.price_ticks:
        limit = "at" if told.order.price is not None else "protected at"
        price = format_html(" {} {}", limit, told.price)
    if told.trigger_ticks:
        trigger = format_html(", trigger {}", told.trigger)
    return format_html("{} with {}{}{}", how, told.quantity, price, trigger)


def _trade(told: Told) -> SafeString:
    event = told.event
    how = "as maker" if told.is_maker else "as taker"
    return format_html(
        "{} {} at {} {}, against order {} ({})",
        "Bought" if told.order.side == Side.BUY else "Sold",
        told.quantity,
        told.price,
        "in the auction" if told.has(EventFlag.AUCTION) else how,
        trading.order_ref(event.order_id if told.is_maker else event.maker_order_id),
        show.ref_to(Trade, event.pk, "trade"),
    )


def _amended(told: Told) -> SafeString:
    place = "kept its place" if told.has(EventFlag.KEPT_PLACE) else "went to the back of the queue"
    return format_html("Now {} at {}; {}", told.quantity, told.price, place)


def _reduced(told: Told) -> SafeString:
    beyond = told.event.reason_code == Reason.REDUCE_ONLY
    why = "because it went beyond the position" if beyond else "by self-trade prevention"
    return format_html("{} taken off {}", told.quantity, why)


def _activated(told: Told) -> SafeString:
    then = "armed, waiting for its trigger" if told.has(EventFlag.ARMED) else "going live"
    return format_html("Its parent was filled: {} {}", told.quantity, then)


_SENTENCES: dict[EventKind, Callable[[Told], SafeString]] = {
    EventKind.ACCEPTED: _accepted,
    EventKind.TRADE: _trade,
    EventKind.AMENDED: _amended,
    EventKind.REDUCED: _reduced,
    EventKind.ACTIVATED: _activated,
    EventKind.CANCELLED: lambda told: format_html("{} left the book unfilled", told.quantity),
    EventKind.TRIGGERED: lambda told: format_html("Its trigger came: {} went live", told.leaves),
    EventKind.TRAILED: lambda told: format_html("Its trigger moved to {}", told.price),
    EventKind.DISPLAYED: lambda told: format_html("Shows a slice of {}", told.quantity),
}
