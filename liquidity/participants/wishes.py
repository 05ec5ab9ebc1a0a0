"""What a participant sees of a market, and what it may wish for there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Protocol

from instruments.scaling import product, steps
from instruments.selectors import Rules
from orders.models import Side, TimeInForce


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """A participant's own live order; `leaving` once its cancel is asked for and not answered yet."""

    order_id: int
    client_order_id: str
    side: Side
    ticks: int
    lots: int
    leaving: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """One market as one participant sees it, in ticks and lots. A price of 0 means that there is none.

    `reference` is what the participants believe the price to be; `inventory` is what the participant has
    of the base asset beyond its opening balance; `parked` counts its orders that wait for a trigger or for
    a parent.
    """

    rules: Rules
    reference: int
    last: int
    bid: int
    ask: int
    mine: Sequence[OpenOrder]
    inventory: int
    free_base: int
    free_quote: Decimal
    parked: int = 0

    def lots_worth(self, budget: Decimal) -> int:
        """How many lots `budget` of the quote asset buys at the reference, within the order limits."""
        rules = self.rules
        notional = max(budget, rules.min_notional * 2)
        lots = int(notional / product(rules.price(self.reference), rules.lot_size))
        return max(steps(rules.min_quantity, rules.lot_size) or 1, min(lots, self.most_lots))

    @property
    def most_lots(self) -> int:
        """The largest order the instrument takes."""
        return steps(self.rules.max_quantity, self.rules.lot_size) or 1

    def points(self, hundredths_of_percent: int) -> int:
        """So many basis points of the reference in ticks, at least one."""
        return max(1, self.reference * hundredths_of_percent // 10_000)

    def affordable(self, side: Side, ticks: int, lots: int) -> bool:
        """Whether the free funds cover an order at this price, fees included."""
        if side == Side.SELL:
            return lots <= self.free_base
        cost = product(self.rules.price(ticks), self.rules.quantity(lots))
        return product(cost, 1 + self.rules.taker_fee) <= self.free_quote


@dataclass(frozen=True, slots=True)
class Place:
    """A new order; without `ticks` a market order, with `trail_ticks` a stop that follows the market.

    With `display_lots` an iceberg that shows so much at a time.
    """

    side: Side
    lots: int
    ticks: int | None
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    trail_ticks: int | None = None
    display_lots: int | None = None


@dataclass(frozen=True, slots=True)
class Bracket:
    """An entry at `ticks` with two exits for whatever it fills: one in profit, one against a loss."""

    side: Side
    lots: int
    ticks: int
    profit_ticks: int
    loss_ticks: int


@dataclass(frozen=True, slots=True)
class Withdraw:
    """A cancel."""

    client_order_id: str


@dataclass(frozen=True, slots=True)
class Move:
    """An amend of the price."""

    order_id: int
    ticks: int


Wish = Place | Bracket | Withdraw | Move


class Habit(Protocol):
    """A way of trading. It decides from what it sees and from `chance` alone, so a seed repeats it."""

    def act(self, view: View, chance: Random) -> list[Wish]:
        """What to do in this market now; nothing is an answer too."""
        ...
