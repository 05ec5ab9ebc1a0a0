"""Instruments: whether they trade, in which steps, within which limits, at which fees."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminTextareaWidget

from audit.admin.acting import actor_of
from instruments.admin import show as market
from instruments.models import Asset, Instrument, InstrumentKind, InstrumentStatus, Realm
from instruments.scaling import grouped, short_text
from instruments.services import editing
from tradeplatform.common.admin import show
from tradeplatform.common.admin.buttons import Button, Done, Effect, ReasonForm
from tradeplatform.common.admin.details import DetailMixin, PanelMaker
from tradeplatform.common.admin.editing import Edit, EditForm, edit_form, noted
from tradeplatform.common.admin.fields import model_fields
from tradeplatform.common.admin.filters import ChoiceFilter
from tradeplatform.common.admin.lists import BackOfficeList
from tradeplatform.common.admin.panels import Fact, Facts, Panel, Table, columns
from tradeplatform.common.admin.show import Tone
from tradeplatform.common.changes import Seen

_ALL = (*editing.INSTRUMENT_FIXED, *editing.INSTRUMENT_FIELDS)
AddForm = type("AddForm", (ReasonForm,), model_fields(Instrument, _ALL))


_TAKES = {Realm.LIVE: "of all but demo accounts", Realm.DEMO: "of demo accounts only"}


class AddInstrument(Button):
    """A new market; symbol, assets and steps are for ever."""

    name, label, icon = "add", "Add instrument", "add"
    permission = "instruments.add_instrument"
    form_class = AddForm
    previews = rehearsed = True

    def effects(self, obj: None, data: Mapping[str, Any]) -> Sequence[Effect]:
        """What cannot be changed later."""
        return [
            Effect("Instruments", "", f"{data['symbol']}, trading at once"),
            Effect("Whose orders, for ever", "", _TAKES[data["realm"]]),
            Effect("Assets, for ever", "", f"{data['base']} priced in {data['quote']}"),
            Effect("Price step, for ever", "", market.limit(data["tick_size"], str(data["quote"]))),
            Effect("Quantity step, for ever", "", market.limit(data["lot_size"], str(data["base"]))),
        ]

    def act(self, obj: None, data: Mapping[str, Any]) -> Done:
        """Create it."""
        instrument = editing.create_instrument(
            values={name: data[name] for name in _ALL},
            actor=actor_of(self.request),
            now=timezone.now(),
            reason=data["reason"],
        )
        page = show.page_of(instrument, instrument.pk)
        return Done(f"{instrument.symbol} was added and takes orders now.", page)


class EditInstrument(Edit):
    """Limits, fees and names. Steps cannot be edited: resting orders are counted in them."""

    label, icon = "Edit limits and fees", "tune"
    permission = "instruments.change_instrument"
    fields = editing.INSTRUMENT_FIELDS
    form_class = edit_form(Instrument, fields)

    def intro(self, obj: Instrument) -> str:
        """What cannot be edited, and when edits count."""
        return (
            "Takes effect with the next order; orders taken before keep their fees. "
            "A limit of 0 means no limit. Price and quantity steps are fixed for life."
        )

    def save(self, obj: Instrument, changes: dict[str, Any], seen: Seen, data: Mapping[str, Any]) -> Done:
        """Change it."""
        editing.change_instrument(
            instrument_id=obj.pk,
            changes=changes,
            seen=seen,
            actor=actor_of(self.request),
            now=timezone.now(),
            reason=data["reason"],
        )
        return Done(f"{obj.symbol} was changed. The next order is checked against the new limits.")


class TiersForm(EditForm):
    """A tier in each line."""

    tiers = forms.CharField(
        label="Tiers",
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4, "placeholder": "1000000 0.02"}),
        help_text="In each line: from which notional of the quote asset, and the rate (0.02 = 2 %).",
    )

    def clean_seen(self) -> dict[Any, Any]:
        """The rates as they were when the form was opened."""
        try:
            return _tiers_of(super().clean_seen().get("tiers", ()))
        except (AttributeError, TypeError, ValueError, InvalidOperation):
            raise forms.ValidationError("Open the form again.") from None

    def clean_tiers(self) -> dict[Decimal, Decimal]:
        """The rates by where they begin."""
        lines = [line for line in str(self.cleaned_data["tiers"]).splitlines() if line.strip()]
        try:
            found = _tiers_of(lines)
        except (ValueError, InvalidOperation):
            raise forms.ValidationError("Two numbers in each line: notional and rate.") from None
        if len(found) < len(lines):
            raise forms.ValidationError("Two tiers begin at the same notional.")
        return found


class SetMarginTiers(Button):
    """More margin for large positions."""

    name, label, icon = "tiers", "Margin tiers", "stairs"
    permission = "instruments.change_instrument"
    form_class = TiersForm
    previews = True

    def initial(self, obj: Instrument) -> Mapping[str, Any]:
        """What they are now."""
        lines = _tier_lines(_tiers(obj))
        return {"tiers": "\n".join(lines), "seen": noted({"tiers": lines})}

    def effects(self, obj: Instrument, data: Mapping[str, Any]) -> Sequence[Effect]:
        """All tiers, before and after."""
        if not data:
            return ()
        before, after = (", ".join(_tier_lines(tiers)) for tiers in (_tiers(obj), data["tiers"]))
        return [Effect("Tiers", before or "none", after or "none")]

    def act(self, obj: Instrument, data: Mapping[str, Any]) -> Done:
        """Replace them."""
        editing.set_margin_tiers(
            instrument_id=obj.pk,
            tiers=data["tiers"],
            seen=data["seen"],
            actor=actor_of(self.request),
            now=timezone.now(),
            reason=data["reason"],
        )
        return Done(f"{obj.symbol} has its new margin tiers: open positions need them from now on.")


def _tiers(instrument: Instrument) -> dict[Decimal, Decimal]:
    return dict(instrument.margin_tiers.values_list("from_notional", "rate"))


def _tiers_of(lines: Iterable[str]) -> dict[Decimal, Decimal]:
    return {Decimal(begin): Decimal(rate) for begin, rate in (line.split() for line in lines)}


def _tier_lines(tiers: Mapping[Decimal, Decimal]) -> list[str]:
    return [f"{short_text(begin)} {short_text(rate)}" for begin, rate in sorted(tiers.items())]


class StatusFilter(ChoiceFilter):
    """Whether it trades."""

    title, parameters, options = "status", ("status",), InstrumentStatus.choices


class KindFilter(ChoiceFilter):
    """What it is."""

    title, parameters, options = "kind", ("kind",), InstrumentKind.choices


class RealmFilter(ChoiceFilter):
    """Whose orders its book takes."""

    title, parameters, options = "realm", ("realm",), Realm.choices


class QuoteFilter(ChoiceFilter):
    """What it is priced in."""

    title, parameters, lookup = "priced in", ("quote",), "quote__code"

    def lookups(self) -> list[tuple[str, str]]:
        """The assets that something is priced in."""
        quotes = Asset.objects.filter(id__in=Instrument.objects.values("quote_id")).order_by("code")
        return [(code, code) for code in quotes.values_list("code", flat=True)]


@admin.register(Instrument)
class InstrumentAdmin(DetailMixin, BackOfficeList):
    """All instruments; there are at most 8,191."""

    question = "What trades now, in which steps and at which fees?"
    when_empty = "No instrument exists yet. Add one, or run `manage.py seed`."
    search_hint = "Symbol, such as BTCUSDT"
    ordering = ("symbol",)
    list_per_page = 100
    list_select_related = ("base", "quote")
    list_display = (
        "symbol", "display_name", "state", "kind", "tick", "lot", "least", "band", "maker", "taker",
    )  # fmt: skip
    list_display_links = ("symbol",)
    list_filter = (StatusFilter, KindFilter, RealmFilter, QuoteFilter)
    buttons = [EditInstrument, SetMarginTiers]
    list_buttons = [AddInstrument]
    more_panels: ClassVar[list[PanelMaker]] = []

    def get_queryset(self, request: HttpRequest) -> QuerySet[Instrument]:
        """With both assets, which every number needs."""
        return Instrument.objects.select_related("base", "quote")

    @admin.display(description="Status")
    def state(self, instrument: Instrument) -> SafeString:
        """Whether it trades."""
        return market.status(instrument)

    @admin.display(description="Price step")
    def tick(self, instrument: Instrument) -> SafeString | str:
        """The tick."""
        return market.limit(instrument.tick_size, instrument.quote.code)

    @admin.display(description="Quantity step")
    def lot(self, instrument: Instrument) -> SafeString | str:
        """The lot."""
        return market.limit(instrument.lot_size, instrument.base.code)

    @admin.display(description="Min notional")
    def least(self, instrument: Instrument) -> SafeString | str:
        """The least notional."""
        return market.limit(instrument.min_notional, instrument.quote.code)

    @admin.display(description="Price band")
    def band(self, instrument: Instrument) -> SafeString:
        """The band."""
        return show.number(f"± {show.percent(instrument.price_band)}")

    @admin.display(description="Maker fee")
    def maker(self, instrument: Instrument) -> SafeString:
        """What a waiting order pays."""
        return show.number(show.percent(instrument.maker_fee))

    @admin.display(description="Taker fee")
    def taker(self, instrument: Instrument) -> SafeString:
        """What an arriving order pays."""
        return show.number(show.percent(instrument.taker_fee))

    def search_rows(self, queryset: QuerySet[Instrument], term: str) -> QuerySet[Instrument]:
        """By symbol."""
        return queryset.filter(symbol=term.upper())

    def badges(self, instrument: Instrument) -> Iterable[SafeString]:
        """Whether it trades, and with play money if so."""
        demo = [show.badge("Demo", Tone.INFO, title=_TAKES[Realm.DEMO])]
        return [market.status(instrument), *(demo if instrument.realm == Realm.DEMO else [])]

    def subheading(self, instrument: Instrument) -> str:
        """Its name and kind."""
        return f"{instrument.display_name}, {instrument.get_kind_display().lower()}"

    def closing_panels(self, request: HttpRequest, instrument: Instrument) -> Iterable[Panel]:
        """What leveraged positions in it need and cost."""
        unit = instrument.quote.code
        yield Facts(
            "Leveraged positions",
            [
                Fact("Contract size", market.limit(instrument.contract_size, instrument.base.code)),
                Fact("Max leverage", show.number(f"{instrument.max_leverage}x")),
                Fact("Daily volatility", show.number(show.percent(instrument.daily_volatility))),
                Fact("Swap long, a contract and night", market.limit(instrument.swap_long, unit)),
                Fact("Swap short, a contract and night", market.limit(instrument.swap_short, unit)),
                Fact("Counts three times", instrument.get_swap_triple_day_display()),
            ],
        )
        yield Table(
            "Margin tiers",
            columns("#From notional", "#At least"),
            [
                [grouped(short_text(tier.from_notional)), show.percent(tier.rate)]
                for tier in instrument.margin_tiers.order_by("from_notional")
            ],
            empty="None: leverage alone says how much margin is needed.",
        )

    def panels(self, request: HttpRequest, instrument: Instrument) -> Iterable[Panel]:
        """Steps, limits and fees; what trades is added by the floor above."""
        base, quote = instrument.base, instrument.quote
        yield Facts(
            "Steps, fixed for life",
            [
                Fact("Orders", _TAKES[Realm(instrument.realm)]),
                Fact("Base", show.ref(base)),
                Fact("Quote", show.ref(quote)),
                Fact("Price step", market.limit(instrument.tick_size, quote.code)),
                Fact("Quantity step", market.limit(instrument.lot_size, base.code)),
            ],
        )
        yield Facts(
            "Fees",
            [
                Fact("Maker", show.number(show.percent(instrument.maker_fee))),
                Fact("Taker", show.number(show.percent(instrument.taker_fee))),
                Fact("Charged in", quote.code),
                Fact("On a halt", instrument.get_halt_policy_display()),
            ],
        )
        yield Facts(
            "Limits of an order",
            [
                Fact("Min price", market.limit(instrument.min_price, quote.code)),
                Fact("Max price", market.limit(instrument.max_price, quote.code)),
                Fact("Price band", f"± {show.percent(instrument.price_band)}"),
                Fact("Reference price", market.limit(instrument.reference_price, quote.code)),
                Fact("Min quantity", market.limit(instrument.min_quantity, base.code)),
                Fact("Max quantity", market.limit(instrument.max_quantity, base.code)),
                Fact("Min notional", market.limit(instrument.min_notional, quote.code)),
                Fact("Max notional", market.limit(instrument.max_notional, quote.code)),
                Fact("Max open orders", show.number(instrument.max_open_orders)),
                Fact("Changed (UTC)", show.when(instrument.updated_at)),
            ],
            wide=True,
        )
