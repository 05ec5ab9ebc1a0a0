"""What an auction would do now: the engine's rule (docs/engine.md, Auction) applied to the committed orders.

The engine's own word is in the frames it publishes; this is for whoever begins to look, and for operators.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate

from instruments.selectors import Rules
from tradeplatform.common.db import fetch


@dataclass(frozen=True, slots=True)
class Indicative:
    """The price an uncross would choose, the quantity it would execute, and bids less asks at that price."""

    price: Decimal
    quantity: Decimal
    surplus: Decimal


# Only what can meet: bids from the best ask upwards, asks from the best bid downwards. Hidden lots count.
_CROSSING = """
    WITH edges AS (
        SELECT (SELECT min(price) FROM orders_order WHERE instrument_id = %(instrument)s AND side = 'sell'
                    AND stage = 'active' AND status IN ('open', 'partially_filled')) AS ask,
               (SELECT max(price) FROM orders_order WHERE instrument_id = %(instrument)s AND side = 'buy'
                    AND stage = 'active' AND status IN ('open', 'partially_filled')) AS bid
    )
    SELECT price, coalesce(sum(leaves) FILTER (WHERE side = 'buy'), 0),
           coalesce(sum(leaves) FILTER (WHERE side = 'sell'), 0),
           (SELECT last_price_ticks FROM orders_book WHERE instrument_id = %(instrument)s)
    FROM orders_order, edges
    WHERE instrument_id = %(instrument)s AND stage = 'active' AND status IN ('open', 'partially_filled')
      AND price BETWEEN edges.ask AND edges.bid
    GROUP BY price ORDER BY price
"""


def indicative(rules: Rules) -> Indicative | None:
    """The outcome of an uncross of the book as committed; None where nothing crosses.

    Self-trade prevention may make the real one smaller: whose orders meet is known only then.
    """
    rows = fetch(_CROSSING, {"instrument": rules.id})
    if not rows:
        return None
    # Without a trade the book knows no price to stay near to.
    reference = rules.price(rows[0][3])
    asks = list(accumulate(row[2] for row in rows))
    bids = list(accumulate(row[1] for row in reversed(rows)))[::-1]
    best = min(
        (-min(bid, ask), abs(bid - ask), abs(row[0] - reference), row[0], bid - ask)
        for row, bid, ask in zip(rows, bids, asks, strict=True)
    )
    return Indicative(price=best[3], quantity=-best[0], surplus=best[4])
