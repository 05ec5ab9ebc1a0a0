"""A market maker: a ladder of orders on both sides of the reference, leaning against its inventory."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from random import Random

from liquidity.participants.wishes import OpenOrder, Place, View, Wish, Withdraw
from orders.models import Side

_MOST_LEAN_POINTS = 20


@dataclass(frozen=True, slots=True)
class Maker:
    """Distances are in basis points of the reference, `budget` is the worth of the smallest order.

    One basis point of lean for each `patience` units of inventory: who has bought too much quotes lower.
    """

    levels: int
    half_spread: int
    step: int
    budget: Decimal
    patience: int = 20
    most_wishes: int = 8

    def act(self, view: View, chance: Random) -> list[Wish]:
        """Withdraw what stands in the wrong place, then fill the gaps from the touch outwards."""
        unit = view.lots_worth(self.budget)
        lean = max(-_MOST_LEAN_POINTS, min(_MOST_LEAN_POINTS, view.inventory // (unit * self.patience)))
        centre = view.reference - view.reference * lean // 10_000
        tolerance = view.points(self.step) // 2
        withdrawals: list[Wish] = []
        placements: list[tuple[int, Wish]] = []
        for side, sign in ((Side.BUY, -1), (Side.SELL, 1)):
            standing = [order for order in view.mine if order.side == side]
            for level in range(self.levels):
                away = view.points(self.half_spread) + level * view.points(self.step)
                ticks = max(1, centre + sign * away)
                order = _nearest(standing, ticks, tolerance)
                lots = min(view.most_lots, unit * (level + 1) + chance.randrange(unit))
                if order is not None:
                    standing.remove(order)
                elif not _would_take(view, side, ticks) and view.affordable(side, ticks, lots):
                    placements.append((level, Place(side, lots, ticks, post_only=True)))
            withdrawals += [Withdraw(order.client_order_id) for order in standing]
        placements.sort(key=lambda placement: placement[0])
        return [*withdrawals, *(wish for _, wish in placements)][: self.most_wishes]


def _would_take(view: View, side: Side, ticks: int) -> bool:
    """Whether somebody stands in the way: what only wants to wait would be rejected there."""
    return bool(view.ask and ticks >= view.ask if side == Side.BUY else view.bid and ticks <= view.bid)


def _nearest(orders: list[OpenOrder], ticks: int, tolerance: int) -> OpenOrder | None:
    near = [order for order in orders if abs(order.ticks - ticks) <= tolerance]
    return min(near, key=lambda order: (abs(order.ticks - ticks), order.order_id), default=None)
