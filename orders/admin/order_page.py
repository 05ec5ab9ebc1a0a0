"""An order's page: header facts, how far it got, the timeline, its fills and its transfers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.admin import show as party
from accounts.models import Transfer
from instruments import scaling
from instruments.admin import show as market
from instruments.models import Instrument
from orders.admin import conditions, event_words, words
from orders.admin import show as trading
from orders.admin.event_words import Told
from orders.admin.order_reading import Life, life_of
from orders.models import (
    PARKED,
    Book,
    Command,
    CommandKind,
    Event,
    EventKind,
    Fill,
    Order,
    Shard,
    Side,
    Trade,
)
from tradeplatform.common.admin import show
from tradeplatform.common.admin.panels import Custom, Fact, Facts, Panel, Table, columns


@dataclass(frozen=True, slots=True)
class Moment:
    """One line of the timeline."""

    at: SafeString | str
    seq: SafeString | str
    kind: SafeString
    what: SafeString
    why: str
    leaves: SafeString | str
    who: SafeString | str
    waiting: bool = False


def sentence(order: Order) -> str:
    """The order in words: Buy 0.5 BTC at 50 000.00 USDT, good till cancelled."""
    instrument = order.instrument
    quantity = scaling.grouped(scaling.text(order.quantity, scaling.decimals_of(instrument.lot_size)))
    if order.quote_quantity is not None:
        amount = scaling.grouped(scaling.text(order.quote_quantity, instrument.quote.decimals))
        quantity = f"{amount} {instrument.quote.code} of"
    price = "at the market"
    if order.price is not None:
        price = f"at {_price_text(order.price, instrument)} {instrument.quote.code}"
    if order.trigger_price is not None:
        price += f" once the {conditions.trigger_rule(order)} {_price_text(order.trigger_price, instrument)}"
    force = order.get_time_in_force_display().lower()
    extra = ", ".join([force, *conditions.specials(order)])
    return f"{order.get_side_display()} {quantity} {instrument.base.code} {price}, {extra}"


def _price_text(price: Decimal, instrument: Instrument) -> str:
    return scaling.grouped(scaling.text(price, scaling.decimals_of(instrument.tick_size)))


def panels(request: HttpRequest, order: Order) -> Iterable[Panel]:
    """Header, progress, timeline, fills, transfers."""
    life = life_of(order)
    yield Custom("How far it got", "backoffice/panels/progress.html", _progress(order))
    yield _header(order)
    if found := conditions.facts(order):
        yield found
    if table := conditions.related(order):
        yield table
    yield _money(order)
    yield Custom(
        "Its life",
        "backoffice/panels/timeline.html",
        {"moments": timeline(life), "more": life.more_events and show.list_of(Event, order=order.pk)},
    )
    yield _fills(life)
    if request.user.has_perm("accounts.view_transfer"):
        yield _transfers(life)


# Of most orders there is nothing to say of these.
_IF_ANY = ("Prevented", "Gone unfilled", "Waits for its parent's fills")


def _progress(order: Order) -> dict[str, object]:
    instrument = order.instrument
    rest = order.quantity - order.filled - order.leaves - order.prevented
    parts = [
        ("good", "Filled", order.filled),
        ("open", "Parked" if order.status in PARKED else "Open", order.leaves),
        ("warn", "Prevented", order.prevented),
        ("quiet", "Gone unfilled", rest)
        if order.is_final
        else ("open", "Waits for its parent's fills", rest),
    ]
    return {
        "bar": trading.progress(order),
        "percent": trading.filled_percent(order),
        "parts": [
            (tone, label, market.quantity(part, instrument, unit=True))
            for tone, label, part in parts
            if part or label not in _IF_ANY
        ],
    }


def _header(order: Order) -> Facts:
    instrument = order.instrument
    book = Book.objects.filter(instrument=instrument).values_list("shard_id", flat=True).first()
    price = market.price(order.price, instrument)
    return Facts(
        "Order",
        [
            Fact("Account", show.ref(order.account)),
            Fact("Person", show.ref(order.account.user, party.person(order.account.user))),
            Fact("Instrument", trading.instrument(instrument)),
            Fact("Market", trading.market(instrument)),
            Fact("Shard", show.ref_to(Shard, book)),
            Fact("Client order id", show.mono(order.client_order_id)),
            Fact("Came through", order.get_source_display()),
            Fact("Sent by", trading.actor(order)),
            Fact("Accepted (UTC)", show.when(order.created_at)),
            Fact("Last change (UTC)", show.when(order.updated_at)),
            Fact("Type", f"{order.get_type_display()}, {order.get_time_in_force_display().lower()}"),
            Fact("Limit price", price),
            Fact(
                "Protection price",
                market.price(order.protection_price, instrument),
                "The worst price a market order may trade at",
            ),
            Fact("Self-trade prevention", order.get_stp_mode_display()),
            Fact("Placed with", show.mono(order.credential), "The key or session that placed it"),
            Fact("In its place since seq", order.priority or show.NOTHING, "Earlier goes first at one price"),
            Fact("Correlation id", show.mono(order.correlation_id)),
        ],
        wide=True,
    )


def _money(order: Order) -> Facts:
    instrument = order.instrument
    held_in = instrument.quote if order.side == Side.BUY else instrument.base
    return Facts(
        "Money",
        [
            Fact("Average price", market.price(order.average_price, instrument, extra=2)),
            Fact("Filled notional", market.amount(order.filled_notional, instrument.quote)),
            Fact("Exact fee so far", market.limit(order.fee_accrued, instrument.quote.code)),
            Fact("Held now", market.amount(order.held, held_in)),
            Fact("Maker fee", show.percent(order.maker_fee_rate)),
            Fact("Taker fee", show.percent(order.taker_fee_rate)),
        ],
        wide=True,
    )


def timeline(life: Life) -> list[Moment]:
    """What was asked and what the book answered, newest first; requests still waiting stand on top."""
    waiting = [_waiting(command) for command in reversed(life.waiting)]
    return waiting + [_moment(life, event) for event in life.events]


def _waiting(command: Command) -> Moment:
    return Moment(
        at=show.when(command.at),
        seq=show.NOTHING,
        kind=trading.command_kind(command),
        what=format_html("{} is waiting for the book", command.get_kind_display()),
        why=command.reason,
        leaves=show.NOTHING,
        who=_who(command),
        waiting=True,
    )


def _moment(life: Life, event: Event) -> Moment:
    command = life.commands.get(event.command_id)
    trigger = 0
    if event.kind == EventKind.ACCEPTED and command is not None and command.terms:
        trigger = command.terms.get("trigger_price", 0)
    told = Told(life.order, event, trigger)
    return Moment(
        at=show.when(event.at),
        seq=show.ref(event, event.seq),
        kind=trading.event_kind(event),
        what=event_words.sentence(told),
        why=words.reason_of_code(event.reason_code),
        leaves=told.leaves,
        who=_who(command) if command else show.mono(f"command {event.command_id}"),
    )


def _who(command: Command) -> SafeString:
    """The command, who sent it, and the id its request is followed by."""
    label = f"{CommandKind(command.kind).label} command {command.pk}"
    return show.lines(
        format_html("{} by {}", show.ref(command, label), trading.actor(command)),
        command.reason,
        show.mono(command.correlation_id) if command.correlation_id else "",
    )


def _fills(life: Life) -> Table:
    order, instrument = life.order, life.order.instrument
    return Table(
        "Fills",
        columns("Fill", "When (UTC)", "Trade", "As", "#Price", "#Quantity", "#Notional", "#Fee", "#Fee rate"),
        [
            [
                show.ref(fill, fill.pk),
                show.when(fill.at),
                show.ref_to(Trade, fill.trade_id),
                fill.get_liquidity_display(),
                market.price(fill.price, instrument),
                market.quantity(fill.quantity, instrument),
                market.amount(fill.price * fill.quantity, instrument.quote),
                market.amount(fill.fee, fill.fee_asset),
                show.percent(fill.fee_rate),
            ]
            for fill in life.fills
        ],
        empty="Not filled yet." if not order.is_final else "It ended without a fill.",
        more=(show.list_of(Fill, order=order.pk), "All its fills") if life.more_fills else None,
    )


def _transfers(life: Life) -> Table:
    order = life.order
    return Table(
        "Transfers of its latest trades",
        columns("Transfer", "Kind", "#Amount", "From", "#Balance after", "To", "#Balance after"),
        [
            [
                show.ref(transfer, transfer.pk),
                party.transfer_kind(transfer.kind),
                market.amount(transfer.amount, transfer.asset),
                party.party(transfer.debit),
                market.amount(transfer.debit_balance_after, transfer.asset, unit=False),
                party.party(transfer.credit),
                market.amount(transfer.credit_balance_after, transfer.asset, unit=False),
            ]
            for transfer in life.transfers
        ],
        empty="No money has moved for it.",
        more=(show.list_of(Transfer, account=order.account.account_number), "All transfers of the account")
        if life.transfers
        else None,
    )
