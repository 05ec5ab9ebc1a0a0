"""Those who cross the spread: one at random, one after the price has moved."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random

from liquidity.participants.wishes import Place, View, Wish
from orders.models import Side, TimeInForce


def _against(view: View, side: Side) -> int:
    """The best price that an order of this side would meet."""
    return view.ask if side == Side.BUY else view.bid


@dataclass(frozen=True, slots=True)
class NoiseTaker:
    """Buys and sells small amounts without a reason: market orders, and limits that take or go."""

    budget: Decimal

    def act(self, view: View, chance: Random) -> list[Wish]:
        """One small order into what is there."""
        side = chance.choice((Side.BUY, Side.SELL))
        touch = _against(view, side)
        lots = min(view.most_lots, view.lots_worth(self.budget) * chance.randint(1, 6))
        ticks = chance.choice((touch, None))
        # A market buy reserves up to its protection price, which is above the touch by the price band.
        if not touch or not view.affordable(side, 2 * touch, lots):
            return []
        return [Place(side, lots, ticks, TimeInForce.IOC)]


@dataclass(frozen=True, slots=True)
class MomentumTaker:
    """Follows the last trades: buys after a rise and sells after a fall, up to a limit of inventory."""

    budget: Decimal
    window: int = 6
    threshold: int = 3
    most_units: int = 200
    _seen: defaultdict[str, deque[int]] = field(default_factory=lambda: defaultdict(deque))

    def act(self, view: View, chance: Random) -> list[Wish]:
        """Compare the last trade with the one `window` looks ago."""
        seen = self._seen[view.rules.symbol]
        seen.append(view.last or view.reference)
        if len(seen) <= self.window:
            return []
        change = seen[-1] - seen.popleft()
        if abs(change) < view.points(self.threshold):
            return []
        side = Side.BUY if change > 0 else Side.SELL
        unit = view.lots_worth(self.budget)
        inventory = view.inventory if side == Side.BUY else -view.inventory
        touch = _against(view, side)
        if not touch or inventory > unit * self.most_units:
            return []
        slip = view.points(2)
        ticks = touch + slip if side == Side.BUY else max(1, touch - slip)
        lots = min(view.most_lots, unit * chance.randint(2, 5))
        tif = chance.choice((TimeInForce.IOC, TimeInForce.FOK))
        return [Place(side, lots, ticks, tif)] if view.affordable(side, ticks, lots) else []
