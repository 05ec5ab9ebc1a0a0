"""Ctrl+K: what a number, a symbol or a name leads to. By index, and only what the person may see."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Model, Q
from django.http import HttpRequest
from unfold.dataclasses import SearchResult

from accounts.models import TradingAccount, User
from instruments.models import Instrument
from orders.models import Order
from tradeplatform.common.admin import show
from tradeplatform.common.admin.filters import as_id

_ACCOUNTS = 5


def find(request: HttpRequest, typed: str) -> list[SearchResult]:
    """Rows whose name is what was typed; the theme hands it over in lower case."""
    term = typed.strip()
    if not term or "\0" in term:
        return []
    may = request.user.has_perm
    return [
        SearchResult(title=title, description=description, link=show.page_of(row, row.pk), icon=icon)
        for permission, row, title, description, icon in _found(term)
        if may(permission)
    ]


def _found(term: str) -> Iterator[tuple[str, Model, str, str, str]]:
    number = as_id(term)
    if number is not None:
        for order in Order.objects.select_related("account", "instrument").filter(pk=number)[:1]:
            words = f"{order.get_side_display()} {order.instrument.symbol} for {order.account}"
            yield "orders.view_order", order, f"Order {order.pk}", words, "receipt_long"
    for account in _accounts(term):
        owner = f"Trading account of {account.user}"
        yield "accounts.view_tradingaccount", account, str(account), owner, "account_balance_wallet"
    for instrument in Instrument.objects.filter(symbol=term.upper()):
        yield "instruments.view_instrument", instrument, str(instrument), instrument.display_name, "tune"
    for user in User.objects.filter(Q(username=term) | Q(email=term)):
        yield "accounts.view_user", user, str(user), user.get_full_name() or "Person", "group"


def _accounts(term: str) -> Iterator[TradingAccount]:
    """Those whose number begins so, and those of the person with this user name."""
    known = TradingAccount.objects.select_related("user").order_by("account_number")
    yield from known.filter(account_number__startswith=term.upper())[:_ACCOUNTS]
    yield from known.filter(user__username=term)[:_ACCOUNTS]
