"""The reader of external trades runs with the platform; killed in the middle it loses and doubles nothing."""

from __future__ import annotations

import psutil
import pytest
from django.utils import timezone

from accounts.models import TradingAccount
from instruments.models import Instrument
from orders.history.models import ExternalTrade, LivePosition
from orders.history.services.regenerating import regenerate
from orders.history.services.streaming import publish
from tests.factories import NOW as AT
from tests.factories import tag
from tests.history.telling import make_position
from tests.running import Platform
from tests.tradeplatform.supervisor.waiting import wait_for
from tradeplatform.supervisor.processes import Record, read_records

pytestmark = pytest.mark.live

TRADES = 4_000
#: What a dead consumer was given is taken over after half a minute.
PATIENCE = 100.0


def reader(platform: Platform) -> Record:
    """The process that reads now, as `manage.py up --status` lists it."""
    return next(found for found in read_records(platform.var_dir) if found.name == "ingest")


def tell(account: TradingAccount, instrument: Instrument, source: str, numbers: range) -> None:
    """Put buys of one into the stream, each with a number as its id."""
    at = AT.isoformat()
    publish(
        {
            "account": account.account_number,
            "instrument": instrument.symbol,
            "at": at,
            "quantity": "1",
            "price": "10",
            "source": source,
            "external_id": str(number),
        }
        for number in numbers
    )


def test_a_killed_reader_is_started_again_and_takes_each_trade_once(platform: Platform) -> None:
    account, instrument = make_position()
    source, mine = tag(), ExternalTrade.objects.filter(account=account)
    tell(account, instrument, source, range(TRADES // 2))
    wait_for(lambda: mine.count() > 0, "the first trades to be taken", seconds=PATIENCE)
    first = reader(platform)
    killed = psutil.Process(first.pid)
    killed.kill()
    killed.wait(PATIENCE)
    # Half of it comes while nobody reads, and some of it was told before.
    tell(account, instrument, source, range(TRADES // 4, TRADES))

    wait_for(lambda: reader(platform).pid != first.pid, "another reader", seconds=PATIENCE)
    wait_for(lambda: mine.count() >= TRADES, "the rest of the trades", seconds=PATIENCE)

    assert reader(platform).restarts == first.restarts + 1
    assert mine.values("source", "external_id").distinct().count() == mine.count() == TRADES
    assert LivePosition.objects.get(account=account, instrument=instrument).position == TRADES
    proof = regenerate(instrument_id=instrument.pk, account_id=None, now=timezone.now())
    assert (proof.points, proof.removed, proof.added) == (TRADES, 0, 0)
