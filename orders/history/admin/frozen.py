"""Frozen periods, the button that freezes, and what came too late for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from accounts.models import User
from audit.admin.acting import actor_of
from instruments.models import Instrument
from orders.admin import show as trading
from orders.history.admin.positions import quantity
from orders.history.models import Correction, FrozenPeriod, LivePosition, Origin
from orders.history.services.freezing import freeze
from tradeplatform.common.admin import show
from tradeplatform.common.admin.buttons import Button, Done, Effect, ReasonForm
from tradeplatform.common.admin.details import DetailMixin
from tradeplatform.common.admin.fields import choice_field, text_field
from tradeplatform.common.admin.lists import KeysetList
from tradeplatform.common.admin.panels import Fact, Facts, Panel
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.times import parse_rfc3339, rfc3339

_ALL = "all"


class FreezeForm(ReasonForm):
    """Which instrument, until when."""

    instrument = choice_field("Instrument", ())
    until = text_field(
        "Until (exclusive)", max_length=40, help_text="With its zone, such as 2026-02-01T00:00:00Z."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        symbols = Instrument.objects.order_by("symbol").values_list("symbol", flat=True)
        self.fields["instrument"].choices = [  # type: ignore[attr-defined]
            (_ALL, "All, those to come included"),
            *((symbol, symbol) for symbol in symbols),
        ]


class Freeze(Button):
    """Make the past final."""

    name, label, icon = "freeze", "Freeze", "ac_unit"
    permission = "history.add_frozenperiod"
    form_class = FreezeForm
    previews = True
    danger = True

    def intro(self, obj: None) -> str:
        """That it stays."""
        return "This cannot be undone: a frozen period does not thaw."

    def effects(self, obj: None, data: Mapping[str, Any]) -> Sequence[Effect]:
        """How much becomes final, counted by freezing and taking it back."""
        period = self._freeze(data, dry_run=True)
        return [
            Effect("Points that change no more", "", show.whole(period.points)),
            Effect(
                "Trades that come later for that time",
                "take their place",
                "count from its end, as corrections",
            ),
        ]

    def act(self, obj: None, data: Mapping[str, Any]) -> Done:
        """Freeze."""
        period = self._freeze(data, dry_run=False)
        return Done(f"Frozen until {rfc3339(period.until)}.", show.page_of(period, period.pk))

    def _freeze(self, data: Mapping[str, Any], *, dry_run: bool) -> FrozenPeriod:
        try:
            until = parse_rfc3339(data["until"].strip())
        except ValueError as error:
            raise Refusal(Code.INVALID_FIELD, str(error), field="until") from error
        chosen = data["instrument"]
        of_symbols = Instrument.objects.values_list("pk", flat=True)
        return freeze(
            instrument_id=None if chosen == _ALL else of_symbols.get(symbol=chosen),
            until=until,
            reason=data["reason"],
            actor=actor_of(self.request),
            now=timezone.now(),
            dry_run=dry_run,
        )


@admin.register(FrozenPeriod)
class FrozenPeriodAdmin(DetailMixin, KeysetList):
    """Each freeze, the latest first."""

    question = "Which past is final, since when, and why?"
    when_empty = "Nothing is frozen yet."
    list_display = ("number", "which", "end", "points_shown", "who", "why", "moment")
    list_display_links = ("number",)
    list_buttons: ClassVar[list[type[Button]]] = [Freeze]

    def get_queryset(self, request: HttpRequest) -> QuerySet[FrozenPeriod]:
        """With the instrument."""
        return FrozenPeriod.objects.select_related("instrument")

    @admin.display(description="Period")
    def number(self, row: FrozenPeriod) -> SafeString | str:
        """Its id."""
        return show.mono(f"#{row.pk}")

    @admin.display(description="Instrument")
    def which(self, row: FrozenPeriod) -> SafeString | str:
        """Of one or of all."""
        return trading.instrument(row.instrument) if row.instrument else "all"

    @admin.display(description="Until (UTC)")
    def end(self, row: FrozenPeriod) -> SafeString | str:
        """Exclusive."""
        return show.when(row.until)

    @admin.display(description="Points")
    def points_shown(self, row: FrozenPeriod) -> SafeString:
        """How many were final with it."""
        return show.number(show.whole(row.points))

    @admin.display(description="By")
    def who(self, row: FrozenPeriod) -> SafeString | str:
        """Who froze it."""
        return show.ref_to(User, row.actor_id, row.actor_label) if row.actor_id else row.actor_label

    @admin.display(description="Why")
    def why(self, row: FrozenPeriod) -> str:
        """The reason."""
        return row.reason

    @admin.display(description="When (UTC)")
    def moment(self, row: FrozenPeriod) -> SafeString | str:
        """When it was frozen."""
        return show.when(row.at)

    def panels(self, request: HttpRequest, row: FrozenPeriod) -> Iterable[Panel]:
        """All of it."""
        yield Facts(
            "",
            [
                Fact("Instrument", self.which(row)),
                Fact("Until (UTC)", show.when(row.until), "Exclusive"),
                Fact("Points", self.points_shown(row)),
                Fact("Fingerprint", show.mono(row.fingerprint), "Compared by the invariant iH2"),
                Fact("By", self.who(row)),
                Fact("Why", row.reason),
                Fact("When (UTC)", show.when(row.at)),
            ],
            wide=True,
        )


@admin.register(Correction)
class CorrectionAdmin(DetailMixin, KeysetList):
    """Executions that came too late for a frozen period."""

    question = "What came too late for a frozen period, and from when on does it count?"
    when_empty = "Nothing came too late so far."
    list_display = ("number", "what", "account_shown", "market_shown", "held", "happened", "counts", "moment")
    list_display_links = ("number",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Correction]:
        """With account and market."""
        return Correction.objects.select_related("account", "instrument__base")

    @admin.display(description="Correction")
    def number(self, row: Correction) -> SafeString | str:
        """Its id."""
        return show.mono(f"#{row.pk}")

    @admin.display(description="What")
    def what(self, row: Correction) -> str:
        """Which execution."""
        return f"{Origin(row.origin).label} {row.execution_id}"

    @admin.display(description="Account")
    def account_shown(self, row: Correction) -> SafeString | str:
        """Whose."""
        return show.ref(row.account)

    @admin.display(description="Instrument")
    def market_shown(self, row: Correction) -> SafeString | str:
        """In what."""
        return trading.instrument(row.instrument)

    @admin.display(description="Quantity")
    def held(self, row: Correction) -> SafeString | str:
        """Bought or sold."""
        return quantity(row.quantity, row.instrument)

    @admin.display(description="Happened (UTC)")
    def happened(self, row: Correction) -> SafeString | str:
        """Its true time."""
        return show.when(row.true_at)

    @admin.display(description="Counts from (UTC)")
    def counts(self, row: Correction) -> SafeString | str:
        """The end of the frozen period."""
        return show.when(row.booked_at)

    @admin.display(description="Known (UTC)")
    def moment(self, row: Correction) -> SafeString | str:
        """When it became known."""
        return show.when(row.at)

    def panels(self, request: HttpRequest, row: Correction) -> Iterable[Panel]:
        """All of it, and the position it is part of."""
        own = LivePosition.objects.filter(account=row.account_id, instrument=row.instrument_id).first()
        yield Facts(
            "",
            [
                Fact("What", self.what(row)),
                Fact("Account", show.ref(row.account)),
                Fact("Instrument", trading.instrument(row.instrument)),
                Fact("Quantity", self.held(row)),
                Fact("Happened (UTC)", show.when(row.true_at)),
                Fact("Counts from (UTC)", show.when(row.booked_at)),
                Fact("Known (UTC)", show.when(row.at)),
                Fact("Part of position", show.ref(own, own and f"#{own.pk}")),
            ],
            wide=True,
        )
