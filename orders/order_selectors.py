"""One account's orders as programs page through them: live ones, or from somewhere on; oldest first."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from orders.models import Order, OrderIdentity

# Ids are taken and moments noted by requests that run side by side: by so much their orders may differ.
_APART = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class OrderSpan:
    """Which orders are wanted: from an id on, or placed between two moments, both inclusive.

    With a beginning they are the first from there, without one the last up to the end.
    """

    from_id: int | None = None
    start: datetime | None = None
    end: datetime | None = None


def live_orders(account_id: int, *, instrument_id: int | None) -> list[Order]:
    """What of an account is live, in one instrument or in all, oldest first."""
    wanted = Order.objects.live().for_account(account_id)
    if instrument_id is not None:
        wanted = wanted.filter(instrument_id=instrument_id)
    return list(wanted.order_by("id"))


def orders_of_instrument(account_id: int, instrument_id: int, span: OrderSpan, *, limit: int) -> list[Order]:
    """An account's orders in an instrument, live or not, oldest first."""
    wanted = Order.objects.for_account(account_id).filter(instrument_id=instrument_id)
    if span.from_id is not None:
        first = OrderIdentity.objects.filter(order_id__gte=span.from_id).order_by("order_id")
        placed_at = first.values_list("order_created_at", flat=True).first()
        if placed_at is None:
            return []
        wanted = wanted.filter(id__gte=span.from_id, created_at__gte=placed_at - _APART)
    if span.start is not None:
        wanted = wanted.filter(created_at__gte=span.start)
    if span.end is not None:
        wanted = wanted.filter(created_at__lte=span.end)
    if span.from_id is not None or span.start is not None:
        return list(wanted.order_by("id")[:limit])
    return list(wanted.order_by("-id")[:limit])[::-1]


def list_members(list_ids: Sequence[int], *, account_id: int) -> dict[int, list[Order]]:
    """The orders of an account's lists, by list, each in order of id; unknown lists are simply absent."""
    found: dict[int, list[Order]] = {}
    wanted = Order.objects.for_account(account_id).filter(list_id__in=list_ids)
    for order in wanted.order_by("id"):
        found.setdefault(order.list_id, []).append(order)
    return found


def list_ids(order_ids: Collection[int]) -> dict[int, int]:
    """The list of each of these orders that came in one."""
    if not order_ids:
        return {}
    placed = OrderIdentity.objects.filter(order_id__in=order_ids).values_list("order_created_at", flat=True)
    listed = Order.objects.filter(id__in=order_ids, created_at__in=set(placed), list_id__gt=0)
    return dict(listed.values_list("id", "list_id"))
