"""Reading self-trade prevention back from the events: who would have met whom, and what was taken off.

The engine says what prevention takes off (CANCELLED and REDUCED with its reason), a maker's half right before
the taker's; see docs/engine.md. Who came is the order that went live last before, in the same command. Who
stood there, where nothing was taken off it, is the best of the orders of the account or group on the other
side, as their own events had left them by then: that is whom the book met first.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from tradeengine.codec import EventFlag

from orders.models import EventKind, Order, Side
from orders.services.engine_codes import REASON, SIDE
from tradeplatform.common.db import fetch


@dataclass(frozen=True, slots=True)
class PreventedMatch:
    """A meeting that was no trade. `id` is that of its first event; lots are 0 where nothing was taken off.

    `maker_order_id` is 0 and `price` None where the order that stood there cannot be told any more. In an
    opening, where both rested, either may be called taker.
    """

    id: int
    at: datetime
    taker_order_id: int
    maker_order_id: int
    price: Decimal | None
    maker_lots: int
    taker_lots: int
    stp_mode: str
    stp_group: int


def prevented_matches(
    *, instrument_id: int, account_id: int, order: Order | None, match_id: int | None, limit: int
) -> list[PreventedMatch]:
    """The matches of an order that were prevented, or the one with this event, oldest first."""
    rows = fetch(
        _MATCHES,
        {
            "instrument": instrument_id,
            "account": account_id,
            "order": order.pk if order else None,
            "since": order.created_at if order else None,
            "match": match_id,
            "prevention": REASON["self_trade_prevention"],
            "taken_off": [EventKind.CANCELLED.value, EventKind.REDUCED.value],
            "goes_live": [kind.value for kind in _GOES_LIVE],
            "parks": [kind.value for kind in _GOES_LIVE if kind != EventKind.AMENDED],
            "parked": int(EventFlag.ARMED | EventFlag.WAITING),
            "displayed": EventKind.DISPLAYED.value,
            "buy": SIDE[Side.BUY],
            "limit": limit,
        },
    )
    return [PreventedMatch(*row) for row in rows]


_GOES_LIVE = (EventKind.ACCEPTED, EventKind.AMENDED, EventKind.TRIGGERED, EventKind.ACTIVATED)

# A CANCELLED of nothing says that an order has been reduced to its end; it may be what a match is named by.
_HALVES = """
    SELECT half.* FROM orders_event half
    WHERE half.instrument_id = %(instrument)s AND half.account_id = %(account)s
        AND half.reason_code = %(prevention)s AND half.kind = ANY(%(taken_off)s) AND half.quantity_lots > 0
        AND CASE WHEN %(order)s::bigint IS NOT NULL
            THEN half.order_id = %(order)s AND half.at >= %(since)s
            ELSE half.id = (
                SELECT max(own.id) FROM orders_event named
                JOIN orders_event own ON own.order_id = named.order_id AND own.at = named.at
                    AND own.id <= named.id AND own.reason_code = named.reason_code AND own.quantity_lots > 0
                WHERE named.id = %(match)s AND named.reason_code = %(prevention)s)
        END
    ORDER BY half.id LIMIT %(limit)s
"""
# An order as it was just before the half: its price, its turn, and whether it still waited for something.
_AS_IT_WAS = """
    SELECT max(e.priority) AS priority,
        (array_agg(e.price_ticks ORDER BY e.id DESC) FILTER (WHERE e.kind = ANY(%(goes_live)s)))[1]
            AS price_ticks,
        (array_agg(e.flags & %(parked)s ORDER BY e.id DESC) FILTER (WHERE e.kind = ANY(%(parks)s)))[1]
            AS parked
    FROM orders_event e
    WHERE e.order_id = o.id AND e.order_id > 0 AND e.at BETWEEN o.created_at AND half.at AND e.id < half.id
        AND (e.kind = ANY(%(goes_live)s) OR e.kind = %(displayed)s)
"""
_MATCHES = f"""
    SELECT DISTINCT ON (least(half.id, coalesce(other.id, half.id)))
        least(half.id, coalesce(other.id, half.id)), half.at, taker.id,
        CASE WHEN half.order_id = taker.id THEN coalesce(other.order_id, stood.id, 0) ELSE half.order_id END,
        CASE WHEN half.order_id <> taker.id THEN half.price_ticks * instrument.tick_size
            ELSE coalesce(other.price_ticks * instrument.tick_size, stood.price) END,
        CASE WHEN half.order_id = taker.id THEN coalesce(other.quantity_lots, 0)
            ELSE half.quantity_lots END,
        CASE WHEN half.order_id = taker.id THEN half.quantity_lots
            ELSE coalesce(other.quantity_lots, 0) END,
        taker.stp_mode, taker.stp_group
    FROM ({_HALVES}) half
    JOIN instruments_instrument instrument ON instrument.id = half.instrument_id
    LEFT JOIN LATERAL (
        SELECT live.order_id FROM orders_event live
        WHERE live.instrument_id = half.instrument_id AND live.at = half.at
            AND live.command_id = half.command_id AND live.id < half.id AND live.kind = ANY(%(goes_live)s)
        ORDER BY live.id DESC LIMIT 1
    ) came ON true
    JOIN orders_order taker ON taker.id = coalesce(came.order_id, half.order_id)
    LEFT JOIN orders_event other ON other.at = half.at AND other.command_id = half.command_id
        AND other.kind = half.kind AND other.reason_code = half.reason_code AND other.quantity_lots > 0
        AND other.id = half.id + CASE WHEN half.order_id = taker.id THEN -1 ELSE 1 END
        AND (half.order_id = taker.id OR other.order_id = taker.id)
    LEFT JOIN LATERAL (
        SELECT o.id, then_.price_ticks * instrument.tick_size AS price
        FROM orders_order o CROSS JOIN LATERAL ({_AS_IT_WAS}) then_
        WHERE other.id IS NULL AND half.order_id = taker.id AND o.instrument_id = half.instrument_id
            AND o.side = CASE half.side WHEN %(buy)s THEN 'sell' ELSE 'buy' END
            AND (o.account_id = taker.account_id OR (o.stp_group > 0 AND o.stp_group = taker.stp_group))
            AND (o.last_seq > half.seq OR o.status IN ('open', 'partially_filled'))
            AND o.created_at <= half.at AND then_.parked = 0
        ORDER BY CASE o.side WHEN 'buy' THEN -then_.price_ticks ELSE then_.price_ticks END,
            o.display_quantity IS NOT DISTINCT FROM 0, then_.priority LIMIT 1
    ) stood ON true
    ORDER BY 1
"""  # noqa: S608 - our own words
