"""The formats that can be read, and the instrument each of them needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from instruments.models import InstrumentKind
from orders.replay import bitstamp, lobster, plain_csv
from orders.replay.actions import RecordedAction
from orders.replay.rows import NumberedRow


@dataclass(frozen=True, slots=True)
class Format:
    """A reader, and the steps in which its prices and quantities are written."""

    name: str
    read: Callable[[Iterator[NumberedRow]], Iterator[RecordedAction]]
    base: str
    kind: InstrumentKind
    tick_size: Decimal
    lot_size: Decimal


FORMATS = {
    found.name: found
    for found in (
        Format(
            "bitstamp", bitstamp.read, "BTC", InstrumentKind.CRYPTO, Decimal("0.01"), Decimal("0.00000001")
        ),
        Format("lobster", lobster.read, "SHARE", InstrumentKind.STOCK, Decimal("0.0001"), Decimal(1)),
        Format("csv", plain_csv.read, "BTC", InstrumentKind.CRYPTO, Decimal("0.01"), Decimal("0.00000001")),
    )
}
