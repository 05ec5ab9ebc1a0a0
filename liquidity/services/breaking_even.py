"""Where a position breaks even: the price at which closing it pays back what it has cost."""

from __future__ import annotations

from bisect import bisect_left
from decimal import Decimal

from accounts.models import Direction, Position
from instruments.scaling import steps_above, steps_below, times
from liquidity.services.desk import Desk
from liquidity.services.valuing import average_price
from tradeplatform.common.errors import Code, Refusal


def break_even_price(desk: Desk, position: Position) -> Decimal:
    """The price next to the average open price, on a tick, at which closing all of it leaves no loss.

    Its costs are what it was charged so far, commission and swap, and the commission of that close, at the
    rates of now; a gain of parts that were closed before pays for none of them. Raises Refusal: no_rate,
    exit_price_reached where no price would pay for them.
    """
    tick, long = desk.terms[position.instrument_id].instrument.tick_size, position.direction == Direction.LONG
    average = average_price(position) or tick
    entry = steps_above(average, tick) if long else max(steps_below(average, tick), 1)
    most = None if long else entry - 1

    def price(ticks: int) -> Decimal:
        return times(entry + ticks if long else entry - ticks, tick)

    def result(ticks: int) -> Decimal:
        return desk.result_at(position, price(ticks))

    far = 0
    while result(far) < 0:
        if far == most:
            raise Refusal(
                Code.EXIT_PRICE_REACHED,
                "No price would pay for what the position has cost.",
                field="stop_loss",
            )
        far = far * 2 or 1
        far = far if most is None else min(far, most)
    return price(bisect_left(range(far), Decimal(0), key=result))
