"""Those who think ahead: one hides how much it has to trade, one never enters without a way out."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from random import Random

from liquidity.participants.wishes import Bracket, OpenOrder, Place, View, Wish, Withdraw
from orders.models import Side


@dataclass(frozen=True, slots=True)
class Whale:
    """Rests large icebergs near the reference, of which it shows a part; takes back what is left behind."""

    budget: Decimal
    away: int = 4
    most_away: int = 40
    parts: int = 8

    def act(self, view: View, chance: Random) -> list[Wish]:
        """One iceberg on each side, while it stands on its side of the reference and not too far off."""
        misplaced = [o for o in view.mine if not 0 < _away(view, o) <= view.points(self.most_away)]
        if misplaced:
            return [Withdraw(order.client_order_id) for order in misplaced]
        side = chance.choice((Side.BUY, Side.SELL))
        if any(order.side == side for order in view.mine):
            return []
        points = view.points(self.away + chance.randrange(self.away))
        ticks = max(1, view.reference + (points if side == Side.SELL else -points))
        lots = min(view.most_lots, view.lots_worth(self.budget) * chance.randint(3, 6))
        if not view.affordable(side, ticks, lots):
            return []
        return [Place(side, lots, ticks, display_lots=max(1, lots // self.parts))]


@dataclass(frozen=True, slots=True)
class Guarded:
    """Enters at the touch with a bracket, and guards what it has with a stop that follows the market."""

    budget: Decimal
    profit: int = 12
    loss: int = 8
    trail: int = 15
    most_parked: int = 12

    def act(self, view: View, chance: Random) -> list[Wish]:
        """Take back an entry that was left behind; else enter, or guard what there is."""
        misplaced = [o for o in view.mine if not 0 <= _away(view, o) <= view.points(self.profit)]
        if misplaced:
            return [Withdraw(order.client_order_id) for order in misplaced]
        if view.parked >= self.most_parked or not view.bid or not view.ask:
            return []
        unit = view.lots_worth(self.budget)
        if view.inventory > 4 * unit and chance.random() < 0.5:  # noqa: PLR2004 - a habit
            return [Place(Side.SELL, min(view.most_lots, unit), None, trail_ticks=view.points(self.trail))]
        side = chance.choice((Side.BUY, Side.SELL))
        ticks = view.bid if side == Side.BUY else view.ask
        sign = 1 if side == Side.BUY else -1
        # An exit that buys reserves up to its protection price, which is above its trigger by the price band.
        if not view.affordable(side, 2 * ticks, unit) or not view.affordable(Side.BUY, 2 * ticks, unit):
            return []
        profit, loss = sign * view.points(self.profit), sign * view.points(self.loss)
        return [Bracket(side, unit, ticks, max(1, ticks + profit), max(1, ticks - loss))]


def _away(view: View, order: OpenOrder) -> int:
    """How far an order stands off the reference on its own side, in ticks; below 0 on the other."""
    return view.reference - order.ticks if order.side == Side.BUY else order.ticks - view.reference
