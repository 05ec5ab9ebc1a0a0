"""Caps on leverage by class of instrument, as regulators set them for retail clients.

The class follows from what the instrument is (its kind, then its assets), never from how its symbol looks:
BTCUSD has six letters and is no currency pair. What fits nowhere has the cap of "other", never none.
"""

from __future__ import annotations

from enum import StrEnum

from accounts.models import LeverageRegime
from instruments.models import InstrumentKind


class LeverageClass(StrEnum):
    """The classes that caps are stated for."""

    MAJOR_PAIR = "major currency pair"
    OTHER_PAIR = "other currency pair"
    GOLD = "gold"
    MAJOR_INDEX = "major index"
    OTHER_COMMODITY = "other commodity"
    OTHER_INDEX = "other index"
    STOCK = "stock"
    CRYPTO = "crypto"
    OTHER = "other"


#: ESMA decision (EU) 2018/796, annex I, which national rules have kept since.
_ESMA = {
    LeverageClass.MAJOR_PAIR: 30,
    LeverageClass.OTHER_PAIR: 20,
    LeverageClass.GOLD: 20,
    LeverageClass.MAJOR_INDEX: 20,
    LeverageClass.OTHER_COMMODITY: 10,
    LeverageClass.OTHER_INDEX: 10,
    LeverageClass.STOCK: 5,
    LeverageClass.CRYPTO: 2,
    LeverageClass.OTHER: 5,
}
CAPS: dict[LeverageRegime, dict[LeverageClass, int]] = {LeverageRegime.ESMA: _ESMA}

# A pair of two of these is major.
_MAJOR_CURRENCIES = frozenset({"USD", "EUR", "JPY", "GBP", "CAD", "CHF"})
_GOLD = frozenset({"XAU"})
# FTSE 100, CAC 40, DAX, Dow Jones, S&P 500, Nasdaq 100, Nikkei 225, ASX 200, Euro Stoxx 50.
_MAJOR_INDICES = frozenset({"UKX", "CAC", "DAX", "DJI", "SPX", "NAS", "NKY", "ASX", "SX5E"})


def leverage_class(kind: InstrumentKind, base: str, quote: str) -> LeverageClass:
    """The class of an instrument of this kind in these assets."""
    match kind:
        case InstrumentKind.CRYPTO:
            return LeverageClass.CRYPTO
        case InstrumentKind.FOREX:
            major = {base, quote} <= _MAJOR_CURRENCIES
            return LeverageClass.MAJOR_PAIR if major else LeverageClass.OTHER_PAIR
        case InstrumentKind.COMMODITY:
            return LeverageClass.GOLD if base in _GOLD else LeverageClass.OTHER_COMMODITY
        case InstrumentKind.INDEX:
            return LeverageClass.MAJOR_INDEX if base in _MAJOR_INDICES else LeverageClass.OTHER_INDEX
        case InstrumentKind.STOCK:
            return LeverageClass.STOCK
    return LeverageClass.OTHER


def leverage_cap(regime: LeverageRegime, kind: InstrumentKind, base: str, quote: str) -> int | None:
    """The most leverage a client under the regime may use in the instrument; None under no regime."""
    caps = CAPS.get(regime)
    return caps[leverage_class(kind, base, quote)] if caps else None
