"""What the tests of phases and auctions share: requests to an instrument, and where it stands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from audit.models import AuditRecord
from instruments.models import Instrument, InstrumentStatus
from orders.models import Command, Phase
from orders.services.phases import end_auction, halt_instrument, request_phase, resume_instrument
from tests.factories import ACTOR, NOW, Market, everything_stored
from tradeplatform.common.errors import Code, Refusal

S = InstrumentStatus
PHASE_OF = {
    S.PRE_OPEN: Phase.PRE_OPEN,
    S.AUCTION: Phase.AUCTION,
    S.CANCEL_ONLY: Phase.CANCEL_ONLY,
    S.CLOSED: Phase.CLOSED,
    S.HALTED: Phase.HALTED,
    S.MAINTENANCE: Phase.HALTED,
    S.DELISTED: Phase.HALTED,
}


def ask(market: Market, to: InstrumentStatus, reason: str = "as planned") -> int:
    return request_phase(symbol=market.symbol, to=to, actor=ACTOR, now=NOW, reason=reason)


def halt(market: Market, **how: Any) -> int:
    return halt_instrument(symbol=market.symbol, actor=ACTOR, now=NOW, reason="news", **how)


def resume(market: Market) -> int:
    return resume_instrument(symbol=market.symbol, actor=ACTOR, now=NOW, reason="all clear")


def end(market: Market) -> int:
    return end_auction(symbol=market.symbol, actor=ACTOR, now=NOW, reason="enough")


def of(market: Market) -> Instrument:
    return Instrument.objects.get(id=market.instrument.id)


def moved_to(market: Market, status: InstrumentStatus) -> None:
    if status == S.ACTIVE:
        return
    if status == S.PRE_OPEN:
        moved_to(market, S.CLOSED)
    ask(market, status)
    market.drain()


def refused(act: Callable[[], Any]) -> Code:
    before = everything_stored(), Command.objects.count(), AuditRecord.objects.count()
    statuses = sorted(Instrument.objects.values_list("id", "status", "auction_ends_at"))
    with pytest.raises(Refusal) as caught:
        act()
    assert (everything_stored(), Command.objects.count(), AuditRecord.objects.count()) == before
    assert sorted(Instrument.objects.values_list("id", "status", "auction_ends_at")) == statuses
    return caught.value.code
