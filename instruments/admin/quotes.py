"""Quotes: what each instrument is worth now, who says so, and how it came there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from audit.admin.acting import actor_of
from instruments.admin import show as market
from instruments.admin.spark import price_chart
from instruments.models import DatedQuote, Quote
from instruments.selectors import find_instrument
from instruments.services import pricing
from tradeplatform.common.admin import show
from tradeplatform.common.admin.buttons import Button, Done, Effect, ReasonForm
from tradeplatform.common.admin.details import DetailMixin
from tradeplatform.common.admin.fields import amount_field, text_field
from tradeplatform.common.admin.lists import BackOfficeList
from tradeplatform.common.admin.panels import Fact, Facts, Panel, Table, columns

_LATEST, _CHARTED = 20, 200


class QuoteForm(ReasonForm):
    """An instrument and its two prices."""

    symbol = text_field("Symbol", max_length=20)
    bid = amount_field("Bid", help_text="What it can be sold at.")
    ask = amount_field("Ask", help_text="What it can be bought at.")


class SetQuote(Button):
    """Say what an instrument is worth, where nobody else does."""

    name, label, icon = "set", "Quote by hand", "edit"
    permission = "instruments.set_quote"
    form_class = QuoteForm
    previews = rehearsed = True

    def intro(self, obj: Quote | None) -> str:
        """What a quote moves, and how long it counts."""
        return (
            "Conversions, margin and stop losses use it at once. It counts until the next quote, by hand, "
            "from the book or from a provider; nobody deals at a quote older than a minute."
        )

    def initial(self, obj: Quote | None) -> Mapping[str, Any]:
        """What it is now."""
        if obj is None:
            return {}
        return {"symbol": obj.instrument.symbol, "bid": obj.bid, "ask": obj.ask}

    def effects(self, obj: Quote | None, data: Mapping[str, Any]) -> Sequence[Effect]:
        """Both prices, before and after."""
        if not data:
            return ()
        instrument = find_instrument(data["symbol"])
        now = Quote.objects.filter(instrument=instrument).first()
        return [
            Effect(
                f"{instrument.symbol} {name}",
                market.limit(getattr(now, name), instrument.quote.code) if now else "not quoted",
                market.limit(data[name], instrument.quote.code),
            )
            for name in ("bid", "ask")
        ]

    def act(self, obj: Quote | None, data: Mapping[str, Any]) -> Done:
        """Record it."""
        quote = pricing.set_quote(
            symbol=data["symbol"],
            bid=data["bid"],
            ask=data["ask"],
            actor=actor_of(self.request),
            now=timezone.now(),
            reason=data["reason"],
        )
        return Done(f"{data['symbol']} is quoted.", show.page_of(Quote, quote.instrument_id))


@admin.register(Quote)
class QuoteAdmin(DetailMixin, BackOfficeList):
    """One for each instrument that was ever quoted."""

    question = "What is each instrument worth now, and how old is that?"
    when_empty = "Nothing is quoted yet. Quote by hand, or let a book trade."
    search_hint = "Symbol, such as EURUSD"
    ordering = ("instrument__symbol",)
    list_per_page = 100
    list_display = ("symbol", "bid_shown", "ask_shown", "spread", "age", "source")
    list_display_links = ("symbol",)
    buttons = [SetQuote]
    list_buttons = [SetQuote]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Quote]:
        """With the instrument, which every number needs."""
        return Quote.objects.select_related("instrument__base", "instrument__quote")

    def search_rows(self, queryset: QuerySet[Quote], term: str) -> QuerySet[Quote]:
        """By symbol."""
        return queryset.filter(instrument__symbol=term.upper())

    @admin.display(description="Instrument")
    def symbol(self, quote: Quote) -> str:
        """Of what."""
        return quote.instrument.symbol

    @admin.display(description="Bid")
    def bid_shown(self, quote: Quote) -> SafeString | str:
        """What it can be sold at."""
        return market.limit(quote.bid)

    @admin.display(description="Ask")
    def ask_shown(self, quote: Quote) -> SafeString | str:
        """What it can be bought at."""
        return market.limit(quote.ask)

    @admin.display(description="Spread")
    def spread(self, quote: Quote) -> SafeString | str:
        """What lies between."""
        return market.limit(quote.ask - quote.bid)

    @admin.display(description="Age")
    def age(self, quote: Quote) -> str:
        """Since when."""
        return show.age(quote.at, timezone.now())

    def heading(self, quote: Quote) -> str:
        """The instrument's symbol."""
        return f"{quote.instrument.symbol} quote"

    def panels(self, request: HttpRequest, quote: Quote) -> Iterable[Panel]:
        """The quote, its latest course as a chart, and the facts behind it."""
        latest = list(DatedQuote.objects.filter(instrument_id=quote.pk).order_by("-at")[:_CHARTED])
        unit = quote.instrument.quote.code
        yield Facts(
            "Now",
            [
                Fact("Instrument", show.ref(quote.instrument)),
                Fact("Bid", market.limit(quote.bid, unit)),
                Fact("Ask", market.limit(quote.ask, unit)),
                Fact("Since (UTC)", show.when(quote.at)),
                Fact("Source", quote.source),
            ],
            wide=True,
        )
        yield price_chart(latest[::-1])
        yield Table(
            "Latest quotes",
            columns("When (UTC)", "#Bid", "#Ask", "Source"),
            [
                [show.when(row.at), market.limit(row.bid), market.limit(row.ask), row.source]
                for row in latest[:_LATEST]
            ],
            empty="It was never quoted.",
        )
