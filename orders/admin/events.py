"""Events: what the engine said, one for each seq of a book. Read only, one book at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.safestring import SafeString

from accounts.models import TradingAccount
from instruments.admin import show as market
from instruments.models import Instrument
from instruments.scaling import times
from orders.admin import event_words, words
from orders.admin import show as trading
from orders.admin.filters import AtDays
from orders.models import SEQ_BITS, Book, Command, Event, EventKind, Trade, event_id
from tradeplatform.common.admin import show
from tradeplatform.common.admin.details import DetailMixin
from tradeplatform.common.admin.filters import ChoiceFilter, SourceFilter, as_id
from tradeplatform.common.admin.lists import KeysetList
from tradeplatform.common.admin.paging import KeysetChangeList, Page, page_by_id, page_of_sources
from tradeplatform.common.admin.panels import Fact, Facts, Panel


class BookFilter(ChoiceFilter):
    """One book, because seq orders events within a book; the one that moved last unless chosen otherwise."""

    title, parameters = "book", ("book",)

    def lookups(self) -> list[tuple[str, str]]:
        """All books."""
        symbols = Book.objects.order_by("instrument__symbol").values_list("instrument__symbol", flat=True)
        return [(symbol, symbol) for symbol in symbols]

    @cached_property
    def value(self) -> str:
        """The chosen book, else the one that moved last; none while an order is asked for."""
        chosen = str(self.used_parameters.get("book", ""))
        if chosen or self.request.GET.get("order") or self.request.GET.get("q"):
            return chosen
        latest = Book.objects.order_by("-last_time").values_list("instrument__symbol", flat=True)
        return latest.first() or ""

    def narrow(self, queryset: QuerySet[Any], chosen: str) -> QuerySet[Any]:
        """The ids of a book's events are a range of their own."""
        number = Instrument.objects.values_list("id", flat=True).get(symbol=chosen)
        return queryset.filter(pk__gte=event_id(number, 0), pk__lt=event_id(number + 1, 0))


class KindFilter(ChoiceFilter):
    """What happened."""

    title, parameters, options = "kind", ("kind",), EventKind.choices


class OrderFilter(SourceFilter):
    """Of one order, as taker or maker; each has an index of its own."""

    title, parameters, placeholder = "order", ("order",), "order id"


