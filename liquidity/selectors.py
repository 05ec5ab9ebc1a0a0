"""Reading what dealing has made: positions, and how an account stands with them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import QuerySet

from accounts.models import Deal, Position, TradingAccount, TradingGroup
from liquidity.services.desk import Desk
from liquidity.services.valuing import Valuation
from risk.services.margin import Standing
from tradeplatform.common.db import fetch
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.pagination import Page, newest_first


@dataclass(frozen=True, slots=True)
class MarginState:
    """An account with its open positions valued by the last quotes, and its group's levels."""

    account: TradingAccount
    valuation: Valuation
    standing: Standing
    call_level: Decimal
    stop_out_level: Decimal


def margin_of(account_id: int, *, now: datetime) -> MarginState:
    """How an account stands now; nothing is locked. Raises Refusal: account_not_found, no_price, no_rate."""
    found = TradingAccount.objects.select_related("group__commission_asset", "currency", "user").filter(
        id=account_id
    )
    account = found.first()
    if account is None:
        raise Refusal(Code.ACCOUNT_NOT_FOUND, "No such account.", account=str(account_id))
    desk = Desk.of(account, now=now)
    valuation = desk.value()
    group = account.group or TradingGroup()
    return MarginState(
        account=account,
        valuation=valuation,
        standing=desk.standing(valuation),
        call_level=group.call_level,
        stop_out_level=group.stop_out_level,
    )


def closed_positions(account_id: int, *, cursor: int | None, limit: int) -> Page[Position]:
    """An account's closed positions, the newest first."""
    rows = Position.objects.filter(account_id=account_id, closed_at__isnull=False)
    return newest_first([rows.select_related("instrument__quote")], cursor=cursor, limit=limit)


def position_of(account_id: int, position_id: int) -> Position:
    """One position of an account, open or closed. Raises position_not_found."""
    found = Position.objects.select_related("instrument__quote", "instrument__base").filter(
        account_id=account_id, id=position_id
    )
    position = found.first()
    if position is None:
        raise Refusal(Code.POSITION_NOT_FOUND, "No such position.", position=str(position_id))
    return position


def deals_of(position_id: int) -> QuerySet[Deal]:
    """All deals of a position, the oldest first."""
    return Deal.objects.filter(position_id=position_id).order_by("id")


def accounts_with_positions() -> list[int]:
    """Those that have anything open."""
    rows = fetch(
        "SELECT DISTINCT account_id FROM accounts_position WHERE closed_at IS NULL ORDER BY account_id"
    )
    return [row[0] for row in rows]
