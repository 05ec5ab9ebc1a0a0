"""Trades: who met whom, at what price. Read only; newest first over all books."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from accounts.admin import show as party
from accounts.admin.ledger_panels import RELATED
from accounts.models import Transfer
from instruments.admin import show as market
from instruments.models import Instrument
from orders.admin import show as trading
from orders.admin.filters import AtDays, InstrumentFilter
from orders.models import Book, Event, Fill, Trade
from tradeplatform.common.admin import show
from tradeplatform.common.admin.details import DetailMixin
from tradeplatform.common.admin.filters import as_id, midnight
from tradeplatform.common.admin.lists import KeysetList
from tradeplatform.common.admin.paging import KeysetChangeList, Page
from tradeplatform.common.admin.panels import Fact, Facts, Panel, Table, columns
from tradeplatform.common.db import fetch

_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)


@admin.register(Trade)
class TradeAdmin(DetailMixin, KeysetList):
    """A trade's id is its book's number and seq, so "newest" is by time: each book is read from its index."""

    question = "What traded just now, at what price, between whom?"
    when_empty = "Nothing has traded yet. Run `manage.py simulate` to see a market move."
    search_hint = "Trade id or order id"
    list_display = (
        "number",
        "moment",
        "market_shown",
        "price_shown",
        "quantity_shown",
        "value",
        "took",
        "buy",
        "sell",
    )
    list_display_links = ("number",)
    list_filter = (InstrumentFilter, AtDays)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Trade]:
        """With both parties and the market."""
        return Trade.objects.select_related("instrument__base", "instrument__quote", "buyer", "seller")

    def search_rows(self, queryset: QuerySet[Trade], term: str) -> QuerySet[Trade]:
        """By its own id, or by that of an order that took part."""
        number = as_id(term)
        if number is None:
            return queryset.none()
        of_order = (
            Fill.objects.filter(order_id=number).order_by("-id").values_list("trade_id", flat=True)[:500]
        )
        return queryset.filter(pk__in=[number, *of_order])

    def page_of_rows(self, changes: KeysetChangeList, *, older: str | None, newer: str | None) -> Page:
        """By time over all books, unless a search has named the trades."""
        if changes.query:
            return Page(list(changes.queryset.order_by("-at", "-pk")[:500]))
        symbol = changes.filter_value("instrument")
        books = Book.objects.filter(instrument__symbol=symbol) if symbol else Book.objects.all()
        days = next(spec for spec in changes.filter_specs if isinstance(spec, AtDays))
        span = midnight(days.first) if days.first else _FIRST, days.end or _LAST
        keys = newest_trades(
            list(books.values_list("instrument_id", flat=True)),
            span=span,
            older=_cursor(older),
            newer=_cursor(newer),
            limit=self.list_per_page + 1,
        )
        return _page(keys, self.get_queryset(changes.request), older, newer, self.list_per_page)

    @admin.display(description="Trade")
    def number(self, trade: Trade) -> SafeString:
        """Its place in the book's order of events."""
        return show.lines(show.mono(f"seq {trade.seq}"), show.mono(trade.pk))

    @admin.display(description="When (UTC)")
    def moment(self, trade: Trade) -> SafeString:
        """When."""
        return show.time_over_day(trade.at)

    @admin.display(description="Instrument")
    def market_shown(self, trade: Trade) -> SafeString | str:
        """In what."""
        return trading.instrument(trade.instrument)

    @admin.display(description="Price")
    def price_shown(self, trade: Trade) -> SafeString | str:
        """At what."""
        return market.price(trade.price, trade.instrument)

    @admin.display(description="Quantity")
    def quantity_shown(self, trade: Trade) -> SafeString | str:
        """How much."""
        return market.quantity(trade.quantity, trade.instrument)

    @admin.display(description="Notional")
    def value(self, trade: Trade) -> SafeString | str:
        """Price x quantity."""
        return market.amount(trade.notional, trade.instrument.quote)

    @admin.display(description="Taker")
    def took(self, trade: Trade) -> SafeString | str:
        """The side that arrived."""
        return trading.side(trade.taker_side)

    @admin.display(description="Buyer")
    def buy(self, trade: Trade) -> SafeString:
        """Who bought, by which order."""
        return show.lines(show.ref(trade.buyer), trading.order_ref(trade.buy_order_id))

    @admin.display(description="Seller")
    def sell(self, trade: Trade) -> SafeString:
        """Who sold, by which order."""
        return show.lines(show.ref(trade.seller), trading.order_ref(trade.sell_order_id))

    def heading(self, trade: Trade) -> str:
        """Its market and place."""
        return f"Trade {trade.instrument.symbol} / {trade.seq}"

    def badges(self, trade: Trade) -> Iterable[SafeString]:
        """Which side arrived."""
        return [show.badge(f"Taker {trade.get_taker_side_display().lower()}s")]

    def panels(self, request: HttpRequest, trade: Trade) -> Iterable[Panel]:
        """The trade, both sides of it, and what moved."""
        instrument = trade.instrument
        yield Facts(
            "",
            [
                Fact("Instrument", trading.instrument(instrument)),
                Fact("Market", trading.market(instrument)),
                Fact("When (UTC)", show.when(trade.at)),
                Fact("Seq", show.ref_to(Event, trade.pk, trade.seq)),
                Fact("Trade id", show.mono(trade.pk)),
                Fact("Price", market.price(trade.price, instrument)),
                Fact("Quantity", market.quantity(trade.quantity, instrument, unit=True)),
                Fact("Notional", market.amount(trade.notional, instrument.quote)),
            ],
            wide=True,
        )
        fills = Fill.objects.filter(trade_id=trade.pk, at=trade.at).select_related("account", "fee_asset")
        yield Table(
            "Both sides",
            columns("Side", "Account", "Order", "As", "#Fee", "#Fee rate", "Fill"),
            [
                [
                    trading.side(fill.side),
                    show.ref(fill.account),
                    trading.order_ref(fill.order_id),
                    fill.get_liquidity_display(),
                    market.amount(fill.fee, fill.fee_asset),
                    show.percent(fill.fee_rate),
                    show.ref(fill, fill.pk),
                ]
                for fill in fills.order_by("side")
            ],
            empty="",
        )
        if request.user.has_perm("accounts.view_transfer"):
            yield transfers_of_trade(trade)


