"""The terms that came with a new order's command, in the market's units."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.utils.safestring import SafeString
from tradeengine.codec import Link, TriggerKind, TriggerSource

from instruments.admin import show as market
from instruments.models import Instrument
from instruments.scaling import times
from orders.admin import show as trading
from orders.models import Command
from orders.services.journal import moment
from tradeplatform.common.admin import show
from tradeplatform.common.admin.panels import Fact, Facts
from tradeplatform.common.wording import in_words

Shown = SafeString | str


def panel(command: Command, instrument: Instrument) -> Facts | None:
    """What the order states beside side, price and quantity; None where that is all."""
    terms = command.terms
    if not terms:
        return None
    facts = [Fact(in_words(name), _shown(name, value, instrument)) for name, value in terms.items()]
    if terms.get("trigger") == TriggerKind.TRAILING_BPS:
        facts = [fact for fact in facts if fact.label != "Distance"]
        facts.append(Fact("Distance", f"{terms['distance']} basis points"))
    return Facts("Terms", facts, wide=True)


def _shown(name: str, value: int, instrument: Instrument) -> Shown:
    write = _WRITERS.get(name)
    return write(value, instrument) if write else show.number(value)


def _price(ticks: int, instrument: Instrument) -> Shown:
    return market.price(times(ticks, instrument.tick_size), instrument)


def _lots(lots: int, instrument: Instrument) -> Shown:
    return market.quantity(times(lots, instrument.lot_size), instrument)


def _word(enumeration: Any) -> Callable[[int, Instrument], Shown]:
    return lambda value, _instrument: str(enumeration(value).name.replace("_", " ").lower())


def _order(number: int, _instrument: Instrument) -> Shown:
    return trading.order_ref(number)


_WRITERS: dict[str, Callable[[int, Instrument], Shown]] = {
    "trigger": _word(TriggerKind),
    "source": _word(TriggerSource),
    "link": _word(Link),
    "trigger_price": _price,
    "distance": _price,
    "step": _price,
    "display": _lots,
    "min_quantity": _lots,
    "position_limit": _lots,
    "budget": lambda value, instrument: market.amount(
        times(value, instrument.tick_size * instrument.lot_size), instrument.quote
    ),
    "expires": lambda value, _instrument: show.when(moment(value)),
    "parent": _order,
    "partner": _order,
}