@admin.register(Event)
class EventAdmin(DetailMixin, KeysetList):
    """The events of a book, newest first."""

    question = "What did a book say, in which order, and which command made it say so?"
    when_empty = "No book has said anything yet."
    search_hint = "Event id"
    list_display = (
        "seq_shown", "moment", "market_shown", "kind_shown", "why", "side_shown", "price_shown",
        "quantity_shown", "leaves_shown", "order_shown", "maker_shown", "command_shown",
    )  # fmt: skip
    list_display_links = ("seq_shown",)
    list_filter = (BookFilter, KindFilter, OrderFilter, AtDays)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Event]:
        """Without joins: the instruments of a page are read in one query."""
        return Event.objects.all()

    def search_rows(self, queryset: QuerySet[Event], term: str) -> QuerySet[Event]:
        """By id."""
        found = as_id(term)
        return queryset.none() if found is None else queryset.filter(pk=found)

    def page_of_rows(self, changes: KeysetChangeList, *, older: str | None, newer: str | None) -> Page:
        """By id, which within a book is by seq."""
        order, rows, size = changes.filter_value("order"), changes.queryset, self.list_per_page
        if not order:
            return page_by_id(rows, older=older, newer=newer, size=size)
        number = as_id(order)
        if number is None:
            return Page([])
        sources = [rows.filter(order_id=number), rows.filter(maker_order_id=number)]
        return page_of_sources(sources, Event.objects.all(), older=older, newer=newer, size=size)

    def prepare_rows(self, rows: Sequence[Any]) -> None:
        """With their instruments, read at once."""
        trading.attach_instruments(rows)

    @admin.display(description="Seq")
    def seq_shown(self, event: Event) -> SafeString:
        """Its place."""
        return show.number(event.seq)

    @admin.display(description="When (UTC)")
    def moment(self, event: Event) -> SafeString | str:
        """When."""
        return show.when(event.at)

    @admin.display(description="Book")
    def market_shown(self, event: Any) -> SafeString | str:
        """Whose."""
        return trading.instrument(event.market)

    @admin.display(description="Event")
    def kind_shown(self, event: Event) -> SafeString:
        """What."""
        return trading.event_kind(event)

    @admin.display(description="Why")
    def why(self, event: Event) -> str:
        """Why."""
        return words.reason_of_code(event.reason_code) or show.NOTHING

    @admin.display(description="Side")
    def side_shown(self, event: Event) -> SafeString | str:
        """Of the order."""
        return trading.side(event.side)

    @admin.display(description="Price")
    def price_shown(self, event: Any) -> SafeString | str:
        """In units of quote."""
        return event_words.price_of(event, event.market)

    @admin.display(description="Quantity")
    def quantity_shown(self, event: Any) -> SafeString | str:
        """In units of base; of a mass cancel, how many orders."""
        return event_words.quantity_of(event, event.market)

    @admin.display(description="Open after")
    def leaves_shown(self, event: Any) -> SafeString | str:
        """Of the order."""
        return _lots(event.leaves_lots, event.market) if event.order_id else ""

    @admin.display(description="Order")
    def order_shown(self, event: Event) -> SafeString | str:
        """Which order; the taker of a trade."""
        return trading.order_ref(event.order_id)

    @admin.display(description="Against")
    def maker_shown(self, event: Event) -> SafeString | str:
        """The maker of a trade."""
        return trading.order_ref(event.maker_order_id)

    @admin.display(description="Command")
    def command_shown(self, event: Event) -> SafeString | str:
        """What made it happen."""
        return show.ref_to(Command, event.command_id)

    def heading(self, event: Event) -> str:
        """Its book and seq."""
        symbol = Instrument.objects.values_list("symbol", flat=True).get(id=event.instrument_id)
        return f"Event {symbol} / {event.seq}"

    def badges(self, event: Event) -> Iterable[SafeString]:
        """What happened."""
        return [trading.event_kind(event)]

    def panels(self, request: HttpRequest, event: Any) -> Iterable[Panel]:
        """Every field, in the market's units and the engine's."""
        trading.attach_instruments([event])
        instrument = event.market
        yield Facts(
            "",
            [
                Fact("Book", show.ref_to(Book, event.instrument_id, instrument.symbol)),
                Fact("Seq", show.number(event.seq)),
                Fact("When (UTC)", show.when(event.at)),
                Fact("Why", words.reason_of_code(event.reason_code) or show.NOTHING),
                Fact("Command", show.ref_to(Command, event.command_id)),
                Fact("Order", trading.order_ref(event.order_id)),
                Fact("Account", _account(event.account_id)),
                Fact("Maker order", trading.order_ref(event.maker_order_id)),
                Fact("Maker account", _account(event.maker_account_id)),
                Fact("Side", trading.side(event.side)),
                Fact("Flags", event_words.flags_of(event)),
                Fact("Price", event_words.price_of(event, instrument)),
                Fact("Quantity", event_words.quantity_of(event, instrument)),
                Fact("Open after", _lots(event.leaves_lots, instrument)),
                Fact("Maker open after", _lots(event.maker_leaves_lots, instrument)),
                Fact("In its place since seq", event.priority or show.NOTHING),
                Fact("Written in epoch", show.number(event.epoch)),
                Fact(
                    "Trade",
                    show.ref_to(Trade, event.pk, "its trade")
                    if event.kind == EventKind.TRADE
                    else show.NOTHING,
                ),
                Fact("Engine's numbers", show.mono(f"{event.price_ticks} ticks, {event.quantity_lots} lots")),
            ],
            wide=True,
        )


def _lots(lots: int, instrument: Instrument) -> SafeString | str:
    return market.quantity(times(lots, instrument.lot_size), instrument)


def _account(number: int) -> SafeString | str:
    if not number:
        return show.NOTHING
    return show.ref(TradingAccount.objects.filter(id=number).first())


def latest_events(instrument: Instrument, limit: int) -> QuerySet[Event]:
    """The newest events of one book: its ids are a range of their own."""
    low = instrument.pk << SEQ_BITS
    return Event.objects.filter(pk__gte=low, pk__lt=low + (1 << SEQ_BITS)).order_by("-pk")[:limit]
