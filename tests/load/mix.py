"""What is sent, in words and shares: a figure without its mix says nothing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mix:
    """Shares of 100 actions, and the words that go beside every figure measured with them.

    `makers` of the limit orders rest at the touch, `crossing` of them take at once, the others rest further
    away until they are cancelled. An order that takes asks for as much as a maker has, on average, so that
    the books neither fill nor empty.
    """

    name: str
    words: str
    limit: float
    taking: float
    cancel: float
    amend: float
    transfer: float
    makers: float
    crossing: float

    @property
    def quiet(self) -> float:
        """Limit orders that rest beyond those that trade."""
        return self.limit - self.makers - self.crossing

    @property
    def trading(self) -> float:
        """The share of new orders that are there to trade."""
        return (self.taking + self.makers + self.crossing) / (self.limit + self.taking)


EXCHANGE = Mix(
    name="exchange",
    words=(
        "45 % limit orders, 10 % market and IOC orders, 30 % cancels, 10 % amends (half of the price, half "
        "of the quantity), 5 % transfers between two accounts of one person. Of the limit orders 12.5 rest "
        "at the touch and trade, 2.5 cross, 30 rest 20 to 200 ticks away until they are cancelled: so nearly "
        "half of the orders trade, in 1.7 trades for each that takes. Sizes of 1 to 5 lots of 1,000; every "
        "order has a client order id, by which it is cancelled."
    ),
    limit=45,
    taking=10,
    cancel=30,
    amend=10,
    transfer=5,
    makers=12.5,
    crossing=2.5,
)

ORDERS = Mix(
    name="orders",
    words=(
        "Limit orders alone: half rest at the touch, half cross. For what new orders cost without the rest."
    ),
    limit=100,
    taking=0,
    cancel=0,
    amend=0,
    transfer=0,
    makers=50,
    crossing=50,
)

RESTING = Mix(
    name="resting",
    words="Limit orders that rest far from the touch; half are cancelled again. Nothing trades.",
    limit=67,
    taking=0,
    cancel=33,
    amend=0,
    transfer=0,
    makers=0,
    crossing=0,
)

MIXES = {mix.name: mix for mix in (EXCHANGE, ORDERS, RESTING)}
