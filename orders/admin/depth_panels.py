"""A book's levels, its armed orders and what an opening would do: what the book and instrument pages show."""

from __future__ import annotations

from decimal import Decimal
from itertools import zip_longest

from django.utils.safestring import SafeString

from instruments.admin import show as market
from instruments.models import Instrument
from instruments.selectors import Rules
from orders.admin.armed_reading import armed_orders
from orders.indicative import Indicative, indicative
from orders.models import Order
from orders.selectors import depth
from tradeplatform.common.admin import show
from tradeplatform.common.admin.panels import Fact, Table, columns

_LEVELS = 10


def depth_table(rules: Rules, instrument: Instrument) -> Table:
    """The best levels of both sides, as the feed shows them."""
    book = depth(rules, limit=_LEVELS)
    return Table(
        "Depth",
        columns("#Bid quantity", "#Bid", "#Ask", "#Ask quantity"),
        [
            [*_level(bid, instrument)[::-1], *_level(ask, instrument)]
            for bid, ask in zip_longest(book.bids, book.asks)
        ],
        empty="Nothing rests in this book.",
        note="What is shown: of an iceberg its slice, of a hidden order nothing.",
        wide=False,
    )


def armed_table(instrument: Instrument, *, last: Decimal) -> Table:
    """Who goes live at which price, beside the depth that does not show them."""
    armed = armed_orders(instrument.pk, last=last)
    parked = show.list_of(Order, instrument=instrument.symbol, status="parked")
    words = [f"{show.whole(armed.orders)} armed, {show.whole(armed.waiting)} waiting for a parent."]
    if armed.cut:
        words.append("Only the triggers nearest the last price are shown.")
    return Table(
        "Armed orders",
        columns("#Trigger", "Goes live when", "#From last", "Buys", "#To buy", "Sells", "#To sell"),
        [
            [
                market.price(level.price, instrument),
                "it rises to it" if level.rises else "it falls to it",
                _away(level.price, last),
                _armed(level.buys, stops=level.rises, url=f"{parked}&side=buy"),
                market.quantity(level.buy_quantity, instrument),
                _armed(level.sells, stops=not level.rises, url=f"{parked}&side=sell"),
                market.quantity(level.sell_quantity, instrument),
            ]
            for level in armed.levels
        ],
        empty="No order waits for a trigger.",
        note=" ".join(words),
        more=(parked, "Its parked orders"),
    )


def opening_fact(rules: Rules, instrument: Instrument) -> Fact:
    """What an opening would trade, from the orders that rest now."""
    return Fact("If it opened now", opening(indicative(rules), instrument), "The auction's rule, on all lots")


def opening(found: Indicative | None, instrument: Instrument) -> SafeString | str:
    """An uncross in words."""
    if found is None:
        return "nothing would trade: bids and asks do not cross"
    more = "bids" if found.surplus > 0 else "asks"
    left = market.quantity(abs(found.surplus), instrument, unit=True)
    return show.lines(
        show.together([market.quantity(found.quantity, instrument, unit=True), "at",
                       market.price(found.price, instrument)]),
        show.together([left, f"more {more} than that"]) if found.surplus else "both sides in full",
    )  # fmt: skip


def _armed(count: int, *, stops: bool, url: str) -> SafeString | str:
    """How many of a side, by what they are: a stop goes live against its owner, a take-profit for him."""
    if not count:
        return show.NOTHING
    kind = "stop" if stops else "take-profit"
    return show.link(url, f"{show.whole(count)} {kind}{'' if count == 1 else 's'}")


def _level(level: tuple[Decimal, Decimal] | None, instrument: Instrument) -> list[SafeString | str]:
    if level is None:
        return ["", ""]
    return [market.price(level[0], instrument), market.quantity(level[1], instrument)]


def _away(price: Decimal, last: Decimal) -> str:
    if not last:
        return show.NOTHING
    share = ((price - last) / last * 100).quantize(Decimal("0.01"))
    return f"{share:+f} %"
