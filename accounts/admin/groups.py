"""Trading groups: the terms that many accounts share, and the exceptions for instruments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from accounts.models import GroupInstrument, TradingAccount, TradingGroup
from accounts.services import groups
from audit.admin.acting import actor_of
from instruments.admin import show as market
from instruments.selectors import find_instrument
from tradeplatform.common.admin import show
from tradeplatform.common.admin.buttons import Button, Done, Effect, ReasonForm
from tradeplatform.common.admin.details import DetailMixin
from tradeplatform.common.admin.editing import Edit, edit_form
from tradeplatform.common.admin.fields import model_fields, text_field
from tradeplatform.common.admin.lists import BackOfficeList
from tradeplatform.common.admin.panels import Fact, Facts, Panel, Table, columns
from tradeplatform.common.changes import Seen

AddForm = type("AddForm", (ReasonForm,), model_fields(TradingGroup, ("name", *groups.GROUP_FIELDS)))
_ExceptionFields = edit_form(GroupInstrument, groups.EXCEPTION_FIELDS)


class ExceptionForm(_ExceptionFields):  # type: ignore[misc, valid-type]  # made from the model's columns
    """What is different for one instrument; empty means as the group says."""

    symbol = text_field("Symbol", max_length=20)
    field_order = ("symbol",)


class SymbolForm(ReasonForm):
    """One instrument."""

    symbol = text_field("Symbol", max_length=20)


class AddGroup(Button):
    """Terms without accounts."""

    name, label, icon = "add", "Add group", "add"
    permission = "accounts.add_tradinggroup"
    form_class = AddForm
    previews = rehearsed = True

    def effects(self, obj: None, data: Mapping[str, Any]) -> Sequence[Effect]:
        """The new row."""
        return [Effect("Groups", "", data["name"])] if data else ()

    def act(self, obj: None, data: Mapping[str, Any]) -> Done:
        """Create it."""
        group = groups.create_group(
            name=data["name"],
            values={name: data[name] for name in groups.GROUP_FIELDS},
            actor=actor_of(self.request),
            now=timezone.now(),
            reason=data["reason"],
        )
        return Done(f"{group} was added. Put accounts into it on their pages.", show.page_of(group, group.pk))


class EditGroup(Edit):
    """Terms of all its accounts at once."""

    label, icon = "Edit terms", "tune"
    permission = "accounts.change_tradinggroup"
    fields = groups.GROUP_FIELDS
    form_class = edit_form(TradingGroup, fields)

    def intro(self, obj: TradingGroup) -> str:
        """When edits count."""
        return (
            "Markup and commission count from the next deal. Leverage, margin method and levels count at "
            "once, for the positions that are open too."
        )

    def save(self, obj: TradingGroup, changes: dict[str, Any], seen: Seen, data: Mapping[str, Any]) -> Done:
        """Change them."""
        groups.change_group_terms(
            group_id=obj.pk,
            changes=changes,
            seen=seen,
            actor=actor_of(self.request),
            now=timezone.now(),
            reason=data["reason"],
        )
        return Done(f"{obj} was changed.")


class SetException(Edit):
    """Other terms for one instrument: those of the address (`?symbol=`), or of one without an exception."""

    name, label, icon = "exception", "Set exception", "rule"
    permission = "accounts.change_tradinggroup"
    form_class = ExceptionForm
    fields = groups.EXCEPTION_FIELDS

    def intro(self, obj: TradingGroup) -> str:
        """What wins."""
        return (
            "An exception beats the group, which beats the instrument. Leave empty what is as the group "
            "says. One that is there is changed from its row on the group's page."
        )

    def initial(self, obj: TradingGroup) -> Mapping[str, Any]:
        """What the exception says now; a new one says nothing but that the instrument trades."""
        symbol = self.request.GET.get("symbol", "")
        row = GroupInstrument.objects.filter(group=obj, instrument__symbol=symbol).first()
        return {"symbol": symbol, **super().initial(row or GroupInstrument())}

    def effects(self, obj: TradingGroup, data: Mapping[str, Any]) -> Sequence[Effect]:
        """What this person changed of it. Raises Refusal: unknown_symbol, no_change, row_changed."""
        if not data:
            return ()
        instrument = find_instrument(data["symbol"])
        return [
            Effect("Instrument", "", f"{instrument.symbol}, for all accounts of {obj}"),
            *super().effects(groups.exception_of(obj, instrument), data),
        ]

    def save(self, obj: TradingGroup, changes: dict[str, Any], seen: Seen, data: Mapping[str, Any]) -> Done:
        """Set it."""
        groups.set_exception(
            group_id=obj.pk,
            symbol=data["symbol"],
            values=changes,
            seen=seen,
            actor=actor_of(self.request),
            now=timezone.now(),
            reason=data["reason"],
        )
        return Done(f"{obj} has its own terms for {data['symbol']}.")


class DropException(Button):
    """The group's terms again."""

    name, label, icon = "drop", "Drop exception", "rule_folder"
    permission = "accounts.change_tradinggroup"
    form_class = SymbolForm
    previews = rehearsed = True

    def effects(self, obj: TradingGroup, data: Mapping[str, Any]) -> Sequence[Effect]:
        """What ends."""
        return [Effect(f"Terms of {data['symbol']}", "their own", "the group's")] if data else ()

    def act(self, obj: TradingGroup, data: Mapping[str, Any]) -> Done:
        """Drop it."""
        groups.drop_exception(
            group_id=obj.pk,
            symbol=data["symbol"],
            actor=actor_of(self.request),
            now=timezone.now(),
            reason=data["reason"],
        )
        return Done(f"{data['symbol']} trades on the terms of {obj} again.")


