"""How positions, deals and margin look outside."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from accounts.models import Deal, DemoReset, Position
from instruments.scaling import decimals_of, short_text, text
from liquidity.selectors import MarginState
from liquidity.services.dealing import DealSide
from liquidity.services.valuing import Worth, average_price
from tradeplatform.common.times import rfc3339


def position_json(position: Position, *, decimals: int, worth: Worth | None = None) -> dict[str, Any]:
    """A position in a currency of so many decimals; with its worth where it is open and has one."""
    instrument = position.instrument
    price_decimals = decimals_of(instrument.tick_size)

    def price(value: Decimal | None) -> str | None:
        return None if value is None else text(value, price_decimals)

    average = average_price(position)
    return {
        "id": str(position.pk),
        "symbol": instrument.symbol,
        "direction": position.direction,
        "volume": text(position.volume, decimals_of(instrument.lot_size)),
        "contract_size": short_text(position.contract_size),
        "average_price": None if average is None else short_text(average),
        "stop_loss": price(position.stop_loss),
        "take_profit": price(position.take_profit),
        "pnl": text(position.pnl, decimals),
        "swap": text(position.swap, decimals),
        "commission": text(position.commission, decimals),
        "price": price(worth.price if worth else None),
        "unrealised": text(worth.unrealised, decimals) if worth else None,
        "opened_at": rfc3339(position.opened_at),
        "closed_at": None if position.closed_at is None else rfc3339(position.closed_at),
    }


def deals_json(deals: Iterable[Deal], *, decimals: int) -> list[dict[str, Any]]:
    """Deals of an account whose currency has so many decimals."""
    return [_deal(deal, decimals) for deal in deals]


def _deal(deal: Deal, decimals: int) -> dict[str, Any]:
    return {
        "id": str(deal.pk),
        "time": rfc3339(deal.at),
        "position_id": str(deal.position_id),
        "kind": deal.kind,
        "side": (DealSide.BUY if deal.buys else DealSide.SELL).value,
        "volume": short_text(deal.volume),
        "price": None if deal.price is None else short_text(deal.price),
        "pnl": text(deal.pnl, decimals),
        "rate": None if deal.rate is None else short_text(deal.rate),
        "commission": text(deal.commission, decimals),
        "swap": text(deal.swap, decimals),
        "request_id": deal.request_id,
    }


def margin_json(state: MarginState) -> dict[str, Any]:
    """How an account stands."""
    standing, valuation = state.standing, state.valuation
    decimals = state.account.currency.decimals
    amounts = {
        "balance": standing.balance,
        "credit": standing.credit,
        "unrealised": standing.unrealised,
        "equity": standing.equity,
        "margin": standing.margin,
        "maintenance": valuation.maintenance,
        "held": standing.held,
        "free": standing.free,
    }
    return {
        "currency": state.account.currency.code,
        **{name: text(amount, decimals) for name, amount in amounts.items()},
        "level": None if standing.level is None else text(standing.level, 2),
        "call_level": short_text(state.call_level),
        "stop_out_level": short_text(state.stop_out_level),
        "rated_at": None if valuation.rated_at is None else rfc3339(valuation.rated_at),
    }


def reset_json(reset: DemoReset) -> dict[str, Any]:
    """A reset of a demo account as its owner sees it."""
    return {
        "request_id": reset.identity_id,
        "state": reset.state,
        "balance": None if reset.balance is None else short_text(reset.balance),
        "requested_at": rfc3339(reset.at),
        "done_at": None if reset.closed_at is None else rfc3339(reset.closed_at),
    }
