"""Sides, states and instruments of orders, as lists and panels show them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from tradeengine.codec import EventFlag

from accounts.models import TradingAccount, User
from instruments.models import Instrument
from orders.admin import words
from orders.models import (
    Command,
    CommandKind,
    Event,
    EventKind,
    Order,
    OrderStatus,
    Phase,
    Shard,
    ShardStatus,
    Side,
)
from tradeplatform.common.admin import show
from tradeplatform.common.admin.buttons import Done
from tradeplatform.common.admin.show import Tone

#: Of so many commands a page asks whether they wait.
MOST_FOLLOWED = 200
_SIDE_OF_NUMBER = {1: Side.BUY, 2: Side.SELL}


def status(order: Order) -> SafeString:
    """Where it stands, in a word; why, or what it waits for, on hover."""
    found = OrderStatus(order.status)
    title = words.reason(order.reason) or found.label
    return show.badge(words.SHORT_STATUS.get(found, found.label), words.ORDER_TONE[found], title=title)


def side(value: str | int) -> SafeString | str:
    """Buy or sell, from the word or from the engine's number."""
    word = _SIDE_OF_NUMBER.get(value) if isinstance(value, int) else Side(value)
    if word is None:
        return show.NOTHING
    return show.badge(word.label, Tone.GOOD if word == Side.BUY else Tone.BAD)


def event_kind(event: Event) -> SafeString:
    """What happened; of a change of phase, which one; of an order that is parked by it, how."""
    if event.kind == EventKind.PHASE_CHANGED:
        return phase(event.flags)
    label = event.get_kind_display()
    if event.kind in {EventKind.ACCEPTED, EventKind.ACTIVATED}:
        parked = [(EventFlag.WAITING, "waiting"), (EventFlag.ARMED, "armed")]
        label = next((f"{label}, {word}" for flag, word in parked if event.flags & flag), label)
    return show.badge(label, words.EVENT_TONE[EventKind(event.kind)])


def command_kind(command: Command) -> SafeString:
    """What was asked; of a change of phase, which one."""
    if command.kind == CommandKind.PHASE:
        return phase(command.phase)
    return show.badge(command.get_kind_display(), words.COMMAND_TONE[CommandKind(command.kind)])


def phase(number: int) -> SafeString:
    """What a book does with orders."""
    found = Phase(number)
    return show.badge(f"Phase: {found.label.lower()}", words.PHASE_TONE[found])


def shard_status(shard: Shard) -> SafeString:
    """Whether it works; why not, on hover."""
    return show.badge(
        shard.get_status_display(), words.SHARD_TONE[ShardStatus(shard.status)], title=shard.stop_reason
    )


def progress(order: Order) -> SafeString:
    """Filled, open, prevented and gone, as parts of the quantity; what may still fill is left empty."""
    rest = order.quantity - order.filled - order.leaves - order.prevented
    return show.bar(
        (order.filled, "good"),
        (order.leaves, "open"),
        (order.prevented, "warn"),
        # Of one that waits for its parent nothing is gone: its quantity comes with the fills of that.
        (rest, "quiet" if order.is_final else "open"),
        title="filled, open (empty), prevented, cancelled",
    )


def filled_percent(order: Order) -> str:
    """How much of it is filled: of its quantity, or of the amount it is for."""
    done, whole = order.filled, order.quantity
    if order.quote_quantity is not None:
        done, whole = order.filled_notional, order.quote_quantity
    return f"{(done / whole * 100).quantize(Decimal('0.1')):f} %"


def instrument(row: Instrument) -> SafeString | str:
    """A link to the instrument."""
    return show.ref(row, row.symbol)


def market(row: Instrument) -> SafeString:
    """A link to the market page; not called live, which is the realm of money that is no demo's."""
    return show.link(reverse("admin:market", args=[row.symbol]), row.symbol)


def actor(row: Order | Command) -> SafeString | str:
    """Who sent it, linked to the person where it is one."""
    label = row.actor_label or show.NOTHING
    return show.ref_to(User, row.actor_id, label) if row.actor_id else label


def on_its_way(what: SafeString | str, commands: Sequence[int]) -> Done:
    """What an operator hears of what he asked of the books; his page follows it (backoffice/follow.js)."""
    if len(commands) == 1:
        asked = show.ref_to(Command, commands[0], f"command {commands[0]}")
    else:
        kind = CommandKind.MASS_CANCEL.value
        asked = show.link(show.list_of(Command, kind=kind), f"{len(commands)} commands")
    return Done(
        format_html(
            '{} is on its way as <span data-follow="{}">{}</span>. '
            "This page shows the book's answer as soon as it is there.",
            what,
            f"{reverse('admin:waiting')}?commands={','.join(map(str, commands[-MOST_FOLLOWED:]))}",
            asked,
        )
    )


def order_ref(order_id: int | None) -> SafeString | str:
    """A link to an order by its id."""
    return show.ref_to(Order, order_id, order_id)


def attach_instruments(rows: Iterable[Any]) -> None:
    """Give rows that know their instrument by number the row itself, in one query."""
    rows = list(rows)
    wanted = {row.instrument_id for row in rows}
    found = Instrument.objects.select_related("base", "quote").in_bulk(wanted)
    for row in rows:
        row.market = found.get(row.instrument_id)


def attach_accounts(rows: Iterable[Any]) -> None:
    """Give rows that know their account by number the row itself, in one query."""
    rows = list(rows)
    found = TradingAccount.objects.in_bulk({row.account_id for row in rows if row.account_id})
    for row in rows:
        row.party = found.get(row.account_id)
