"""Assets and instruments."""

from instruments.models.asset import Asset
from instruments.models.instrument import HaltPolicy, Instrument, InstrumentKind, InstrumentStatus

__all__ = ["Asset", "HaltPolicy", "Instrument", "InstrumentKind", "InstrumentStatus"]
