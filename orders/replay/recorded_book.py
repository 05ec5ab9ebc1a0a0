"""The book as the recording shows it: orders by their recorded ids, and the levels they add up to.

Nothing is matched here, so this book may be crossed for as long as the recording lets it be.
"""

from __future__ import annotations

from dataclasses import dataclass

from orders.models import Side

Levels = list[tuple[int, int]]  # (price in ticks, quantity in lots), best first


@dataclass(slots=True)
class RecordedOrder:
    """An order that the recording has shown and not taken away, in ticks and lots."""

    side: Side
    ticks: int
    lots: int


class RecordedBook:
    """Levels are kept as sums; the best price of a side is found again when its level goes."""

    def __init__(self) -> None:
        """Empty."""
        self.orders: dict[str, RecordedOrder] = {}
        self._levels: dict[Side, dict[int, int]] = {Side.BUY: {}, Side.SELL: {}}
        self._best: dict[Side, int] = {Side.BUY: 0, Side.SELL: 0}

    def place(self, order_id: str, order: RecordedOrder) -> None:
        """Show an order, in place of the one that had its id."""
        self.remove(order_id)
        if order.lots:
            self.orders[order_id] = order
            self._add(order.side, order.ticks, order.lots)

    def remove(self, order_id: str) -> None:
        """Take an order away, if it is there."""
        order = self.orders.pop(order_id, None)
        if order is not None:
            self._add(order.side, order.ticks, -order.lots)

    def best(self, side: Side) -> int:
        """The best price of a side in ticks; 0 when the side is empty."""
        return self._best[side]

    def depth(self, side: Side, limit: int) -> Levels:
        """The best levels of a side."""
        levels = self._levels[side]
        prices = sorted(levels, reverse=side == Side.BUY)[:limit]
        return [(price, levels[price]) for price in prices]

    @property
    def crossed(self) -> bool:
        """Whether a bid stands at or above an ask."""
        return 0 < self._best[Side.SELL] <= self._best[Side.BUY]

    def _add(self, side: Side, ticks: int, lots: int) -> None:
        levels = self._levels[side]
        total = levels.get(ticks, 0) + lots
        best = self._best[side]
        if total:
            levels[ticks] = total
            better = ticks > best if side == Side.BUY else ticks < best
            if better or not best:
                self._best[side] = ticks
        else:
            del levels[ticks]
            if ticks == best:
                pick = max if side == Side.BUY else min
                self._best[side] = pick(levels, default=0)
