"""How an instrument looks outside."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from instruments.models import Instrument
from instruments.scaling import decimals_of, short_text, text


def instrument_json(instrument: Instrument) -> dict[str, Any]:
    """An instrument with its filters. Prices and quantities have as many digits as their steps."""
    price_decimals, quantity_decimals = decimals_of(instrument.tick_size), decimals_of(instrument.lot_size)

    def limit(value: Decimal, decimals: int) -> str | None:
        return text(value, max(decimals, decimals_of(value))) if value else None

    return {
        "symbol": instrument.symbol,
        "display_name": instrument.display_name,
        "kind": instrument.kind,
        "realm": instrument.realm,
        "base": instrument.base.code,
        "quote": instrument.quote.code,
        "status": instrument.status,
        "tick_size": text(instrument.tick_size, price_decimals),
        "lot_size": text(instrument.lot_size, quantity_decimals),
        "price_decimals": price_decimals,
        "quantity_decimals": quantity_decimals,
        "min_price": limit(instrument.min_price, price_decimals),
        "max_price": limit(instrument.max_price, price_decimals),
        "min_quantity": text(instrument.min_quantity, quantity_decimals),
        "max_quantity": text(instrument.max_quantity, quantity_decimals),
        "min_notional": limit(instrument.min_notional, 0),
        "max_notional": limit(instrument.max_notional, 0),
        "price_band": short_text(instrument.price_band),
        "max_open_orders": instrument.max_open_orders,
        "maker_fee": short_text(instrument.maker_fee),
        "taker_fee": short_text(instrument.taker_fee),
    }
