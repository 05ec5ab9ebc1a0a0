"""Market pages: a live book, its depth, candles and trades, drawn by the browser from the public feed."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from instruments.admin import show as market
from instruments.models import Instrument, InstrumentStatus
from instruments.scaling import decimals_of, text, times
from instruments.selectors import rules_by_id
from orders.admin import show as trading
from orders.admin.armed_reading import armed_orders
from orders.admin.books import last_event, last_price, state
from orders.admin.kill_switch import kill_badges
from orders.indicative import indicative
from orders.models import Book, Command, CommandStatus, Order, Trade
from orders.rendering import indicative_json
from tradeplatform.common.addresses import feed_address
from tradeplatform.common.admin import show
from tradeplatform.common.admin.filters import as_id


def markets_view(request: HttpRequest) -> HttpResponse:
    """All markets that have a book, those that moved last first."""
    _require(request)
    books = Book.objects.select_related("instrument__base", "instrument__quote").order_by("-last_time", "pk")
    rows = [
        {
            "link": trading.market(book.instrument),
            "name": book.instrument.display_name,
            "status": market.status(book.instrument),
            "engine": state(book),
            "price": last_price(book),
            "seq": show.whole(book.seq),
            "moved": last_event(book),
        }
        for book in books
    ]
    return TemplateResponse(request, "backoffice/markets.html", _context(request, "Markets") | {"rows": rows})


def market_view(request: HttpRequest, symbol: str) -> HttpResponse:
    """One market; the numbers come from the feed and, at the start, from the API."""
    _require(request)
    found = _named(symbol)
    values = {
        "instrument": found,
        "status": market.status(found),
        "killed": kill_badges(found.pk),
        "page_url": show.page_of(found, found.pk),
        "facts": {
            "symbol": found.symbol,
            "base": found.base.code,
            "quote": found.quote.code,
            "price_decimals": decimals_of(found.tick_size),
            "quantity_decimals": decimals_of(found.lot_size),
            "api": f"/api/v1/instruments/{found.symbol}",
            "armed": reverse("admin:armed", args=[found.symbol]),
            "socket": feed_address(request),
        },
        "symbols": _symbols(found),
        "trades_url": show.list_of(Trade, instrument=found.symbol),
        "parked_url": show.list_of(Order, instrument=found.symbol, status="parked"),
    }
    return TemplateResponse(
        request, "backoffice/market.html", _context(request, f"{found.symbol} market") | values
    )


def _symbols(shown: Instrument) -> list[str]:
    """Of all markets that have a book, and of the one that is shown."""
    opened = Book.objects.values_list("instrument__symbol", flat=True)
    return sorted({*opened, shown.symbol})


def armed_view(request: HttpRequest, symbol: str) -> HttpResponse:
    """What no feed tells, for the page: armed orders by trigger price, and what an opening would do."""
    _require(request)
    found = _named(symbol)
    book = Book.objects.filter(instrument=found).values_list("last_price_ticks", flat=True).first()
    last = times(book or 0, found.tick_size)
    armed = armed_orders(found.pk, last=last)
    rules = rules_by_id([found.pk])[found.pk]
    # The feed tells everybody what an auction would do; before an opening only the desk may know.
    opening = indicative(rules) if found.status == InstrumentStatus.PRE_OPEN else None
    price_digits, lot_digits = decimals_of(found.tick_size), decimals_of(found.lot_size)
    return JsonResponse(
        {
            "orders": armed.orders,
            "waiting": armed.waiting,
            "opening": indicative_json(opening, rules) if opening else None,
            "levels": [
                {
                    "price": text(level.price, price_digits),
                    "rises": level.rises,
                    "buys": level.buys,
                    "buy_quantity": text(level.buy_quantity, lot_digits),
                    "sells": level.sells,
                    "sell_quantity": text(level.sell_quantity, lot_digits),
                }
                for level in armed.levels
            ],
        }
    )


def waiting_view(request: HttpRequest) -> HttpResponse:
    """Whether commands wait for their book, for the page that asked for them; nothing else is told."""
    ids = [int(number) for number in request.GET.get("commands", "").split(",") if as_id(number)]
    found = Command.objects.filter(id__in=ids[: trading.MOST_FOLLOWED], status=CommandStatus.PENDING)
    return JsonResponse({"waiting": found.exists()})


def _named(symbol: str) -> Instrument:
    named = Instrument.objects.select_related("base", "quote").filter(symbol=symbol)
    # A NUL would be refused by the database, not just not found.
    found = named.first() if symbol.isprintable() else None
    if found is None:
        raise Http404
    return found


def _require(request: HttpRequest) -> None:
    if not request.user.has_perm("orders.view_book"):
        raise PermissionDenied


def _context(request: HttpRequest, title: str) -> dict[str, Any]:
    return admin.site.each_context(request) | {"title": title, "markets_url": reverse("admin:markets")}
