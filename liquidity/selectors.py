"""Reading what dealing has made: positions, and how an account stands with them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import QuerySet

from accounts.models import Deal, Position, TradingAccount, TradingGroup
from instruments.services.converting import load_rates
from liquidity.services.desk import Desk
from liquidity.services.terms import terms_of
from liquidity.services.valuing import Valuation, Worth, worth_of
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


def account_of(account_id: int) -> TradingAccount:
    """An account with its currency and group."""
    return TradingAccount.objects.select_related("currency", "group").get(id=account_id)


def open_positions(account: TradingAccount, *, now: datetime) -> list[tuple[Position, Worth | None]]:
    """An account's open positions, the oldest first, with their worth where the quotes of now tell it."""
    desk = Desk.of(account, now=now)
    for position in desk.positions.values():
        position.instrument = desk.terms[position.instrument_id].instrument
    try:
        worths = {worth.position.pk: worth for worth in desk.value().worths}
    except Refusal:
        worths = {}
    return [(position, worths.get(position.pk)) for position in desk.positions.values()]


def valued_position(account_id: int, position_id: int, *, now: datetime) -> tuple[Position, Worth | None]:
    """One position, open or closed, and what it is worth now if it is open. Raises position_not_found."""
    position = position_of(account_id, position_id)
    if not position.is_open:
        return position, None
    return position, worths_of([position], now=now).get(position_id)


def worths_of(positions: Iterable[Position], *, now: datetime) -> dict[int, Worth]:
    """What open positions of any accounts are worth now, where quotes and rates tell; three statements."""
    held: dict[int, list[Position]] = defaultdict(list)
    for position in positions:
        if position.is_open:
            held[position.account_id].append(position)
    accounts = {number: rows[0].account for number, rows in held.items()}
    terms = terms_of((accounts[number], {row.instrument_id for row in rows}) for number, rows in held.items())
    rates = load_rates(now=now)
    found: dict[int, Worth] = {}
    for number, rows in held.items():
        for row in rows:
            with suppress(Refusal):
                found[row.pk] = worth_of(
                    row, terms[number][row.instrument_id], rates, accounts[number].currency
                )
    return found


def closed_positions(account_id: int, *, cursor: int | None, limit: int) -> Page[Position]:
    """An account's closed positions, the newest first."""
    rows = Position.objects.filter(account_id=account_id, closed_at__isnull=False)
    return newest_first([rows.select_related("instrument__quote")], cursor=cursor, limit=limit)


def position_of(account_id: int, position_id: int) -> Position:
    """One position of an account, open or closed. Raises position_not_found."""
    rows = Position.objects.select_related(
        "instrument__base", "instrument__quote", "account__currency", "account__group"
    )
    position = rows.filter(account_id=account_id, id=position_id).first()
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
