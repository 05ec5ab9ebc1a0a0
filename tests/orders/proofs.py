"""Ways to prove that a refusal moved nothing, and that nothing was left to cover a mistake."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import TradingAccount
from accounts.services.funding import withdraw
from orders.models import Command, OrderIdentity, Side
from orders.services.requests import NewOrder
from tests.factories import ACTOR, NOW, Market, everything_stored, money, tag
from tradeplatform.common.errors import Refusal


def denied(market: Market, order: NewOrder) -> Refusal:
    """Why the order is denied, having proved that nothing moved and nothing was written."""
    before = everything_stored(), Command.objects.count(), OrderIdentity.objects.count()
    with pytest.raises(Refusal) as caught:
        market.send(order)
    assert (everything_stored(), Command.objects.count(), OrderIdentity.objects.count()) == before
    return caught.value


def refused(ask: Callable[[], Any]) -> Refusal:
    """Why it is refused, having proved that nothing moved and nothing was written."""
    before = everything_stored(), Command.objects.count()
    with pytest.raises(Refusal) as caught:
        ask()
    assert (everything_stored(), Command.objects.count()) == before
    return caught.value


def take_out(account: TradingAccount, market: Market, side: Side) -> None:
    """Withdraw all that is available, so that nothing is left to cover a mistake."""
    asset = market.instrument.base if side == Side.SELL else market.instrument.quote
    balance, held = money(account, asset)
    if amount := Decimal(balance) - Decimal(held):
        withdraw(
            account_id=account.id,
            asset=asset.code,
            amount=amount,
            reason="test",
            request_id=tag(),
            actor=ACTOR,
            now=NOW,
        )
