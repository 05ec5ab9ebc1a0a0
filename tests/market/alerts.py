"""Price alerts as somebody would ask for them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from accounts.models import TradingAccount
from orders.market.models import AlertDirection, AlertWatch
from orders.market.services.alerting import Wanted
from tests.factories import Market, tag


def alert_wanted(market: Market, account: TradingAccount, price: int | str, **changes: Any) -> Wanted:
    """Of the last trade, at or above this price, under a fresh id; or as `changes` say."""
    values: dict[str, Any] = {
        "account_id": account.pk,
        "request_id": tag(),
        "symbol": market.symbol,
        "watches": AlertWatch.LAST,
        "direction": AlertDirection.ABOVE,
        "price": Decimal(price),
    }
    return Wanted(**(values | changes))
