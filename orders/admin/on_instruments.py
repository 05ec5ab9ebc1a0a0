"""What trading adds to an instrument's page: book, latest trades, and the buttons that stop and start it."""

from __future__ import annotations

from collections.abc import Iterable

from django.http import HttpRequest

from instruments.admin import show as market
from instruments.admin.instruments import InstrumentAdmin
from instruments.models import Instrument, InstrumentStatus
from instruments.selectors import rules_by_id
from orders.admin import show as trading
from orders.admin.books import last_price, parked_capped, resting_capped, state
from orders.admin.depth_panels import opening_fact
from orders.admin.kill_switch import kill_badges
from orders.admin.mass_buttons import MassCancel
from orders.admin.order_buttons import CAP, capped
from orders.admin.trades import latest_trades
from orders.admin.trading_buttons import (
    CancelOnly,
    Close,
    Delist,
    EndAuction,
    Halt,
    Maintain,
    PreOpen,
    Resume,
    StartAuction,
)
from orders.models import Book, Order, Trade
from tradeplatform.common.admin import show
from tradeplatform.common.admin.panels import Fact, Facts, Panel, Table, columns

_TRADES = 20


def panels(request: HttpRequest, instrument: Instrument) -> Iterable[Panel]:
    """The book and what traded last, for those who may see them."""
    if request.user.has_perm("orders.view_book"):
        yield phase_facts(instrument)
        yield book_facts(instrument)
    if request.user.has_perm("orders.view_trade"):
        yield trades_table(instrument)


def phase_facts(instrument: Instrument) -> Facts:
    """What is taken now, and when that changes by itself."""
    trades, seconds = instrument.status == InstrumentStatus.ACTIVE, instrument.auction_seconds
    return Facts(
        "Phase",
        [
            Fact("Status", show.together([market.status(instrument), *kill_badges(instrument.pk)])),
            Fact("Auction ends (UTC)", show.when(instrument.auction_ends_at)),
            Fact(
                "Opens through",
                f"an auction of {show.whole(seconds)} s" if seconds else "no auction",
                "At a resumption and at the opening",
            ),
            Fact("Day orders end (UTC)", f"{instrument.day_ends_at:%H:%M:%S}", "Or when it is closed"),
            *([] if trades else [opening_fact(rules_by_id([instrument.pk])[instrument.pk], instrument)]),
        ],
        wide=True,
    )


def book_facts(instrument: Instrument) -> Facts:
    """Where the book stands."""
    book = Book.objects.select_related("shard", "instrument").filter(instrument=instrument).first()
    if book is None:
        opens = "not open yet: the first order opens it"
        if instrument.status == InstrumentStatus.DELISTED:
            opens = "never opened"
        return Facts("Book", [Fact("Book", opens)], wide=True)
    return Facts(
        "Book",
        [
            Fact("Market", trading.market(instrument)),
            Fact("Engine", state(book)),
            Fact("Seq", show.ref(book, show.whole(book.seq))),
            Fact("Last price", last_price(book)),
            Fact("Resting orders", show.link(
                show.list_of(Order, instrument=instrument.symbol, status="live"),
                capped(resting_capped(instrument.pk, CAP)),
            )),
            Fact("Parked orders", show.link(
                show.list_of(Order, instrument=instrument.symbol, status="parked"),
                capped(parked_capped(instrument.pk, CAP)),
            )),
            Fact("Shard", show.ref(book.shard)),
        ],
        wide=True,
    )  # fmt: skip


def trades_table(instrument: Instrument) -> Table:
    """The latest trades."""
    rows = list(latest_trades(instrument, _TRADES))
    return Table(
        "Latest trades",
        columns("#Seq", "When (UTC)", "#Price", "#Quantity", "Taker", "Buyer", "Seller"),
        [
            [
                show.ref(trade, trade.seq),
                show.when(trade.at),
                market.price(trade.price, instrument),
                market.quantity(trade.quantity, instrument),
                trading.side(trade.taker_side),
                show.ref(trade.buyer),
                show.ref(trade.seller),
            ]
            for trade in rows
        ],
        empty="Nothing has traded yet.",
        more=(show.list_of(Trade, instrument=instrument.symbol), "All its trades") if rows else None,
    )


InstrumentAdmin.buttons.extend(
    [Resume, EndAuction, PreOpen, StartAuction, CancelOnly, Halt, Maintain, Close, MassCancel, Delist]
)
InstrumentAdmin.more_panels.append(panels)
