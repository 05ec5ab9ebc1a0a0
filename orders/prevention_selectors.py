"""Reading self-trade prevention back from the events: who would have met whom, and what was taken off.

The engine says what prevention takes off (CANCELLED and REDUCED with its reason), maker first; see
docs/engine.md. Who came, if that is not said, is the order that went live last before; who stood there, the
best of the orders of its account or group on the other side, which is what the book meets first.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from orders.models import Event, EventKind, Order, Side
from orders.services.engine_codes import REASON, SIDE_WORD
from tradeplatform.common.db import fetch

_PREVENTION = REASON["self_trade_prevention"]
# A CANCELLED of nothing says that an order has been reduced to its end.
_TAKEN_OFF: dict[str, Any] = {
    "reason_code": _PREVENTION,
    "kind__in": (EventKind.CANCELLED, EventKind.REDUCED),
    "quantity_lots__gt": 0,
}
_GOES_LIVE = (EventKind.ACCEPTED, EventKind.AMENDED, EventKind.TRIGGERED, EventKind.ACTIVATED)
_OTHER = {Side.BUY: Side.SELL, Side.SELL: Side.BUY}


@dataclass(frozen=True, slots=True)
class PreventedMatch:
    """A meeting that was no trade. `id` is that of its first event; lots are 0 where nothing was taken off.

    `maker_order_id` and `price_ticks` are 0 where the order that stood there cannot be told any more. In an
    opening, where both rested, either may be called taker.
    """

    id: int
    at: datetime
    taker_order_id: int
    maker_order_id: int
    price_ticks: int
    maker_lots: int
    taker_lots: int


def prevented_matches(
    *, instrument_id: int, account_id: int, order: Order | None, match_id: int | None, limit: int
) -> list[PreventedMatch]:
    """The matches of an order that were prevented, or the one with this event, oldest first."""
    wanted = Event.objects.filter(instrument_id=instrument_id, **_TAKEN_OFF)
    if match_id is not None:
        named = Event.objects.filter(id=match_id, account_id=account_id, reason_code=_PREVENTION).first()
        if named is None:
            return []
        # An order that was reduced to its end is named by that end.
        wanted = wanted.filter(order_id=named.order_id, at=named.at, id__lte=named.id).order_by("-id")[:1]
    if order is not None:
        wanted = wanted.filter(order_id=order.pk, at__gte=order.created_at).order_by("id")[:limit]
    matches = (_match(event) for event in wanted)
    return list({match.id: match for match in matches}.values())


def _match(event: Event) -> PreventedMatch:
    """The meeting that an event is half of. A maker's half comes right before the taker's."""
    pair = {event.order_id: event}
    came = _came(event)
    place = event.id - 1 if event.order_id == came else event.id + 1
    same = {"command_id": event.command_id, "kind": event.kind, "at": event.at}
    other = Event.objects.filter(id=place, **same, **_TAKEN_OFF).first()
    if other is not None and came in {event.order_id, other.order_id}:
        pair[other.order_id] = other
    taker, maker = pair.pop(came, None), next(iter(pair.values()), None)
    stood = (maker.order_id, maker.price_ticks) if maker else _stood(event, came)
    return PreventedMatch(
        id=min(half.id for half in (maker, taker) if half),
        at=event.at,
        taker_order_id=came,
        maker_order_id=stood[0],
        price_ticks=stood[1],
        maker_lots=maker.quantity_lots if maker else 0,
        taker_lots=taker.quantity_lots if taker else 0,
    )


def _came(event: Event) -> int:
    """The order that went live last before the meeting, in the same command."""
    live = Event.objects.filter(
        instrument_id=event.instrument_id,
        id__lt=event.id,
        at=event.at,
        command_id=event.command_id,
        kind__in=_GOES_LIVE,
    )
    last = live.order_by("-id").values_list("order_id", flat=True).first()
    # None did where an opening uncrosses what rested.
    return event.order_id if last is None else last


_STOOD = """
    SELECT o.id, coalesce(o.price, o.protection_price) FROM orders_order o
    WHERE o.instrument_id = %(instrument)s AND o.side = %(side)s AND o.priority BETWEEN 1 AND %(seq)s
        AND (o.account_id = %(account)s OR (o.stp_group > 0 AND o.stp_group = %(group)s))
        AND (o.last_seq > %(seq)s OR o.status IN ('open', 'partially_filled'))
        AND (o.trigger_price IS NULL OR o.triggered_at <= %(at)s)
    ORDER BY CASE o.side WHEN 'buy' THEN -o.price ELSE o.price END, o.priority LIMIT 1
"""


def _stood(anchor: Event, came: int) -> tuple[int, int]:
    """The order that the one that came would have met, and its price in ticks."""
    taker = Order.objects.filter(id=came).select_related("instrument").first()
    if taker is None:
        return 0, 0
    rows = fetch(
        _STOOD,
        {
            "instrument": anchor.instrument_id,
            "side": _OTHER[SIDE_WORD[anchor.side]].value,
            "account": anchor.account_id,
            "group": taker.stp_group,
            "seq": anchor.seq,
            "at": anchor.at,
        },
    )
    if not rows:
        return 0, 0
    order_id, price = rows[0]
    return order_id, int(price / taker.instrument.tick_size)
