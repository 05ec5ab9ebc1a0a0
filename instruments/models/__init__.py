"""Assets, instruments and their prices."""

from instruments.models.asset import Asset
from instruments.models.instrument import (
    HaltPolicy,
    Instrument,
    InstrumentKind,
    InstrumentStatus,
    MarginTier,
    Weekday,
)
from instruments.models.quote import DatedQuote, Quote
from instruments.models.realm import Realm

__all__ = [
    "Asset",
    "DatedQuote",
    "HaltPolicy",
    "Instrument",
    "InstrumentKind",
    "InstrumentStatus",
    "MarginTier",
    "Quote",
    "Realm",
    "Weekday",
]
