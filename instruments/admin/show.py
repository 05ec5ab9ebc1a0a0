"""Numbers as their market or asset prints them: never eighteen zeros, never an exponent."""

from __future__ import annotations

from decimal import Decimal

from django.utils.safestring import SafeString

from instruments.models import Asset, Instrument, InstrumentStatus
from instruments.scaling import decimals_of, grouped, short_text, text
from tradeplatform.common.admin import show
from tradeplatform.common.admin.show import Tone

STATUS_TONE = {
    InstrumentStatus.ACTIVE: Tone.GOOD,
    InstrumentStatus.PRE_OPEN: Tone.INFO,
    InstrumentStatus.AUCTION: Tone.INFO,
    InstrumentStatus.CANCEL_ONLY: Tone.WARN,
    InstrumentStatus.CLOSED: Tone.QUIET,
    InstrumentStatus.HALTED: Tone.BAD,
    InstrumentStatus.MAINTENANCE: Tone.WARN,
    InstrumentStatus.DELISTED: Tone.QUIET,
}


def price(value: Decimal | None, instrument: Instrument, *, extra: int = 0) -> SafeString | str:
    """A price at the instrument's tick; `extra` digits for an average."""
    if value is None:
        return show.NOTHING
    return show.number(grouped(text(value, decimals_of(instrument.tick_size) + extra)))


def quantity(value: Decimal | None, instrument: Instrument, *, unit: bool = False) -> SafeString | str:
    """A quantity at the instrument's lot, with the base asset behind it if asked."""
    if value is None:
        return show.NOTHING
    shown = grouped(text(value, decimals_of(instrument.lot_size)))
    return show.number(shown, unit=instrument.base.code if unit else "", muted=not value)


def amount(value: Decimal | None, asset: Asset, *, unit: bool = True) -> SafeString | str:
    """An amount of an asset to its smallest unit."""
    if value is None:
        return show.NOTHING
    return show.number(grouped(text(value, asset.decimals)), unit=asset.code if unit else "", muted=not value)


def limit(value: Decimal, unit: str = "") -> SafeString | str:
    """A limit of an instrument; 0 means there is none."""
    return show.number(grouped(short_text(value)), unit=unit) if value else show.number("none", muted=True)


def status(instrument: Instrument) -> SafeString:
    """Whether it trades, as a badge."""
    return show.badge(instrument.get_status_display(), STATUS_TONE[InstrumentStatus(instrument.status)])