@admin.register(TradingGroup)
class TradingGroupAdmin(DetailMixin, BackOfficeList):
    """All groups; there are few."""

    question = "On which terms do accounts deal?"
    when_empty = "No group exists yet. Add one, or run `manage.py seed`."
    search_hint = "Name, such as Standard"
    ordering = ("name",)
    list_per_page = 100
    list_display = (
        "name",
        "execution",
        "markup_steps",
        "commission",
        "max_leverage",
        "margin_method",
        "levels",
    )
    list_display_links = ("name",)
    list_select_related = ("commission_asset",)
    buttons = [EditGroup, SetException, DropException]
    list_buttons = [AddGroup]

    def search_rows(self, queryset: QuerySet[TradingGroup], term: str) -> QuerySet[TradingGroup]:
        """By name."""
        return queryset.filter(name=term)

    @admin.display(description="Commission")
    def commission(self, group: TradingGroup) -> SafeString | str:
        """By contract, by share, at least."""
        unit = group.commission_asset.code if group.commission_asset else ""
        parts = [
            show.together([market.limit(group.commission_per_contract, unit), "a contract"])
            if group.commission_per_contract
            else "",
            f"{show.percent(group.commission_rate)} of notional" if group.commission_rate else "",
            show.together(["at least", market.limit(group.commission_minimum, unit)])
            if group.commission_minimum
            else "",
        ]
        shown = [part for part in parts if part]
        return show.lines(*shown) if shown else "none"

    @admin.display(description="Call / stop-out")
    def levels(self, group: TradingGroup) -> SafeString:
        """In percent."""
        return show.number(f"{_percent(group.call_level)} / {_percent(group.stop_out_level)}")

    def panels(self, request: HttpRequest, group: TradingGroup) -> Iterable[Panel]:
        """Terms, exceptions, and where its accounts are."""
        yield Facts(
            "Terms",
            [
                Fact("Execution", group.get_execution_display()),
                Fact("Markup", f"{group.markup_steps} price steps on each side"),
                Fact(
                    "Commission", self.commission(group), "When a position is opened and when it is closed."
                ),
                Fact("Max leverage", show.number(f"{group.max_leverage}x")),
                Fact("Leverage caps", group.get_leverage_regime_display()),
                Fact("Margin", group.get_margin_method_display()),
                Fact("Positions of new accounts", group.get_position_mode_display()),
                Fact("Margin call at", _percent(group.call_level)),
                Fact("Stop-out at", _percent(group.stop_out_level)),
                Fact(
                    "Accounts",
                    show.link(show.list_of(TradingAccount, group=group.name), "All accounts of this group"),
                ),
            ],
            wide=True,
        )
        rows = GroupInstrument.objects.filter(group=group).select_related("instrument")
        yield Table(
            "Exceptions",
            columns(
                "Instrument",
                "Enabled",
                "#Markup",
                "#A contract",
                "#Share",
                "#At least",
                "#Leverage",
                "#Margin rate",
                "#Min volume",
                "#Max volume",
                "",
            ),
            [
                [
                    show.ref(row.instrument),
                    "Yes" if row.is_enabled else "No",
                    _or_group(row.markup_steps),
                    _or_group(row.commission_per_contract),
                    show.NOTHING if row.commission_rate is None else show.percent(row.commission_rate),
                    _or_group(row.commission_minimum),
                    _or_group(row.max_leverage),
                    show.NOTHING if row.margin_rate is None else show.percent(row.margin_rate),
                    _or_group(row.min_volume),
                    _or_group(row.max_volume),
                    _change(request, group, row),
                ]
                for row in rows.order_by("instrument__symbol")
            ],
            empty="None: all instruments trade on the terms above.",
        )


def _change(request: HttpRequest, group: TradingGroup, row: GroupInstrument) -> SafeString | str:
    """The form of this exception, with what it says now."""
    if not SetException(request).allowed():
        return ""
    form = reverse("admin:accounts_tradinggroup_act", args=[group.pk, SetException.name])
    return show.link(f"{form}?{urlencode({'symbol': row.instrument.symbol})}", "Change")


def _percent(level: Any) -> str:
    return f"{level.normalize():f} %"


def _or_group(value: Any) -> SafeString | str:
    if value is None:
        return show.NOTHING
    return show.number(value) if isinstance(value, int) else market.limit(value)
