"""Close positions by force when an account's margin level has fallen to its group's stop-out."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from django.db import transaction

from accounts.models import Deal, DealKind, TradingGroup
from accounts.services.posting import Cause
from audit.actor import Actor
from liquidity.services.desk import Desk
from liquidity.services.valuing import Worth
from tradeplatform.common.valkey import tell_balances_moved


def liquidate(account_id: int, *, actor: Actor, now: datetime, reason: str) -> list[Deal]:
    """Close positions, the largest loss first, until the level is back at the stop-out; the deals.

    Does nothing at or above it, so it may be called at any time. Positions without a price of now stay.
    Raises Refusal: account_not_found, no_price, no_rate.
    """
    with transaction.atomic():
        desk = Desk.lock(account_id, now=now)
        stop_out = (desk.account.group or TradingGroup()).stop_out_level
        while (worst := _worst(desk)) is not None and _below(desk, stop_out):
            desk.close(worst.position, worst.position.volume, worst.price, kind=DealKind.STOP_OUT)
        if not desk.drafts:
            return []
        deals = desk.settle(Cause(reason=reason, actor_id=actor.user_id), needs_margin=False)
        transaction.on_commit(lambda: tell_balances_moved(account_id), robust=True)
    return deals


def _below(desk: Desk, stop_out: Decimal) -> bool:
    level = desk.standing(desk.value()).level
    return level is not None and level < stop_out


def _worst(desk: Desk) -> Worth | None:
    """The position with the largest loss of those that have a price of now."""
    found = [
        worth
        for worth in desk.value().worths
        if desk.terms[worth.position.instrument_id].is_priced(now=desk.now)
    ]
    return min(found, key=lambda worth: (worth.unrealised, worth.position.pk), default=None)
