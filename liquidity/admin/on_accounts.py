"""What dealing adds to an account's page: margin with a gauge, open positions, and the forced closes."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from django.http import HttpRequest
from django.utils import timezone

from accounts.admin.accounts import TradingAccountAdmin
from accounts.models import AccountType, Position, TradingAccount
from instruments.admin import show as market
from liquidity.admin.position_buttons import CloseAll, StopOut
from liquidity.admin.positions import direction
from liquidity.admin.reset_button import ResetDemo
from liquidity.selectors import MarginState, margin_of, open_positions
from liquidity.services.valuing import average_price
from tradeplatform.common.admin import show
from tradeplatform.common.admin.panels import Custom, Fact, Facts, Panel, Table, columns
from tradeplatform.common.errors import Refusal

# The gauge shows levels from nothing to this many percent.
_FULL = Decimal(300)


def panels(request: HttpRequest, account: TradingAccount) -> Iterable[Panel]:
    """Margin and open positions, of accounts that may have any, for those who may see them."""
    if not request.user.has_perm("accounts.view_position"):
        return
    held = open_positions(account, now=timezone.now())
    if not held and account.type == AccountType.LIVE:
        return
    yield from _margin(account)
    yield Table(
        "Open leveraged positions",
        columns(
            "Position", "Instrument", "Direction", "#Volume", "#Average price", "#Price now", "#Unrealised"
        ),
        [
            [
                show.ref(position, f"#{position.pk}"),
                show.ref(position.instrument),
                direction(position),
                market.quantity(position.volume, position.instrument),
                market.price(average_price(position), position.instrument, extra=2),
                market.price(worth.price if worth else None, position.instrument),
                market.amount(worth.unrealised if worth else None, account.currency),
            ]
            for position, worth in held
        ],
        empty="No open leveraged position.",
        more=(show.list_of(Position, account=account.account_number), "All of this account"),
    )


def _margin(account: TradingAccount) -> Iterable[Panel]:
    try:
        state = margin_of(account.pk, now=timezone.now())
    except Refusal as refusal:
        yield Facts("Margin", [Fact("Not known now", refusal.message)])
        return
    standing, currency = state.standing, account.currency
    yield Facts(
        "Margin",
        [
            Fact("Equity", market.amount(standing.equity, currency), "Balance + credit + unrealised"),
            Fact("Balance", market.amount(standing.balance, currency)),
            Fact("Credit", market.amount(standing.credit, currency)),
            Fact("Unrealised", market.amount(standing.unrealised, currency)),
            Fact("Margin used", market.amount(standing.margin, currency)),
            Fact("Maintenance", market.amount(state.valuation.maintenance, currency)),
            Fact("Free margin", market.amount(standing.free, currency), "Equity - margin - held"),
        ],
    )
    yield gauge(state)


def gauge(state: MarginState) -> Custom:
    """The margin level against the levels at which the group warns and closes."""
    level = state.standing.level
    if level is None:
        tone, filled = "quiet", Decimal(0)
    else:
        tone = "bad" if level < state.stop_out_level else "warn" if level < state.call_level else "good"
        filled = min(max(level, Decimal(0)), _FULL)
    return Custom(
        "Margin level",
        "backoffice/panels/gauge.html",
        {
            "level": "no margin used" if level is None else f"{level:f} %",
            "tone": tone,
            "filled": _share(filled),
            "rated": show.when(state.valuation.rated_at),
            "marks": [
                ("Stop-out", f"{state.stop_out_level.normalize():f} %", _share(state.stop_out_level)),
                ("Margin call", f"{state.call_level.normalize():f} %", _share(state.call_level)),
            ],
        },
        wide=False,
    )


def _share(level: Decimal) -> str:
    """How far along the gauge, in percent."""
    return f"{min(level, _FULL) / _FULL * 100:.2f}"


TradingAccountAdmin.buttons.extend([CloseAll, StopOut, ResetDemo])
TradingAccountAdmin.more_panels.append(panels)
