"""Commands: the journal of everything that was asked of the engine, by whom and why. Read only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from tradeengine.codec import CommandFlag

from instruments.admin import show as market
from instruments.scaling import times
from orders.admin import event_words, terms_panel, words
from orders.admin import show as trading
from orders.admin.filters import AtDays
from orders.models import Command, CommandKind, CommandStatus, Event, Shard, Side
from orders.services.engine_codes import SIDE_WORD
from tradeplatform.common.admin import show
from tradeplatform.common.admin.details import DetailMixin
from tradeplatform.common.admin.filters import ChoiceFilter, IdFilter, as_id
from tradeplatform.common.admin.lists import KeysetList
from tradeplatform.common.admin.panels import Fact, Facts, Panel, Table, columns
from tradeplatform.common.admin.show import Tone

_FLAGS = (
    (CommandFlag.POST_ONLY, "post-only"),
    (CommandFlag.CANCEL_RESTING, "cancel resting"),
    (CommandFlag.TERMS, "with terms"),
    (CommandFlag.REDUCE_ONLY, "reduce-only"),
)


class StatusFilter(ChoiceFilter):
    """Waiting or applied; waiting ones have an index of their own."""

    title, parameters, options = "status", ("status",), CommandStatus.choices


class KindFilter(ChoiceFilter):
    """What was asked."""

    indexed = False
    title, parameters, options = "kind", ("kind",), CommandKind.choices


class ShardFilter(ChoiceFilter):
    """Whose work it is."""

    title, parameters, lookup = "shard", ("shard",), "shard_id"

    def lookups(self) -> list[tuple[str, str]]:
        """All shards."""
        return [(str(n), f"Shard {n}") for n in Shard.objects.order_by("id").values_list("id", flat=True)]


class OrderFilter(IdFilter):
    """Of one order."""

    title, parameters, lookup, placeholder = "order", ("order",), "order_id", "order id"


@admin.register(Command)
class CommandAdmin(DetailMixin, KeysetList):
    """The journal, newest first."""

    question = "What was asked of the engine, by whom, and has it been applied?"
    when_empty = "Nothing has been asked of the engine yet."
    search_hint = "Command id"
    list_display = (
        "number", "moment", "kind_shown", "state", "market_shown", "order_shown", "wants", "who",
        "shard_shown", "place",
    )  # fmt: skip
    list_display_links = ("number",)
    list_filter = (StatusFilter, KindFilter, ShardFilter, OrderFilter, AtDays)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Command]:
        """Without joins: the instruments of a page are read in one query."""
        return Command.objects.all()

    def search_rows(self, queryset: QuerySet[Command], term: str) -> QuerySet[Command]:
        """By id."""
        found = as_id(term)
        return queryset.none() if found is None else queryset.filter(pk=found)

    def prepare_rows(self, rows: Sequence[Any]) -> None:
        """With their instruments, read at once."""
        trading.attach_instruments(rows)

    @admin.display(description="Command")
    def number(self, command: Command) -> SafeString | str:
        """Its id."""
        return show.mono(command.pk)

    @admin.display(description="Asked (UTC)")
    def moment(self, command: Command) -> SafeString | str:
        """When."""
        return show.when(command.at)

    @admin.display(description="Kind")
    def kind_shown(self, command: Command) -> SafeString:
        """What."""
        return trading.command_kind(command)

    @admin.display(description="Status")
    def state(self, command: Command) -> SafeString:
        """Waiting or applied."""
        return status(command)

    @admin.display(description="Instrument")
    def market_shown(self, command: Any) -> SafeString | str:
        """In what."""
        return trading.instrument(command.market)

    @admin.display(description="Order")
    def order_shown(self, command: Command) -> SafeString | str:
        """Which order."""
        return trading.order_ref(command.order_id)

    @admin.display(description="Wants")
    def wants(self, command: Any) -> SafeString | str:
        """Price and quantity, in the market's units."""
        return wants(command)

    @admin.display(description="By, why")
    def who(self, command: Command) -> SafeString:
        """Who, and the reason where one was given."""
        return show.lines(trading.actor(command), show.short(command.reason))

    @admin.display(description="Shard")
    def shard_shown(self, command: Command) -> SafeString | str:
        """Whose work."""
        return show.ref_to(Shard, command.shard_id)

    @admin.display(description="Position")
    def place(self, command: Command) -> SafeString | str:
        """Its place in the shard's order of application."""
        return show.number(command.position) if command.position else show.NOTHING

    def heading(self, command: Command) -> str:
        """Its kind and number."""
        return f"{command.get_kind_display()} command {command.pk}"

    def badges(self, command: Command) -> Iterable[SafeString]:
        """Waiting or applied."""
        return [status(command)]

    def panels(self, request: HttpRequest, command: Any) -> Iterable[Panel]:
        """What it says, and what came of it."""
        trading.attach_instruments([command])
        trading.attach_accounts([command])
        instrument = command.market
        yield Facts(
            "",
            [
                Fact("Asked (UTC)", show.when(command.at)),
                Fact("By", trading.actor(command)),
                Fact("Reason given", command.reason or show.NOTHING),
                Fact("Reason on the event", words.reason_of_code(command.reason_code) or "the client's wish"),
                Fact("Correlation id", show.mono(command.correlation_id)),
                Fact("Instrument", trading.instrument(instrument)),
                Fact("Order", trading.order_ref(command.order_id)),
                Fact("Account", show.ref(command.party) if command.party else _nobody(command)),
                Fact("Side", trading.side(command.side)),
                Fact("Wants", wants(command)),
                Fact("Flags", flags(command.flags)),
                Fact("Held beside the order", market.limit(command.held)),
                Fact("Shard", show.ref_to(Shard, command.shard_id)),
                Fact("Position", command.position or "waiting"),
                Fact("Book seq after it", command.last_seq or show.NOTHING),
            ],
            wide=True,
        )
        if terms := terms_panel.panel(command, instrument):
            yield terms
        yield events_of(command, instrument)


