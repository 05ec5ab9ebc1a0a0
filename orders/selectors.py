"""Reading orders, books and the journal."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Q, QuerySet

from accounts.selectors import Reach
from instruments.selectors import Rules
from orders.models import (
    CLIENT_ORDER_ID,
    Book,
    Command,
    CommandKind,
    Event,
    Fill,
    Order,
    OrderIdentity,
    OrderStatus,
    Side,
    Stage,
    standing,
)
from tradeplatform.common.db import array, fetch, only, read
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.ids import is_id
from tradeplatform.common.pagination import Page, cut
from tradeplatform.common.statements import Statement
from tradeplatform.common.together import Together

# What everybody may see of a resting order: a slice of an iceberg, nothing of a hidden one.
VISIBLE = "CASE WHEN display_quantity IS NULL THEN leaves ELSE shown END"


def levels(instrument: str, side: Side) -> str:
    """SQL of a book's visible levels of a side, best first: price and quantity; `instrument` is SQL too.

    Best first is how the index of resting orders has them: with a LIMIT it reads no further.
    """
    order = "DESC" if side == Side.BUY else "ASC"
    return (
        f"SELECT price, sum({VISIBLE}) AS quantity FROM orders_order"  # noqa: S608 - our own words
        f" WHERE instrument_id = {instrument} AND side = '{side.value}'"
        " AND stage = 'active' AND status IN ('open', 'partially_filled')"
        f" GROUP BY price HAVING sum({VISIBLE}) > 0 ORDER BY price {order}"
    )


# A host whose clock is behind gives what came later an earlier time; a time here only finds partitions.
_CLOCKS_APART = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Depth:
    """A book's levels at `seq`, best first: (price, quantity shown)."""

    seq: int
    bids: list[tuple[Decimal, Decimal]]
    asks: list[tuple[Decimal, Decimal]]


def find_order(*, order_id: int, account_id: int | None) -> Order:
    """An order by its id. Another account's order is as unknown as none: both raise order_not_found."""
    orders = Order.objects.filter(id=order_id)
    if account_id is not None:
        orders = orders.filter(account_id=account_id)
    order = only(orders) if is_id(order_id) else None
    if order is None:
        raise order_not_found(order_id)
    return order


def order_not_found(order_id: int) -> Refusal:
    """The refusal of an id that no order has, or none that the caller may see."""
    return Refusal(Code.ORDER_NOT_FOUND, "No such order.", order=str(order_id))


def require_open(order: Order) -> None:
    """Raise order_not_open where nothing of an order can change any more."""
    if order.is_final:
        raise Refusal(
            Code.ORDER_NOT_OPEN,
            f"This order is {order.get_status_display().lower()}: nothing of it is open.",
            order=str(order.id),
            status=order.status,
        )


# One order after another, each by its own commands: the index of what waits is mostly of what has been done,
# until that is vacuumed. It does not know a status with something behind it.
_ASKED_FOR = """
    SELECT k.order_id FROM unnest(%s::bigint[]) AS k(order_id)
    CROSS JOIN LATERAL (
        SELECT FROM orders_command c WHERE c.order_id = k.order_id AND c.order_id > 0
        AND c.kind = %s::smallint AND c.status || '' = 'pending' AND c.at >= %s::timestamptz LIMIT 1
    ) waits
"""


def asked_for(
    order_ids: Collection[int], kind: CommandKind, *, since: datetime
) -> Statement[AbstractSet[int]]:
    """Those of these orders, placed at `since` or later, that a command of the kind waits for."""
    return Statement(
        _ASKED_FOR,
        [list(order_ids), kind.value, since - _CLOCKS_APART],
        lambda rows: {number for (number,) in rows},
    )


def find_order_by_client_id(*, account_id: int, client_order_id: str) -> Order:
    """An order by the id its client gave it, however old. Raises order_not_found."""
    named = OrderIdentity.objects.filter(account_id=account_id, client_order_id=client_order_id)
    identity = only(named) if CLIENT_ORDER_ID.fullmatch(client_order_id) else None
    if identity is None:
        raise Refusal(
            Code.ORDER_NOT_FOUND, "No such order.", client_order_id=ascii(client_order_id[:36])[1:-1]
        )
    return Order.objects.get(id=identity.order_id, created_at=identity.order_created_at)


def depth(rules: Rules, *, limit: int = 100) -> Depth:
    """The book as committed: levels and seq read in one snapshot, so that deltas after `seq` fit exactly."""
    return depths([rules], limit=limit)[0]


def depths(instruments: Sequence[Rules], *, limit: int) -> list[Depth]:
    """Several books in the order given, all from one snapshot, each with its `limit` best levels a side."""
    rows = fetch(
        f"""
        SELECT wanted.place, coalesce(book.seq, 0), side, price, quantity
        FROM unnest(%(numbers)s::int[]) WITH ORDINALITY AS wanted(id, place)
        LEFT JOIN orders_book book ON book.instrument_id = wanted.id
        LEFT JOIN LATERAL (
            (SELECT 'buy' AS side, * FROM ({levels("wanted.id", Side.BUY)}) bids LIMIT %(limit)s)
            UNION ALL (SELECT 'sell', * FROM ({levels("wanted.id", Side.SELL)}) asks LIMIT %(limit)s)
        ) AS shown ON true
        ORDER BY wanted.place, side, CASE WHEN side = 'buy' THEN -price ELSE price END
        """,  # noqa: S608 - our own words
        {"numbers": [rules.id for rules in instruments], "limit": limit},
    )
    books: dict[int, Depth] = {}
    for place, seq, side, price, quantity in rows:
        book = books.setdefault(place, Depth(seq, [], []))
        if side is not None:
            (book.bids if side == Side.BUY else book.asks).append((price, quantity))
    return list(books.values())


