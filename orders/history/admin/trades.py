"""External trades, and what was told that is none. Read only."""

from __future__ import annotations

import json
from collections.abc import Iterable

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from instruments.admin import show as market
from orders.admin import show as trading
from orders.admin.filters import AccountFilter, AtDays, InstrumentFilter
from orders.history.admin.positions import quantity
from orders.history.models import ExternalTrade, ExternalTradeIdentity, LivePosition, RefusedTrade
from tradeplatform.common.admin import show
from tradeplatform.common.admin.details import DetailMixin
from tradeplatform.common.admin.lists import KeysetList
from tradeplatform.common.admin.panels import Fact, Facts, Panel
from tradeplatform.common.admin.show import Tone


class WalkedAccountFilter(AccountFilter):
    """Of one account; no index leads there in the order of ids."""

    indexed = False


class WalkedInstrumentFilter(InstrumentFilter):
    """Of one instrument, likewise."""

    indexed = False


@admin.register(ExternalTrade)
class ExternalTradeAdmin(DetailMixin, KeysetList):
    """As they were told, the latest heard first."""

    question = "What was traded elsewhere, by whom, and who told us?"
    when_empty = "No external trade was told yet: see `manage.py ingest` and `manage.py trade`."
    search_hint = "External id"
    list_display = (
        "name",
        "moment",
        "account_shown",
        "market_shown",
        "held",
        "price_shown",
        "fee_shown",
        "heard",
    )
    list_display_links = ("name",)
    list_filter = (WalkedAccountFilter, WalkedInstrumentFilter, AtDays)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ExternalTrade]:
        """With account and market."""
        return ExternalTrade.objects.select_related("account", "instrument__base", "instrument__quote")

    def search_rows(self, queryset: QuerySet[ExternalTrade], term: str) -> QuerySet[ExternalTrade]:
        """By what it is called where it was made, of any source."""
        ids = ExternalTradeIdentity.objects.filter(external_id=term).values_list("trade_id", flat=True)[:50]
        return queryset.filter(pk__in=list(ids))

    @admin.display(description="Source and id there")
    def name(self, trade: ExternalTrade) -> SafeString:
        """What it is known by."""
        return show.lines(show.mono(trade.external_id), trade.source)

    @admin.display(description="When (UTC)")
    def moment(self, trade: ExternalTrade) -> SafeString | str:
        """When it happened."""
        return show.when(trade.at)

    @admin.display(description="Account")
    def account_shown(self, trade: ExternalTrade) -> SafeString | str:
        """Whose."""
        return show.ref(trade.account)

    @admin.display(description="Instrument")
    def market_shown(self, trade: ExternalTrade) -> SafeString | str:
        """In what."""
        return trading.instrument(trade.instrument)

    @admin.display(description="Quantity")
    def held(self, trade: ExternalTrade) -> SafeString | str:
        """Bought or sold."""
        return quantity(trade.quantity, trade.instrument)

    @admin.display(description="Price")
    def price_shown(self, trade: ExternalTrade) -> SafeString | str:
        """At what."""
        return market.price(trade.price, trade.instrument)

    @admin.display(description="Fee")
    def fee_shown(self, trade: ExternalTrade) -> SafeString | str:
        """As told."""
        return market.amount(trade.fee, trade.instrument.quote)

    @admin.display(description="Heard (UTC)")
    def heard(self, trade: ExternalTrade) -> SafeString | str:
        """When we were told."""
        return show.when(trade.received_at)

    def panels(self, request: HttpRequest, trade: ExternalTrade) -> Iterable[Panel]:
        """The trade, and the position it is part of."""
        own = LivePosition.objects.filter(account=trade.account_id, instrument=trade.instrument_id).first()
        yield Facts(
            "",
            [
                Fact("Source", trade.source),
                Fact("Id there", show.mono(trade.external_id)),
                Fact("Account", show.ref(trade.account)),
                Fact("Instrument", trading.instrument(trade.instrument)),
                Fact("Quantity", self.held(trade)),
                Fact("Price", self.price_shown(trade)),
                Fact("Fee", self.fee_shown(trade)),
                Fact("When (UTC)", show.when(trade.at)),
                Fact("Heard (UTC)", show.when(trade.received_at)),
                Fact("Part of position", show.ref(own, own and f"#{own.pk}")),
            ],
            wide=True,
        )


@admin.register(RefusedTrade)
class RefusedTradeAdmin(DetailMixin, KeysetList):
    """What the stream brought that is no trade, with the reason."""

    question = "What could not be taken from the stream, and why?"
    when_empty = "Everything that was told so far was a trade."
    list_display = ("entry_shown", "moment", "why", "message")
    list_display_links = ("entry_shown",)

    @admin.display(description="Entry of the stream")
    def entry_shown(self, row: RefusedTrade) -> SafeString | str:
        """Its id there."""
        return show.mono(row.entry)

    @admin.display(description="When (UTC)")
    def moment(self, row: RefusedTrade) -> SafeString | str:
        """When it was refused."""
        return show.when(row.at)

    @admin.display(description="Why")
    def why(self, row: RefusedTrade) -> SafeString:
        """The stable code."""
        return show.badge(row.code, Tone.BAD)

    def panels(self, request: HttpRequest, row: RefusedTrade) -> Iterable[Panel]:
        """The reason, and what was told."""
        yield Facts(
            "",
            [
                Fact("Why", show.together([self.why(row), row.message])),
                Fact("When (UTC)", show.when(row.at)),
                *(Fact(name, show.mono(_short(value))) for name, value in row.payload.items()),
            ],
            wide=True,
        )


def _short(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
