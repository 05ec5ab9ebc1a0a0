"""Books: where each market stands in its order of events. Read only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from instruments.admin import show as market
from instruments.scaling import times
from instruments.selectors import rules_by_id
from orders.admin import depth_panels, event_words, words
from orders.admin import show as trading
from orders.admin.events import latest_events
from orders.models import Book, Command, Event, Order, Phase, ShardStatus
from orders.services.journal import moment
from tradeplatform.common.admin import show
from tradeplatform.common.admin.details import DetailMixin
from tradeplatform.common.admin.lists import BackOfficeList
from tradeplatform.common.admin.panels import Fact, Facts, Panel, Table, columns
from tradeplatform.common.admin.show import Tone

_EVENTS = 50


@admin.register(Book)
class BookAdmin(DetailMixin, BackOfficeList):
    """All books, by symbol; at most one for each instrument."""

    question = "Where does each book stand: its seq, its last price, its state hash?"
    when_empty = "No book is open yet: the first order of an instrument opens its book."
    search_hint = "Symbol, such as BTCUSDT"
    ordering = ("instrument__symbol",)
    list_per_page = 100
    list_display = (
        "symbol",
        "market_link",
        "state",
        "seq_shown",
        "last_price",
        "last_event",
        "shard",
        "hash_shown",
    )
    list_display_links = ("symbol",)
    list_select_related = ("instrument__base", "instrument__quote", "shard")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Book]:
        """With the market."""
        return Book.objects.select_related("instrument__base", "instrument__quote", "shard")

    def search_rows(self, queryset: QuerySet[Book], term: str) -> QuerySet[Book]:
        """By symbol."""
        return queryset.filter(instrument__symbol=term.upper())

    @admin.display(description="Book")
    def symbol(self, book: Book) -> str:
        """Whose."""
        return book.instrument.symbol

    @admin.display(description="Market")
    def market_link(self, book: Book) -> SafeString:
        """The market page."""
        return trading.market(book.instrument)

    @admin.display(description="State")
    def state(self, book: Book) -> SafeString:
        """Whether the engine matches."""
        return state(book)

    @admin.display(description="Seq")
    def seq_shown(self, book: Book) -> SafeString:
        """Events so far."""
        return show.number(show.whole(book.seq))

    @admin.display(description="Last price")
    def last_price(self, book: Book) -> SafeString | str:
        """Of the last trade."""
        return last_price(book)

    @admin.display(description="Last event (UTC)")
    def last_event(self, book: Book) -> SafeString | str:
        """When it last moved."""
        return last_event(book)

    @admin.display(description="State hash")
    def hash_shown(self, book: Book) -> SafeString | str:
        """Of everything that affects the future."""
        return show.mono(book.state_hash)

    def heading(self, book: Book) -> str:
        """Whose."""
        return f"Book {book.instrument.symbol}"

    def badges(self, book: Book) -> Iterable[SafeString]:
        """Whether it matches, and whether orders are taken."""
        return [state(book), market.status(book.instrument)]

    def panels(self, request: HttpRequest, book: Book) -> Iterable[Panel]:
        """Where it stands, what rests and what is armed in it, and what it said last."""
        instrument = book.instrument
        rules = rules_by_id([instrument.pk])[instrument.pk]
        yield Facts(
            "",
            [
                Fact("Instrument", trading.instrument(instrument)),
                Fact("Market", trading.market(instrument)),
                Fact("Shard", show.ref(book.shard)),
                Fact("Seq", show.number(show.whole(book.seq)), "Events so far, without gaps"),
                Fact("Last price", last_price(book)),
                Fact("Last event (UTC)", last_event(book)),
                Fact("State hash", show.mono(book.state_hash), "A rebuilt book must give the same one"),
                Fact("Open orders", show.link(
                    show.list_of(Order, instrument=instrument.symbol, status="live"), "Its live orders"
                )),
                *([] if book.phase == Phase.OPEN else [depth_panels.opening_fact(rules, instrument)]),
            ],
            wide=True,
        )  # fmt: skip
        yield depth_panels.depth_table(rules, instrument)
        yield depth_panels.armed_table(instrument, last=rules.price(book.last_price_ticks))
        yield events_table(book)


def events_table(book: Book) -> Table:
    """The latest events of a book."""
    instrument = book.instrument
    events = list(latest_events(instrument, _EVENTS))
    return Table(
        "Latest events",
        columns(
            "#Seq", "When (UTC)", "Event", "Why", "Side", "#Price", "#Quantity", "Order", "Against", "Command"
        ),
        [
            [
                show.ref(event, event.seq),
                show.when(event.at),
                trading.event_kind(event),
                words.reason_of_code(event.reason_code) or show.NOTHING,
                trading.side(event.side),
                event_words.price_of(event, instrument),
                event_words.quantity_of(event, instrument),
                trading.order_ref(event.order_id),
                trading.order_ref(event.maker_order_id),
                show.ref_to(Command, event.command_id),
            ]
            for event in events
        ],
        empty="It has said nothing yet.",
        more=(show.list_of(Event, book=instrument.symbol), "All its events") if events else None,
    )


def books_table(books: Iterable[Any]) -> Table:
    """Books of a shard."""
    return Table(
        "Books",
        columns("Book", "State", "#Seq", "#Last price", "Last event (UTC)", "State hash"),
        [
            [
                show.ref(book, book.instrument.symbol),
                state(book),
                show.whole(book.seq),
                last_price(book),
                last_event(book),
                show.mono(book.state_hash),
            ]
            for book in books
        ],
        empty="No book is on this shard yet: new instruments open theirs on the shard with the fewest.",
    )


def state(book: Book) -> SafeString:
    """Whether the engine matches; if not, what it does instead. Read the book with its shard."""
    if book.shard.status == ShardStatus.STOPPED:
        return show.badge("Shard stopped", Tone.BAD, title=book.shard.stop_reason)
    found = Phase(book.phase)
    return show.badge("Matching" if found == Phase.OPEN else found.label, words.PHASE_TONE[found])


def last_price(book: Book) -> SafeString | str:
    """The price of its last trade."""
    if not book.last_price_ticks:
        return show.NOTHING
    return market.price(times(book.last_price_ticks, book.instrument.tick_size), book.instrument)


def last_event(book: Book) -> SafeString | str:
    """When it last moved."""
    return show.when(moment(book.last_time)) if book.last_time else show.NOTHING


def resting_capped(instrument_id: int, cap: int) -> int:
    """How many orders rest in a book, counted to one above the cap."""
    return count_capped(Order.objects.resting().filter(instrument_id=instrument_id), cap)


def parked_capped(instrument_id: int, cap: int) -> int:
    """How many orders wait for a trigger or a parent, likewise."""
    return count_capped(Order.objects.parked().filter(instrument_id=instrument_id), cap)


def in_engine_capped(instrument_id: int, cap: int) -> int:
    """How many orders rest or are parked in a book, likewise."""
    return count_capped(Order.objects.in_engine().filter(instrument_id=instrument_id), cap)


def count_capped(orders: QuerySet[Order], cap: int) -> int:
    """How many orders there are, counted to one above the cap."""
    return len(orders.values_list("id")[: cap + 1])