def transfers_of_trade(trade: Trade) -> Table:
    """Everything that moved because of it, posted no earlier than it happened."""
    rows = (
        Transfer.objects.filter(trade_id=trade.pk, at__gte=trade.at).select_related(*RELATED).order_by("id")
    )
    return Table(
        "What moved",
        columns("Transfer", "Kind", "#Amount", "From", "#Balance after", "To", "#Balance after"),
        [
            [
                show.ref(row, row.pk),
                party.transfer_kind(row.kind),
                market.amount(row.amount, row.asset),
                party.party(row.debit),
                market.amount(row.debit_balance_after, row.asset, unit=False),
                party.party(row.credit),
                market.amount(row.credit_balance_after, row.asset, unit=False),
            ]
            for row in rows
        ],
        empty="Nothing: this cannot be, every trade moves base and quote.",
    )


Key = tuple[datetime, int]


def newest_trades(
    instruments: list[int],
    *,
    span: tuple[datetime, datetime],
    older: Key | None,
    newer: Key | None,
    limit: int,
) -> list[Key]:
    """(time, id) of the newest trades of these books, below `older` or (lowest first) above `newer`.

    No index orders all trades by time; (instrument, time) orders each book's, and the best of each merge.
    """
    compare, order, bound = (">", "ASC", newer) if newer else ("<", "DESC", older or (span[1], 0))
    rows = fetch(
        f"""
        SELECT t.at, t.id FROM unnest(%(books)s::int[]) AS b(id) CROSS JOIN LATERAL (
            SELECT at, id FROM orders_trade
            WHERE instrument_id = b.id AND at >= %(first)s AND at < %(last)s
              AND at {compare}= %(at)s AND (at, id) {compare} (%(at)s, %(id)s)
            ORDER BY at {order}, id {order} LIMIT %(rows)s
        ) t ORDER BY t.at {order}, t.id {order} LIMIT %(rows)s
        """,  # noqa: S608 - our own words only
        {
            "books": instruments,
            "first": span[0],
            "last": span[1],
            "at": bound[0],
            "id": bound[1],
            "rows": limit,
        },
    )
    return [(row[0], row[1]) for row in rows]


def _cursor(text: str | None) -> Key | None:
    """A cursor as written by `_written`; anything else is none."""
    moment, _dot, number = (text or "").partition("_")
    trade_id = as_id(number)
    try:
        at = datetime.fromisoformat(moment)
    except ValueError:
        return None
    return None if trade_id is None or at.tzinfo is None else (at, trade_id)


def _written(key: Key) -> str:
    return f"{key[0].astimezone(UTC).isoformat().replace('+00:00', 'Z')}_{key[1]}"


def _page(keys: list[Key], trades: QuerySet[Trade], older: str | None, newer: str | None, size: int) -> Page:
    upward, more = _cursor(newer) is not None, len(keys) > size
    shown = sorted(keys[:size], reverse=True)
    if not shown:
        return Page([], newer=older if _cursor(older) else None)
    rows = trades.filter(pk__in=[key[1] for key in shown], at__gte=shown[-1][0], at__lte=shown[0][0])
    return Page(
        list(rows.order_by("-at", "-pk")),
        older=_written(shown[-1]) if more or upward else None,
        newer=_written(shown[0]) if (more if upward else _cursor(older)) else None,
    )


def latest_trades(instrument: Instrument, limit: int) -> QuerySet[Trade]:
    """The newest trades of one book, by (instrument, id)."""
    return (
        Trade.objects.filter(instrument=instrument).select_related("buyer", "seller").order_by("-id")[:limit]
    )
