"""Caps by class: every listed instrument has its own, whatever its symbol looks like."""

from __future__ import annotations

import pytest

from accounts.models import LeverageRegime
from instruments.models import Instrument, InstrumentKind
from instruments.services.seeding import seed_assets, seed_instruments
from risk.services.leverage import CAPS, LeverageClass, leverage_cap

#: The cap of each instrument under ESMA. Seen elsewhere: BTCUSD, ETHUSD, XRPUSD and XAGUSD at 20, as if six
#: letters made a currency pair.
TABLE = {
    "EURUSD": 30, "GBPUSD": 30, "USDJPY": 30, "AUDUSD": 20,
    "BTCUSD": 2, "ETHUSD": 2, "BNBUSD": 2, "XRPUSD": 2, "SOLUSD": 2,
    "XAUUSD": 20, "XAGUSD": 10, "WTICOUSD": 10,
    "SPX500USD": 20, "NAS100USD": 20, "US30USD": 20,
    "BTCUSDT": 2, "ETHUSDT": 2, "BNBUSDT": 2, "SOLUSDT": 2, "XRPUSDT": 2, "ADAUSDT": 2, "DOGEUSDT": 2,
    "AVAXUSDT": 2, "DOTUSDT": 2, "MATICUSDT": 2,
}  # fmt: skip


@pytest.mark.django_db
def test_table_of_listed_instruments() -> None:
    seed_assets()
    seed_instruments()

    found = {
        each.symbol: leverage_cap(
            LeverageRegime.ESMA, InstrumentKind(each.kind), each.base.code, each.quote.code
        )
        for each in Instrument.objects.filter(symbol__in=TABLE).select_related("base", "quote")
    }

    assert found == TABLE


@pytest.mark.parametrize(
    ("kind", "base", "quote", "cap"),
    [
        (InstrumentKind.FOREX, "CHF", "CAD", 30),
        (InstrumentKind.FOREX, "USD", "TRY", 20),
        (InstrumentKind.FOREX, "BTC", "USD", 20),  # what it is, is said by its kind alone
        (InstrumentKind.INDEX, "MDAX", "EUR", 10),
        (InstrumentKind.STOCK, "AAPL", "USD", 5),
        (InstrumentKind.CFD, "ANY", "USD", 5),
    ],
)
def test_others_by_kind_and_assets(kind: InstrumentKind, base: str, quote: str, cap: int) -> None:
    assert leverage_cap(LeverageRegime.ESMA, kind, base, quote) == cap


def test_no_class_of_a_regime_is_without_a_cap() -> None:
    for caps in CAPS.values():
        assert set(caps) == set(LeverageClass)


@pytest.mark.parametrize("kind", list(InstrumentKind))
def test_without_a_regime_there_is_none(kind: InstrumentKind) -> None:
    assert leverage_cap(LeverageRegime.NONE, kind, "BTC", "USD") is None
