"""Assets: what can be owned, and to how many digits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from audit.admin.acting import actor_of
from instruments.admin import show as market
from instruments.models import Asset, Instrument
from instruments.services import editing
from tradeplatform.common.admin import show
from tradeplatform.common.admin.buttons import Button, Done, Effect, ReasonForm
from tradeplatform.common.admin.details import DetailMixin
from tradeplatform.common.admin.editing import Edit, edit_form
from tradeplatform.common.admin.fields import model_fields
from tradeplatform.common.admin.lists import BackOfficeList
from tradeplatform.common.admin.panels import Fact, Facts, Panel, Table, columns
from tradeplatform.common.admin.show import Tone
from tradeplatform.common.changes import Seen

AddForm = type("AddForm", (ReasonForm,), model_fields(Asset, [*editing.ASSET_FIXED, *editing.ASSET_FIELDS]))


class AddAsset(Button):
    """A new asset; code and decimals are for ever."""

    name, label, icon = "add", "Add asset", "add"
    permission = "instruments.add_asset"
    form_class = AddForm
    previews = rehearsed = True

    def effects(self, obj: None, data: Mapping[str, Any]) -> Sequence[Effect]:
        """The new row."""
        return [Effect("Assets", "", f"{data['code']} with {data['decimals']} decimals, fixed for ever")]

    def act(self, obj: None, data: Mapping[str, Any]) -> Done:
        """Create it."""
        values = {name: data[name] for name in (*editing.ASSET_FIXED, *editing.ASSET_FIELDS)}
        asset = editing.create_asset(
            values=values, actor=actor_of(self.request), now=timezone.now(), reason=data["reason"]
        )
        return Done(f"{asset.code} was added.", show.page_of(asset, asset.pk))


class EditAsset(Edit):
    """Rename it, or close it for deposits and withdrawals."""

    permission = "instruments.change_asset"
    fields = editing.ASSET_FIELDS
    form_class = edit_form(Asset, fields)

    def save(self, obj: Asset, changes: dict[str, Any], seen: Seen, data: Mapping[str, Any]) -> Done:
        """Change it."""
        editing.change_asset(
            asset_id=obj.pk,
            changes=changes,
            seen=seen,
            actor=actor_of(self.request),
            now=timezone.now(),
            reason=data["reason"],
        )
        return Done(f"{obj.code} was changed.")


@admin.register(Asset)
class AssetAdmin(DetailMixin, BackOfficeList):
    """All assets; there are few."""

    question = "Which assets exist, and to how many digits are they kept?"
    when_empty = "No asset exists yet. Add one, or run `manage.py seed`."
    search_hint = "Code, such as BTC"
    ordering = ("code",)
    list_per_page = 100
    list_display = ("code", "name", "digits", "state")
    list_display_links = ("code",)
    buttons = [EditAsset]
    list_buttons = [AddAsset]

    @admin.display(description="Decimals")
    def digits(self, asset: Asset) -> SafeString:
        """Digits after the point."""
        return show.number(asset.decimals)

    @admin.display(description="Deposits and withdrawals")
    def state(self, asset: Asset) -> SafeString:
        """Whether money moves in and out."""
        return state(asset)

    def search_rows(self, queryset: QuerySet[Asset], term: str) -> QuerySet[Asset]:
        """By code."""
        return queryset.filter(code=term.upper())

    def badges(self, asset: Asset) -> Iterable[SafeString]:
        """Open or closed."""
        return [state(asset)]

    def subheading(self, asset: Asset) -> str:
        """Its name."""
        return asset.name

    def panels(self, request: HttpRequest, asset: Asset) -> Iterable[Panel]:
        """The asset, and where it trades."""
        unit = f"{Decimal(1).scaleb(-asset.decimals):f}"
        yield Facts(
            "Asset",
            [
                Fact("Code", asset.code),
                Fact("Name", asset.name),
                Fact("Decimals", asset.decimals, "Amounts are multiples of the smallest unit, always."),
                Fact("Smallest unit", show.number(unit, unit=asset.code)),
            ],
        )
        markets = (
            Instrument.objects.filter(Q(base=asset) | Q(quote=asset))
            .select_related("base", "quote")
            .order_by("symbol")
        )
        yield Table(
            "Instruments",
            columns("Symbol", "Status", "#Tick", "#Lot"),
            [
                [
                    show.ref(i),
                    market.status(i),
                    market.limit(i.tick_size, i.quote.code),
                    market.limit(i.lot_size, i.base.code),
                ]
                for i in markets
            ],
            empty="No instrument trades in it yet.",
        )


def state(asset: Asset) -> SafeString:
    """Open or closed, as a badge."""
    return show.badge("Open", Tone.GOOD) if asset.is_active else show.badge("Closed", Tone.BAD)
