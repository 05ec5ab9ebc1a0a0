"""The assets and instruments a fresh platform starts with: reference data, no money and no people.

Quantities are in units of the base asset: cash settlement exchanges quantity against price x quantity, and
`contract_size` describes the contract without entering into it. Lots are chosen so that tick x lot is a
whole number of the quote asset's smallest unit, which keeps every notional exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal

from instruments.models import Asset, Instrument, InstrumentKind, Realm
from instruments.scaling import quotient
from instruments.services.pricing import NewQuote, record_quotes
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


# symbol, kind, base, quote, tick, lot, least and greatest quantity, contract, leverage, reference price, name
_BROKERAGE = """
EURUSD    forex     EUR USD 0.00001 0.01     0.01   100    100000 500 1.1   EUR/USD
GBPUSD    forex     GBP USD 0.00001 0.01     0.01   100    100000 500 1.27  GBP/USD
USDJPY    forex     USD JPY 0.001   0.01     0.01   100    100000 500 150   USD/JPY
AUDUSD    forex     AUD USD 0.00001 0.01     0.01   100    100000 500 0.66  AUD/USD
BTCUSD    crypto    BTC USD 0.01    0.000001 0.0001 10     1      100 50000 Bitcoin/USD
ETHUSD    crypto    ETH USD 0.01    0.00001  0.001  100    1      100 3000  Ethereum/USD
BNBUSD    crypto    BNB USD 0.01    0.001    0.01   1000   1      100 600   Binance Coin/USD
XRPUSD    crypto    XRP USD 0.0001  0.1      1      100000 1      100 0.6   Ripple/USD
SOLUSD    crypto    SOL USD 0.01    0.01     0.1    1000   1      100 150   Solana/USD
XAUUSD    commodity XAU USD 0.01    0.01     0.01   100    100    200 2400  Gold/USD
XAGUSD    commodity XAG USD 0.001   0.1      0.1    1000   5000   200 29    Silver/USD
WTICOUSD  commodity WTI USD 0.01    0.01     0.01   100    1000   100 75    WTI Crude Oil
SPX500USD index     SPX USD 0.01    0.01     0.01   100    50     100 5500  S&P 500
NAS100USD index     NAS USD 0.01    0.01     0.01   100    20     100 19500 Nasdaq 100
US30USD   index     DJI USD 0.01    0.01     0.01   100    5      100 40500 Dow Jones
USDTUSD   crypto    USDT USD 0.0001 0.01     1      100000 1      100 1     Tether/USD
"""
_EXCHANGE = """
BTCUSDT   crypto BTC   USDT 0.01    0.000001 0.0001 1000      1 1 50000 Bitcoin/Tether
ETHUSDT   crypto ETH   USDT 0.01    0.00001  0.001  10000     1 1 3000  Ether/Tether
BNBUSDT   crypto BNB   USDT 0.01    0.0001   0.01   10000     1 1 600   Binance Coin/Tether
SOLUSDT   crypto SOL   USDT 0.01    0.001    0.01   100000    1 1 150   Solana/Tether
XRPUSDT   crypto XRP   USDT 0.0001  0.1      1      10000000  1 1 0.6   XRP/Tether
ADAUSDT   crypto ADA   USDT 0.0001  0.1      1      10000000  1 1 0.45  Cardano/Tether
DOGEUSDT  crypto DOGE  USDT 0.00001 1        1      100000000 1 1 0.15  Dogecoin/Tether
AVAXUSDT  crypto AVAX  USDT 0.01    0.01     0.1    100000    1 1 35    Avalanche/Tether
DOTUSDT   crypto DOT   USDT 0.001   0.01     0.1    1000000   1 1 7     Polkadot/Tether
MATICUSDT crypto MATIC USDT 0.0001  0.1      1      10000000  1 1 0.7   Polygon/Tether
"""

#: Demo accounts' own books of these: the same rules under another symbol (ADR 17).
_MIRRORED = ("BTCUSDT", "ETHUSDT", "SOLUSDT")

EXCHANGE_MIN_NOTIONAL = Decimal(10)
PRICE_BAND = Decimal("0.10")
MAKER_FEE = Decimal("0.0005")
TAKER_FEE = Decimal("0.0010")

# Standard deviation of a day's return, by kind; what holding over night costs in a year, long and short.
_VOLATILITY = {
    InstrumentKind.FOREX: Decimal("0.006"),
    InstrumentKind.CRYPTO: Decimal("0.04"),
    InstrumentKind.COMMODITY: Decimal("0.012"),
    InstrumentKind.INDEX: Decimal("0.012"),
}
_SWAP_LONG, _SWAP_SHORT, _NIGHTS = Decimal("-0.04"), Decimal("-0.02"), Decimal(360)


def seed_assets() -> int:
    """Create the assets that are missing; returns how many. Existing rows are left as they are."""
    return create_missing_assets(
        Asset(code=code, name=name, decimals=DECIMALS) for code, name in _ASSETS.items()
    )


def seed_instruments() -> int:
    """Create the listed instruments that are missing; returns how many. An operator's changes stay."""
    assets = {asset.code: asset for asset in Asset.objects.all()}
    exchange = _EXCHANGE.strip().splitlines()
    return create_missing_instruments(
        [
            *(_instrument(row, assets) for row in _BROKERAGE.strip().splitlines()),
            *(_instrument(row, assets, EXCHANGE_MIN_NOTIONAL) for row in exchange),
            *(
                _mirror(_instrument(row, assets, EXCHANGE_MIN_NOTIONAL))
                for row in exchange
                if row.split()[0] in _MIRRORED
            ),
        ]
    )


def _mirror(instrument: Instrument) -> Instrument:
    """The same market for play money."""
    instrument.realm = Realm.DEMO
    instrument.symbol = f"{instrument.symbol}-DEMO"
    instrument.display_name = f"{instrument.display_name}, demo"
    return instrument


def _instrument(row: str, assets: Mapping[str, Asset], min_notional: Decimal = Decimal(0)) -> Instrument:
    symbol, kind, base, quote, tick, lot, least, greatest, contract, leverage, reference, name = row.split(
        maxsplit=11
    )
    kind_of, worth = InstrumentKind(kind), Decimal(reference) * Decimal(contract)
    return Instrument(
        symbol=symbol,
        display_name=name,
        kind=kind_of,
        base=assets[base],
        quote=assets[quote],
        tick_size=Decimal(tick),
        lot_size=Decimal(lot),
        min_quantity=Decimal(least),
        max_quantity=Decimal(greatest),
        min_notional=min_notional,
        price_band=PRICE_BAND,
        reference_price=Decimal(reference),
        maker_fee=MAKER_FEE,
        taker_fee=TAKER_FEE,
        contract_size=Decimal(contract),
        max_leverage=int(leverage),
        daily_volatility=_VOLATILITY[kind_of],
        swap_long=quotient(worth * _SWAP_LONG, _NIGHTS, 2),
        swap_short=quotient(worth * _SWAP_SHORT, _NIGHTS, 2),
    )


def seed_quotes(*, now: datetime) -> int:
    """Quote the instruments that nobody has quoted at their reference prices; returns how many.

    Something to value by from the first minute. Nobody deals at it: for that it is too old a minute later.
    """
    unquoted = Instrument.objects.filter(price__isnull=True, reference_price__gt=0).order_by("id")
    quotes = [
        NewQuote(number, price, price, now, "seed")
        for number, price in unquoted.values_list("id", "reference_price")
    ]
    return record_quotes(quotes, now=now)


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
        instrument.clean_fields(exclude=["base", "quote"])
        instrument.clean()
    return len(Instrument.objects.bulk_create(fresh))