def events_of(command: Command, instrument: Any) -> Table:
    """What came of it: its events end at `last_seq` and stand together, so they are read by their ids."""
    rows: list[Event] = []
    if command.last_seq:
        last = (instrument.pk << 40) | command.last_seq
        nearest = Event.objects.filter(pk__gt=last - 200, pk__lte=last, at__gte=command.at).order_by("-pk")
        rows = [event for event in nearest if event.command_id == command.pk]
    return Table(
        "What came of it",
        columns(
            "#Seq", "When (UTC)", "Event", "Why", "#Price", "#Quantity", "#Open after", "Order", "Against"
        ),
        [
            [
                show.ref(event, event.seq),
                show.when(event.at),
                trading.event_kind(event),
                words.reason_of_code(event.reason_code) or show.NOTHING,
                event_words.price_of(event, instrument),
                event_words.quantity_of(event, instrument),
                market.quantity(times(event.leaves_lots, instrument.lot_size), instrument),
                trading.order_ref(event.order_id),
                trading.order_ref(event.maker_order_id),
            ]
            for event in rows
        ],
        empty="Its shard has not applied it yet: it waits in the journal.",
        note="The latest 200 at most." if len(rows) == 200 else "",  # noqa: PLR2004 - the bound above
    )


def flags(bits: int) -> str:
    """What a command's flags say."""
    return ", ".join(word for bit, word in _FLAGS if bits & bit) or show.NOTHING


def status(command: Command) -> SafeString:
    """Waiting or applied, as a badge."""
    done = command.status == CommandStatus.DONE
    return show.badge(command.get_status_display(), Tone.GOOD if done else Tone.WARN)


def wants(command: Any) -> SafeString | str:
    """Price and quantity as asked; of a mass cancel, whose orders."""
    instrument = command.market
    if command.kind == CommandKind.MASS_CANCEL:
        sides = Side(SIDE_WORD[command.side]).label.lower() if command.side else "both sides"
        return show.lines("all orders" if command.account_id == 0 else "one account's orders", sides)
    if command.kind not in {CommandKind.NEW, CommandKind.AMEND} or instrument is None:
        return show.number(show.NOTHING)
    quantity = market.quantity(times(command.quantity_lots, instrument.lot_size), instrument)
    price = market.price(times(command.price_ticks, instrument.tick_size), instrument)
    amend = command.kind == CommandKind.AMEND
    shown = quantity if command.quantity_lots else "same quantity" if amend else "an amount"
    at_price = price if command.price_ticks else "same price" if amend else "market"
    trigger = _trigger_ticks(command)
    return show.lines(
        shown,
        show.number(at_price, muted=True),
        format_html("trigger {}", market.price(times(trigger, instrument.tick_size), instrument))
        if trigger
        else "",
    )


def _trigger_ticks(command: Command) -> int:
    """The trigger price that is asked for; an amend has it in the place of a group."""
    if command.kind == CommandKind.AMEND:
        return command.stp_group
    return int((command.terms or {}).get("trigger_price", 0))


def _nobody(command: Command) -> str:
    return "everybody's orders" if command.kind == CommandKind.MASS_CANCEL else "an operator acts"
