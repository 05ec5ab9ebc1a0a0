"""Swap: what holding a position over a night costs or brings, once for each position and date."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from django.db import transaction

from accounts.models import AccountType, DealKind, Direction, SwapCharge
from accounts.services.posting import Cause
from instruments.models import Instrument
from instruments.scaling import product
from instruments.services.converting import Purpose
from liquidity.services.desk import Desk
from tradeplatform.common.db import fetch
from tradeplatform.common.errors import Refusal
from tradeplatform.common.valkey import tell_balances_moved

_TRIPLE = 3

_DUE = """
    SELECT DISTINCT p.account_id FROM accounts_position p
    JOIN accounts_tradingaccount a ON a.id = p.account_id
    JOIN instruments_instrument i ON i.id = p.instrument_id
    WHERE p.closed_at IS NULL AND p.opened_at < %(end)s AND a.type <> %(exempt)s
        AND CASE p.direction WHEN 'long' THEN i.swap_long ELSE i.swap_short END <> 0
        AND NOT EXISTS (SELECT 1 FROM accounts_swapcharge s WHERE s.position_id = p.id AND s.date = %(date)s)
    ORDER BY p.account_id"""


@dataclass(slots=True)
class Swapped:
    """What a run has done: positions charged, sums by currency, and accounts that had no rate."""

    positions: int = 0
    totals: dict[str, Decimal] = field(default_factory=dict)
    refused: dict[int, str] = field(default_factory=dict)


def swap_night(night: date, *, now: datetime, dry_run: bool = False) -> Swapped:
    """Charge the night that follows the day `night` to every position that was open at its end and still is.

    Running it again adds what is missing and nothing else. Islamic accounts pay none and get none. Each
    account by itself, so one without a rate does not stop the others. A dry run takes everything back.
    """
    done = Swapped()
    end = datetime.combine(night, time(), UTC) + timedelta(days=1)
    params = {"end": end, "exempt": AccountType.ISLAMIC.value, "date": night}
    for (account_id,) in fetch(_DUE, params):
        try:
            with transaction.atomic():
                _swap_account(account_id, night, end, now, done)
                transaction.set_rollback(dry_run)
        except Refusal as refusal:
            done.refused[account_id] = refusal.message
    return done


def nightly(instrument: Instrument, direction: Direction, night: date) -> Decimal:
    """What a contract brings (below zero: costs) for the night, in the quote asset."""
    each: Decimal = instrument.swap_long if direction == Direction.LONG else instrument.swap_short
    return each * _TRIPLE if night.weekday() == instrument.swap_triple_day else each


def _swap_account(account_id: int, night: date, end: datetime, now: datetime, done: Swapped) -> None:
    desk = Desk.lock(account_id, now=now)
    charged = set(
        SwapCharge.objects.filter(position_id__in=list(desk.positions), date=night).values_list(
            "position_id", flat=True
        )
    )
    for number, position in desk.positions.items():
        terms = desk.terms[position.instrument_id]
        amount = product(position.volume, nightly(terms.instrument, Direction(position.direction), night))
        if number in charged or position.opened_at >= end or not amount:
            continue
        # Nights end when markets are closed: swap is converted by the last rates there are.
        converted = desk.rates.convert(
            amount, terms.quote_code, desk.currency.code, purpose=Purpose.VALUATION
        )
        desk.swap(position, converted.amount, converted.rate)
    deals = desk.settle(Cause(reason=f"swap of {night}"), needs_margin=False)
    swaps = [deal for deal in deals if deal.kind == DealKind.SWAP]
    SwapCharge.objects.bulk_create(
        SwapCharge(position_id=deal.position_id, date=night, deal_id=deal.pk, at=deal.at) for deal in swaps
    )
    code = desk.currency.code
    done.positions += len(swaps)
    done.totals[code] = done.totals.get(code, Decimal(0)) + sum((deal.swap for deal in swaps), Decimal(0))
    transaction.on_commit(lambda: tell_balances_moved(account_id), robust=True)
