"""Reading trades from somewhere on, or up to somewhere, as programs page through them: oldest first."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import groupby, islice

from django.db.models import Q

from orders.models import Fill, OrderIdentity, Side, Trade
from tradeplatform.common.db import fetch

_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Span:
    """Which rows are wanted: from an id on, or between two moments, both inclusive.

    With a beginning they are the first from there, without one the last up to the end.
    """

    from_id: int | None = None
    start: datetime | None = None
    end: datetime | None = None

    @property
    def forward(self) -> bool:
        """Whether it is read from its beginning on."""
        return self.from_id is not None or self.start is not None


@dataclass(frozen=True, slots=True)
class Aggregate:
    """The trades of one order that came and took at one price, as one; `id` is that of the first."""

    id: int
    last_id: int
    at: datetime
    price: Decimal
    quantity: Decimal
    taker_side: str


def taker_order_of(trade: Trade) -> int:
    """The order that came to the other."""
    return trade.buy_order_id if trade.taker_side == Side.BUY else trade.sell_order_id


def trades_of(instrument_id: int, span: Span, *, limit: int) -> list[Trade]:
    """Trades of an instrument, oldest first."""
    return _page(instrument_id, span, limit=limit, after=None)


def aggregates_of(instrument_id: int, span: Span, *, limit: int) -> list[Aggregate]:
    """Trades put together by time, price and the order that took, oldest first: each whole, or not there."""
    trades = _walk(instrument_id, _from_whole(instrument_id, span))
    together = (_aggregate(list(group)) for _key, group in groupby(trades, key=_together))
    wanted = (one for one in together if span.from_id is None or one.id >= span.from_id)
    found = list(islice(wanted, limit))
    return found if span.forward else found[::-1]


def _together(trade: Trade) -> tuple[datetime, Decimal, int]:
    return trade.at, trade.price, taker_order_of(trade)


def _aggregate(trades: list[Trade]) -> Aggregate:
    one, ids = trades[0], [trade.id for trade in trades]
    quantity = sum((trade.quantity for trade in trades), Decimal(0))
    return Aggregate(min(ids), max(ids), one.at, one.price, quantity, one.taker_side)


def _from_whole(instrument_id: int, span: Span) -> Span:
    """The span with the trade before its first, which shows whether that is the first of its aggregate."""
    if span.from_id is None:
        return span
    before = Trade.objects.filter(instrument_id=instrument_id, id__lt=span.from_id).order_by("-id")
    last = before.values_list("id", flat=True).first()
    return Span(from_id=span.from_id if last is None else last, start=span.start, end=span.end)


def _walk(instrument_id: int, span: Span) -> Iterator[Trade]:
    """The trades of a span in the order it is read, a page at a time, as far as they are asked for."""
    after: Trade | None = None
    while page := _page(instrument_id, span, limit=_PAGE, after=after):
        if not span.forward:
            page.reverse()
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1]


def _page(instrument_id: int, span: Span, *, limit: int, after: Trade | None) -> list[Trade]:
    """Times and ids of a book's trades agree, so that either index gives the same order."""
    wanted = Trade.objects.filter(_between(span), instrument_id=instrument_id)
    if after is not None:
        wanted = (
            wanted.filter(id__gt=after.id, at__gte=after.at)
            if span.forward
            else wanted.filter(id__lt=after.id, at__lte=after.at)
        )
    order = ("at", "id") if span.start is not None else ("id",)
    if span.forward:
        return list(wanted.order_by(*order)[:limit])
    return list(wanted.order_by("-id")[:limit])[::-1]


@dataclass(frozen=True, slots=True)
class Ends:
    """The first and the last trade of a time, where there was any."""

    first_id: int | None = None
    last_id: int | None = None
    last_at: datetime | None = None
    last_quantity: Decimal | None = None


_ENDS = """
    SELECT wanted.id, first.id, last.id, last.at, last.quantity FROM unnest(%(numbers)s::int[]) AS wanted(id)
    CROSS JOIN LATERAL (
        SELECT id, at, quantity FROM orders_trade WHERE instrument_id = wanted.id AND at >= %(since)s
        ORDER BY at DESC, id DESC LIMIT 1
    ) last
    CROSS JOIN LATERAL (
        SELECT id FROM orders_trade WHERE instrument_id = wanted.id AND at >= %(since)s
        ORDER BY at, id LIMIT 1
    ) first
"""


def trade_ends(instrument_ids: Collection[int], *, since: datetime) -> dict[int, Ends]:
    """The ends of the trades of each instrument since then, by instrument; those without are absent."""
    rows = fetch(_ENDS, {"numbers": list(instrument_ids), "since": since})
    return {number: Ends(*ends) for number, *ends in rows}


def fills_of_instrument(
    account_id: int, instrument_id: int, span: Span, *, limit: int, order_id: int | None = None
) -> list[Fill]:
    """An account's fills in an instrument, by the ids of their trades, oldest first."""
    wanted = Fill.objects.filter(account_id=account_id, instrument_id=instrument_id)
    if order_id is not None:
        placed = OrderIdentity.objects.filter(order_id=order_id, account_id=account_id)
        placed_at = placed.values_list("order_created_at", flat=True).first()
        if placed_at is None:
            return []
        wanted = wanted.filter(order_id=order_id, at__gte=placed_at)
    if span.from_id is not None:
        first = Trade.objects.filter(instrument_id=instrument_id, id__gte=span.from_id).order_by("id")
        since = first.values_list("at", flat=True).first()
        if since is None:
            return []
        wanted = wanted.filter(trade_id__gte=span.from_id, at__gte=since)
    wanted = wanted.filter(_between(Span(start=span.start, end=span.end)))
    if span.forward:
        return list(wanted.order_by("id")[:limit])
    return list(wanted.order_by("-id")[:limit])[::-1]


def _between(span: Span) -> Q:
    condition = Q()
    if span.from_id is not None:
        condition &= Q(id__gte=span.from_id)
    if span.start is not None:
        condition &= Q(at__gte=span.start)
    if span.end is not None:
        condition &= Q(at__lte=span.end)
    return condition
