"""The patient trader: joins the queue at the touch, waits, steps closer, and sometimes gives up."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from random import Random

from liquidity.participants.wishes import Move, Place, View, Wish, Withdraw
from orders.models import Side


@dataclass(frozen=True, slots=True)
class Patient:
    """Keeps a few limit orders that rest; changes its mind about the oldest."""

    budget: Decimal
    most_open: int = 4

    def act(self, view: View, chance: Random) -> list[Wish]:
        """Mostly place, sometimes move or withdraw the oldest order, sometimes just wait."""
        (mood,) = chance.choices(("place", "move", "withdraw", "wait"), (5, 3, 2, 1))
        side = chance.choice((Side.BUY, Side.SELL))
        touch = view.bid if side == Side.BUY else view.ask
        lots = min(view.most_lots, view.lots_worth(self.budget) * chance.randint(1, 4))
        ticks = chance.choice((touch, _closer(view, side, touch)))
        oldest = view.mine[0] if view.mine else None
        if oldest is not None and (mood == "withdraw" or len(view.mine) > self.most_open):
            return [Withdraw(oldest.client_order_id)]
        if oldest is not None and mood == "move":
            closer = _closer(view, oldest.side, oldest.ticks)
            return [Move(oldest.order_id, closer)] if closer != oldest.ticks else []
        if mood == "wait" or not touch or not view.affordable(side, ticks, lots):
            return []
        return [Place(side, lots, ticks)]


def _closer(view: View, side: Side, ticks: int) -> int:
    """One basis point towards the other side, but never across it."""
    point = view.points(1)
    if side == Side.BUY:
        return min(ticks + point, view.ask - 1) if view.ask > ticks + 1 else ticks
    return max(ticks - point, view.bid + 1) if view.bid and view.bid < ticks - 1 else ticks
