"""The assets and instruments a fresh platform starts with: reference data, no money and no people.

Quantities are in units of the base asset: cash settlement exchanges quantity against price x quantity, and
`contract_size` describes the contract without entering into it. Lots are chosen so that tick x lot is a
whole number of the quote asset's smallest unit, which keeps every notional exact.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from instruments.models import Asset, Instrument, InstrumentKind
from tradeplatform.common.db import require_transaction

DECIMALS = 8

_ASSETS = {
    "USD": "US dollar",
    "EUR": "Euro",
    "GBP": "Pound sterling",
    "JPY": "Japanese yen",
    "AUD": "Australian dollar",
    "CHF": "Swiss franc",
    "USDT": "Tether",
    "BTC": "Bitcoin",
    "ETH": "Ether",
    "BNB": "Binance Coin",
    "XRP": "XRP",
    "SOL": "Solana",
    "ADA": "Cardano",
    "DOGE": "Dogecoin",
    "AVAX": "Avalanche",
    "DOT": "Polkadot",
    "MATIC": "Polygon",
    "XAU": "Gold, troy ounce",
    "XAG": "Silver, troy ounce",
    "WTI": "West Texas Intermediate crude oil, barrel",
    "SPX": "S&P 500 index",
    "NAS": "Nasdaq 100 index",
    "DJI": "Dow Jones Industrial Average",
}


class _Listing(NamedTuple):
    """One row of the tables below; numbers are written as text so that they stay exact."""

    symbol: str
    name: str
    kind: InstrumentKind
    base: str
    quote: str
    tick: str
    lot: str
    minimum: str
    maximum: str
    contract: str
    leverage: int
    reference: str
    min_notional: str = "0"


_FOREX, _CRYPTO = InstrumentKind.FOREX, InstrumentKind.CRYPTO
_COMMODITY, _INDEX = InstrumentKind.COMMODITY, InstrumentKind.INDEX

# fmt: off
_BROKERAGE = (
    _Listing("EURUSD", "EUR/USD", _FOREX, "EUR", "USD", "0.00001", "0.01", "0.01", "100", "100000", 500, "1.1"),
    _Listing("GBPUSD", "GBP/USD", _FOREX, "GBP", "USD", "0.00001", "0.01", "0.01", "100", "100000", 500, "1.27"),
    _Listing("USDJPY", "USD/JPY", _FOREX, "USD", "JPY", "0.001", "0.01", "0.01", "100", "100000", 500, "150"),
    _Listing("AUDUSD", "AUD/USD", _FOREX, "AUD", "USD", "0.00001", "0.01", "0.01", "100", "100000", 500, "0.66"),
    _Listing("BTCUSD", "Bitcoin/USD", _CRYPTO, "BTC", "USD", "0.01", "0.000001", "0.0001", "10", "1", 100, "50000"),
    _Listing("ETHUSD", "Ethereum/USD", _CRYPTO, "ETH", "USD", "0.01", "0.00001", "0.001", "100", "1", 100, "3000"),
    _Listing("BNBUSD", "Binance Coin/USD", _CRYPTO, "BNB", "USD", "0.01", "0.001", "0.01", "1000", "1", 100, "600"),
    _Listing("XRPUSD", "Ripple/USD", _CRYPTO, "XRP", "USD", "0.0001", "0.1", "1", "100000", "1", 100, "0.6"),
    _Listing("SOLUSD", "Solana/USD", _CRYPTO, "SOL", "USD", "0.01", "0.01", "0.1", "1000", "1", 100, "150"),
    _Listing("XAUUSD", "Gold/USD", _COMMODITY, "XAU", "USD", "0.01", "0.01", "0.01", "100", "100", 200, "2400"),
    _Listing("XAGUSD", "Silver/USD", _COMMODITY, "XAG", "USD", "0.001", "0.1", "0.1", "1000", "5000", 200, "29"),
    _Listing("WTICOUSD", "WTI Crude Oil", _COMMODITY, "WTI", "USD", "0.01", "0.01", "0.01", "100", "1000", 100, "75"),
    _Listing("SPX500USD", "S&P 500", _INDEX, "SPX", "USD", "0.01", "0.01", "0.01", "100", "50", 100, "5500"),
    _Listing("NAS100USD", "Nasdaq 100", _INDEX, "NAS", "USD", "0.01", "0.01", "0.01", "100", "20", 100, "19500"),
    _Listing("US30USD", "Dow Jones", _INDEX, "DJI", "USD", "0.01", "0.01", "0.01", "100", "5", 100, "40500"),
)


def _usdt(base: str, tick: str, lot: str, minimum: str, maximum: str, reference: str) -> _Listing:
    """A spot pair: no leverage, contract of one, orders from 10 USDT."""
    return _Listing(
        f"{base}USDT", f"{_ASSETS[base]}/Tether", _CRYPTO, base, "USDT", tick, lot, minimum, maximum, "1", 1,
        reference, min_notional="10",
    )


_EXCHANGE = (
    _usdt("BTC", "0.01", "0.000001", "0.0001", "1000", "50000"),
    _usdt("ETH", "0.01", "0.00001", "0.001", "10000", "3000"),
    _usdt("BNB", "0.01", "0.0001", "0.01", "10000", "600"),
    _usdt("SOL", "0.01", "0.001", "0.01", "100000", "150"),
    _usdt("XRP", "0.0001", "0.1", "1", "10000000", "0.6"),
    _usdt("ADA", "0.0001", "0.1", "1", "10000000", "0.45"),
    _usdt("DOGE", "0.00001", "1", "1", "100000000", "0.15"),
    _usdt("AVAX", "0.01", "0.01", "0.1", "100000", "35"),
    _usdt("DOT", "0.001", "0.01", "0.1", "1000000", "7"),
    _usdt("MATIC", "0.0001", "0.1", "1", "10000000", "0.7"),
)
# fmt: on

PRICE_BAND = Decimal("0.10")
MAKER_FEE = Decimal("0.0005")
TAKER_FEE = Decimal("0.0010")


def seed_assets() -> int:
    """Create the assets that are missing; returns how many. Existing rows are left as they are."""
    return create_missing_assets(
        Asset(code=code, name=name, decimals=DECIMALS) for code, name in _ASSETS.items()
    )


def seed_instruments() -> int:
    """Create the listed instruments that are missing; returns how many. An operator's changes stay."""
    assets = {asset.code: asset for asset in Asset.objects.all()}
    return create_missing_instruments(
        Instrument(
            symbol=row.symbol,
            display_name=row.name,
            kind=row.kind,
            base=assets[row.base],
            quote=assets[row.quote],
            tick_size=Decimal(row.tick),
            lot_size=Decimal(row.lot),
            min_quantity=Decimal(row.minimum),
            max_quantity=Decimal(row.maximum),
            min_notional=Decimal(row.min_notional),
            price_band=PRICE_BAND,
            reference_price=Decimal(row.reference),
            maker_fee=MAKER_FEE,
            taker_fee=TAKER_FEE,
            contract_size=Decimal(row.contract),
            max_leverage=row.leverage,
        )
        for row in (*_BROKERAGE, *_EXCHANGE)
    )


def create_missing_assets(wanted: Iterable[Asset]) -> int:
    """Insert the assets whose code is new. The caller sees to it that it runs alone."""
    require_transaction()
    known = set(Asset.objects.values_list("code", flat=True))
    return len(Asset.objects.bulk_create([asset for asset in wanted if asset.code not in known]))


def create_missing_instruments(wanted: Iterable[Instrument]) -> int:
    """Insert the instruments whose symbol is new, after their own checks. Raises ValidationError.

    Known symbols are left out before the INSERT, not by ON CONFLICT: a skipped row would use up one of
    the ids, of which event numbers leave room for 8,191.
    """
    require_transaction()
    known = set(Instrument.objects.values_list("symbol", flat=True))
    fresh = [instrument for instrument in wanted if instrument.symbol not in known]
    for instrument in fresh:
        instrument.clean()
    return len(Instrument.objects.bulk_create(fresh))
