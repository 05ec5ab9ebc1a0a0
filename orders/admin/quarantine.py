"""What was set aside because it could not be applied: which command, why, and what it was. Read only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from instruments.models import Instrument
from orders.admin import show as trading
from orders.admin.commands import OrderFilter, ShardFilter
from orders.models import Command, Quarantine, Shard
from tradeplatform.common.admin import show
from tradeplatform.common.admin.details import DetailMixin
from tradeplatform.common.admin.filters import as_id
from tradeplatform.common.admin.lists import KeysetList
from tradeplatform.common.admin.panels import Fact, Facts, Panel, Table, columns
from tradeplatform.common.admin.show import Tone


@admin.register(Quarantine)
class QuarantineAdmin(DetailMixin, KeysetList):
    """Newest first; there should be none."""

    question = "Which commands could not be applied, why, and what were they?"
    when_empty = "Every command could be applied: nothing was ever set aside."
    search_hint = "Command id"
    list_display = ("number", "moment", "what", "why", "order_shown", "shard_shown")
    list_display_links = ("number",)
    list_filter = (ShardFilter, OrderFilter)

    def search_rows(self, queryset: QuerySet[Quarantine], term: str) -> QuerySet[Quarantine]:
        """By the command's id."""
        number = as_id(term)
        return queryset.filter(command_id=number) if number else queryset.none()

    @admin.display(description="Set aside")
    def number(self, row: Quarantine) -> SafeString:
        """Its number."""
        return show.number(row.pk)

    @admin.display(description="When (UTC)")
    def moment(self, row: Quarantine) -> SafeString | str:
        """When."""
        return show.when(row.at)

    @admin.display(description="Command")
    def what(self, row: Quarantine) -> SafeString | str:
        """The command, which now only refuses."""
        return show.lines(show.ref_to(Command, row.command_id), row.get_kind_display())

    @admin.display(description="Why")
    def why(self, row: Quarantine) -> str:
        """What the attempt ended with."""
        return row.error[:120]

    @admin.display(description="Order")
    def order_shown(self, row: Quarantine) -> SafeString | str:
        """Whose turn it was."""
        return trading.order_ref(row.order_id)

    @admin.display(description="Shard")
    def shard_shown(self, row: Quarantine) -> SafeString | str:
        """Where."""
        return show.ref_to(Shard, row.shard_id)

    def heading(self, row: Quarantine) -> str:
        """What was set aside."""
        return f"{row.get_kind_display()} command {row.command_id}, set aside"

    def badges(self, row: Quarantine) -> Iterable[SafeString]:
        """It was refused."""
        return [show.badge("Quarantined", Tone.BAD)]

    def panels(self, request: HttpRequest, row: Quarantine) -> Iterable[Panel]:
        """Why, and what it was."""
        instrument = Instrument.objects.filter(pk=row.instrument_id).first()
        yield Facts(
            "",
            [
                Fact("Set aside (UTC)", show.when(row.at)),
                Fact("Command", show.ref_to(Command, row.command_id), "What stands in its place now"),
                Fact("Instrument", show.ref(instrument) if instrument else show.NOTHING),
                Fact("Order", trading.order_ref(row.order_id)),
                Fact("Shard", show.ref_to(Shard, row.shard_id)),
                Fact("Error", show.mono(row.error), "What the last attempt to apply it ended with"),
            ],
            wide=True,
        )  # fmt: skip
        original: dict[str, Any] = row.original
        yield Table(
            "What it was",
            columns("Column", "Value"),
            [[name, show.mono(str(value))] for name, value in original.items()],
            empty="",
        )
