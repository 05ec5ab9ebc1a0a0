"""The same position by another road: fractions, no rounding, no shared code."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(slots=True)
class NaivePosition:
    """Quantity, average price of the open part, and what closing earned."""

    quantity: Fraction = Fraction(0)
    average: Fraction = Fraction(0)
    realised: Fraction = Fraction(0)

    def trade(self, quantity: Fraction, price: Fraction) -> None:
        """Lot by lot: first close what is open on the other side, then open the rest."""
        against = self.quantity and (self.quantity > 0) != (quantity > 0)
        if against:
            closing = min(abs(self.quantity), abs(quantity))
            sign = 1 if self.quantity > 0 else -1
            self.realised += sign * closing * (price - self.average)
            self.quantity -= sign * closing
            quantity += sign * closing
        if quantity:
            worth = self.quantity * self.average + quantity * price
            self.quantity += quantity
            self.average = worth / self.quantity
        elif not self.quantity:
            self.average = Fraction(0)
