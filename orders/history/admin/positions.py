"""Live positions, and how each came to be: a chart over time and its latest points."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from accounts.admin.accounts import TradingAccountAdmin
from accounts.models import TradingAccount
from instruments.admin import show as market
from instruments.models import Instrument
from instruments.scaling import grouped, short_text
from orders.admin import show as trading
from orders.admin.filters import AccountFilter, InstrumentFilter
from orders.history.admin.steps import steps_panel
from orders.history.models import LivePosition, Origin, PositionPoint
from orders.history.selectors import points_of
from orders.history.services.timelines import frozen_until
from tradeplatform.common.admin import show
from tradeplatform.common.admin.details import DetailMixin
from tradeplatform.common.admin.lists import KeysetList
from tradeplatform.common.admin.panels import Fact, Facts, Panel, Table, columns
from tradeplatform.common.admin.show import Tone

_CHARTED, _LISTED, _ON_ACCOUNT = 500, 50, 20


@admin.register(LivePosition)
class LivePositionAdmin(DetailMixin, KeysetList):
    """One row for each account and instrument in which something was executed."""

    question = "Who is long or short in what, at which price, and what did it earn?"
    when_empty = "Nothing was executed yet. Fills appear here within a second; see also `manage.py ingest`."
    search_hint = "Account number, such as ACC-000001"
    list_display = ("number", "owner", "market_shown", "held", "average", "earned", "paid", "count", "moment")
    list_display_links = ("number",)
    list_filter = (AccountFilter, InstrumentFilter)

    def get_queryset(self, request: HttpRequest) -> QuerySet[LivePosition]:
        """With account and market."""
        return LivePosition.objects.select_related("account", "instrument__base", "instrument__quote")

    def search_rows(self, queryset: QuerySet[LivePosition], term: str) -> QuerySet[LivePosition]:
        """By account."""
        return queryset.filter(account__account_number=term)

    @admin.display(description="Position")
    def number(self, row: LivePosition) -> SafeString | str:
        """Its id."""
        return show.mono(f"#{row.pk}")

    @admin.display(description="Account")
    def owner(self, row: LivePosition) -> SafeString | str:
        """Whose."""
        return show.ref(row.account)

    @admin.display(description="Instrument")
    def market_shown(self, row: LivePosition) -> SafeString | str:
        """In what."""
        return trading.instrument(row.instrument)

    @admin.display(description="Quantity")
    def held(self, row: LivePosition) -> SafeString | str:
        """Long or short."""
        return quantity(row.position, row.instrument)

    @admin.display(description="Average price")
    def average(self, row: LivePosition) -> SafeString | str:
        """Of the open part."""
        return market.price(row.average_price, row.instrument, extra=2)

    @admin.display(description="Realised P&L")
    def earned(self, row: LivePosition) -> SafeString | str:
        """Before fees."""
        return market.amount(row.realised, row.instrument.quote)

    @admin.display(description="Fees")
    def paid(self, row: LivePosition) -> SafeString | str:
        """In quote."""
        return market.amount(row.fees, row.instrument.quote)

    @admin.display(description="Executions")
    def count(self, row: LivePosition) -> SafeString:
        """How many."""
        return show.number(show.whole(row.executions))

    @admin.display(description="Last (UTC)")
    def moment(self, row: LivePosition) -> SafeString:
        """When something was executed last."""
        return show.time_over_day(row.at)

    def badges(self, row: LivePosition) -> Iterable[SafeString]:
        """Which way."""
        return [direction(row.position)]

    def panels(self, request: HttpRequest, row: LivePosition) -> Iterable[Panel]:
        """Now, over time, and point by point."""
        instrument = row.instrument
        frozen = frozen_until([row.instrument_id]).get(row.instrument_id)
        points = points_of(account_id=row.account_id, instrument_id=row.instrument_id, limit=_CHARTED)
        yield Facts(
            "Now",
            [
                Fact("Account", show.ref(row.account)),
                Fact("Instrument", trading.instrument(instrument)),
                Fact("Quantity", quantity(row.position, instrument)),
                Fact("Average price", self.average(row), "Cost divided by quantity"),
                Fact("Cost", market.amount(row.cost, instrument.quote), "Of the open part"),
                Fact("Realised P&L", self.earned(row), "Before fees"),
                Fact("Fees", self.paid(row)),
                Fact("Executions", self.count(row)),
                Fact("Last (UTC)", show.when(row.at)),
                Fact("Frozen until (UTC)", show.when(frozen)),
            ],
            wide=True,
        )
        oldest_first = points[::-1]
        yield steps_panel(
            "Position over time", instrument.base, [(point.at, point.position) for point in oldest_first]
        )
        yield steps_panel(
            "Realised P&L over time",
            instrument.quote,
            [(point.at, point.realised) for point in oldest_first],
        )
        yield points_table(points[:_LISTED], instrument)


def points_table(points: Sequence[PositionPoint], instrument: Instrument) -> Table:
    """Executions with the position after each, the latest first."""
    return Table(
        "Points",
        columns(
            "When (UTC)",
            "What",
            "#Quantity",
            "#Price",
            "#Position",
            "#Average price",
            "#Realised P&L",
            "#Fees",
        ),
        [
            [
                show.when(point.at),
                execution(point),
                quantity(point.quantity, instrument),
                market.price(point.price, instrument),
                quantity(point.position, instrument),
                market.price(point.average_price, instrument, extra=2),
                market.amount(point.realised, instrument.quote, unit=False),
                market.amount(point.fees, instrument.quote, unit=False),
            ]
            for point in points
        ],
        empty="Nothing was executed yet.",
        note=f"The latest {_LISTED}; the charts show the latest {_CHARTED}. All of them: manage.py query.",
    )


def execution(point: PositionPoint) -> SafeString | str:
    """What it was, and when it really happened where that differs."""
    label = f"{Origin(point.origin).label} {point.execution_id}"
    if point.true_at is None:
        return label
    late = show.badge("correction", Tone.WARN, title=f"of {point.true_at:%Y-%m-%d %H:%M:%S.%f} UTC")
    return show.together([label, late])


def direction(position: Decimal) -> SafeString:
    """Long, short or flat."""
    if not position:
        return show.badge("Flat")
    return show.badge("Long", Tone.GOOD) if position > 0 else show.badge("Short", Tone.BAD)


def quantity(value: Decimal, instrument: Instrument) -> SafeString:
    """Units of base; others may trade finer than our lots."""
    return show.number(grouped(short_text(value)), unit=instrument.base.code, muted=not value)


def on_account(request: HttpRequest, account: TradingAccount) -> Iterable[Panel]:
    """What the page of an account shows of its positions."""
    if not request.user.has_perm("history.view_liveposition"):
        return
    own = LivePosition.objects.filter(account=account).select_related("instrument__base", "instrument__quote")
    rows = list(own.order_by("-at")[:_ON_ACCOUNT])
    yield Table(
        "Positions over time",
        columns("Position", "Instrument", "#Quantity", "#Average price", "#Realised P&L", "Last (UTC)"),
        [
            [
                show.ref(row, f"#{row.pk}"),
                trading.instrument(row.instrument),
                quantity(row.position, row.instrument),
                market.price(row.average_price, row.instrument, extra=2),
                market.amount(row.realised, row.instrument.quote),
                show.when(row.at),
            ]
            for row in rows
        ],
        empty="Nothing was executed yet.",
        more=(show.list_of(LivePosition, account=account.account_number), "All its positions")
        if rows
        else None,
    )


TradingAccountAdmin.more_panels.append(on_account)