def waiting_shards(*, now: datetime, longer_than: timedelta) -> list[int]:
    """Shards with a pending command that has waited too long, or a kill not in effect: lost wake-ups."""
    rows = fetch(
        "SELECT s.id FROM orders_shard s WHERE s.status = 'running' AND (EXISTS ("
        " SELECT 1 FROM orders_command c WHERE c.shard_id = s.id AND c.status = 'pending' AND c.at < %s)"
        " OR EXISTS (SELECT 1 FROM orders_killeffect e WHERE e.shard_id = s.id AND e.position IS NULL))",
        [now - longer_than],
    )
    return [row[0] for row in rows]


def book_of(instrument_id: int) -> Book | None:
    """The book of an instrument, if one was opened."""
    return Book.objects.select_related("shard").filter(instrument_id=instrument_id).first()


@dataclass(frozen=True, slots=True)
class OrderRef:
    """Where an order is: enough to read it from its partition and to act on it in its owner's name."""

    id: int
    account_id: int
    created_at: datetime


_WHOSE = """
    SELECT i.order_id, i.account_id, i.order_created_at, a.user_id
    FROM unnest(%s::bigint[]) AS k(order_id)
    CROSS JOIN LATERAL (SELECT * FROM orders_orderidentity named WHERE named.order_id = k.order_id OFFSET 0) i
    JOIN accounts_tradingaccount a ON a.id = i.account_id
"""


def whose_orders(order_ids: Collection[int]) -> dict[int, tuple[OrderRef, int]]:
    """Where these orders are and the person whose each is, found in the unpartitioned identities."""
    asked = [number for number in order_ids if is_id(number)]
    rows = fetch(_WHOSE, [array(asked)], prepared=True) if asked else []
    return {number: (OrderRef(number, account_id, at), user_id) for number, account_id, at, user_id in rows}


def own_among(reach: Reach, order_id: int, whose: Mapping[int, tuple[OrderRef, int]]) -> OrderRef:
    """A caller's order by its id, among those of `whose_orders`. Raises order_not_found."""
    ref, user_id = whose.get(order_id, (None, 0))
    if ref is None or not reach.is_own(ref.account_id, {ref.account_id: user_id}):
        raise order_not_found(order_id)
    return ref


def own_order(reach: Reach, order_id: int) -> OrderRef:
    """A caller's order by its id. Raises order_not_found."""
    return own_among(reach, order_id, whose_orders([order_id]))


#: Joins orders with their (ids, creation times), two parameters.
AT_THEIR_TIMES = "JOIN unnest(%s::bigint[], %s::timestamptz[]) AS k(id, created_at) USING (id, created_at)"


def load_orders(refs: Iterable[tuple[int, datetime]]) -> dict[int, Order]:
    """Orders by id, from (id, creation time): only the partitions of those times are read."""
    ids, times = zip(*refs, strict=True)
    found = read(Order, AT_THEIR_TIMES, [array(ids), array(times)])
    return {order.id: order for order in found}


def _each_order(refs: Sequence[tuple[int, datetime]]) -> list[Order]:
    found = load_orders(refs)
    return [found[order_id] for order_id, _created_at in refs]


#: One order as it stands, by (id, creation time).
load_order = Together(_each_order)


def orders_by_id(ids: Iterable[int]) -> QuerySet[Order]:
    """These orders, oldest first."""
    return Order.objects.filter(id__in=list(ids)).order_by("id")


def orders_of(
    account_ids: Iterable[int], *, instrument_id: int | None, status: OrderStatus | None, live: bool | None
) -> list[QuerySet[Order]]:
    """Orders of these accounts, one queryset for each, filtered; to be merged by `newest_first`."""
    wanted = Order.objects.all()
    if instrument_id is not None:
        wanted = wanted.filter(instrument_id=instrument_id)
    if status is not None:
        wanted = wanted.filter(standing(status))
    if live is not None:
        wanted = wanted.live() if live else wanted.filter(stage=Stage.FINAL)
    return [wanted.for_account(account_id) for account_id in account_ids]


def fills_of(account_ids: Iterable[int], *, instrument_id: int | None) -> list[QuerySet[Fill]]:
    """Fills of these accounts, one queryset for each; to be merged by `newest_first`."""
    wanted = Fill.objects.all()
    if instrument_id is not None:
        wanted = wanted.filter(instrument_id=instrument_id)
    return [wanted.filter(account_id=account_id) for account_id in account_ids]


def trigger_ticks_of(order: OrderRef) -> int:
    """The trigger price that an order came with, in ticks; 0 for one that came without."""
    entered = Command.objects.filter(order_id=order.id, kind=CommandKind.NEW, at=order.created_at)
    terms = entered.values_list("terms", flat=True).first()
    return int(terms.get("trigger_price", 0)) if terms else 0


def events_of(order: OrderRef, *, cursor: int | None, limit: int) -> Page[Event]:
    """An order's life, oldest first, above the event id `cursor`: as subject or as the maker of a trade."""
    sides = [
        Event.objects.filter(column, at__gte=order.created_at, id__gt=cursor or 0).order_by("id")[: limit + 1]
        for column in (Q(order_id=order.id), Q(maker_order_id=order.id))
    ]
    merged = sides[0].union(sides[1], all=True).order_by("id")[: limit + 1]
    return cut([(event.id, event) for event in merged], limit)
