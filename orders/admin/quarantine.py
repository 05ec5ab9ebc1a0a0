"""What was set aside because it could not be applied: which command, why, and what it was. Read only."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from tradeengine.codec import OrderType as TypeCode
from tradeengine.codec import TimeInForce as TimeCode

from accounts.models import TradingAccount
from instruments.admin import show as market
from instruments.models import Instrument
from instruments.scaling import times
from orders.admin import show as trading
from orders.admin import words
from orders.admin.commands import OrderFilter, ShardFilter, flags
from orders.models import Command, CommandKind, Phase, Quarantine, Shard
from orders.services.engine_codes import STP_MODE
from orders.services.journal import moment as journal_moment
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

    def warning(self, row: Quarantine) -> str:
        """What the last attempt to apply it ended with."""
        return f"Could not be applied: {row.error}"

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
            ],
            wide=True,
        )  # fmt: skip
        original: dict[str, Any] = row.original
        yield Table(
            "What it was",
            columns("Column", "Value", "Meaning"),
            [
                [name, show.mono(str(value)), _said(name, value, instrument)]
                for name, value in original.items()
            ],
            empty="",
        )


def _said(name: str, value: Any, instrument: Instrument | None) -> object:
    """What the value of a column means, where it means something."""
    try:
        return _WORDS[name](value, instrument)
    except (KeyError, ValueError, TypeError, AttributeError, ArithmeticError):
        # No word for a column, or for a value that should not be: it may be what it was set aside for.
        return show.NOTHING


def _price(ticks: int, of: Any) -> object:
    return market.price(times(ticks, of.tick_size), of) if ticks else show.NOTHING


def _quantity(lots: int, of: Any) -> object:
    return market.quantity(times(lots, of.lot_size), of) if lots else show.NOTHING


_STP_WORD = {number: word.label for word, number in STP_MODE.items()}
_WORDS: dict[str, Callable[[Any, Any], object]] = {
    "kind": lambda value, _of: CommandKind(value).label,
    "side": lambda value, _of: trading.side(value),
    "order_type": lambda value, _of: TypeCode(value).name.capitalize(),
    "time_in_force": lambda value, _of: TimeCode(value).name,
    "stp_mode": lambda value, _of: _STP_WORD[value],
    "flags": lambda value, _of: flags(value),
    "reason_code": lambda value, _of: words.reason_of_code(value) or show.NOTHING,
    "phase": lambda value, _of: Phase(value).label,
    "time_us": lambda value, _of: show.when(journal_moment(value)),
    "held": lambda value, _of: show.decimal(Decimal(value)),
    "price_ticks": _price,
    "quantity_lots": _quantity,
    "order_id": lambda value, _of: trading.order_ref(value),
    "account_id": lambda value, _of: show.ref_to(TradingAccount, value),
    "instrument_id": lambda _value, of: show.ref(of),
}
