"""Short words for tests of positions over time: trades told, positions asked."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from accounts.models import TradingAccount, User
from instruments.models import Instrument
from orders.history.models import LivePosition, Portfolio, PositionPoint
from orders.history.reading import ToldTrade
from orders.history.selectors import position_at
from orders.history.services.following import follow_books
from orders.history.services.freezing import freeze
from orders.history.services.ingesting import Outcome, Taken, ingest
from orders.history.services.portfolios import save_portfolio
from orders.history.services.streaming import take
from tests.factories import ACTOR, NOW, Market, make_account, make_instrument, short, tag

#: The times of the scenarios are seconds of the clock: 1650896178 is 2022-04-25T14:16:18Z.
LATER = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
_numbers = itertools.count(1)
_RUN = uuid.uuid4().hex[:8]


def second(number: float) -> datetime:
    """The moment so many seconds after 1970."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=round(number * 1_000_000))


def make_position() -> tuple[TradingAccount, Instrument]:
    """An account and an instrument that nothing was traded in."""
    instrument = make_instrument()
    return make_account(currency=instrument.quote), instrument


def told(
    account: TradingAccount,
    instrument: Instrument,
    at: float | datetime,
    quantity: str | int | Decimal,
    *,
    price: str | int | Decimal = 10,
    fee: str | None = None,
    external_id: str | None = None,
    source: str = "venue",
) -> ToldTrade:
    """A trade as somebody tells it."""
    return ToldTrade(
        account=account.account_number,
        instrument=instrument.symbol,
        at=at if isinstance(at, datetime) else second(at),
        quantity=Decimal(quantity),
        price=Decimal(price),
        fee=None if fee is None else Decimal(fee),
        source=source,
        external_id=external_id or f"{_RUN}-{next(_numbers)}",
    )


def tell(*trades: ToldTrade, now: datetime = LATER) -> list[Outcome]:
    """Ingest them in one transaction."""
    return ingest(trades, now=now)


def tell_each(trades: Sequence[ToldTrade]) -> None:
    """Ingest them one by one; each must be new."""
    for trade in trades:
        assert tell(trade) == [Taken.NEW]


def points(account: TradingAccount, instrument: Instrument) -> list[tuple[datetime, str]]:
    """(time, position) of every point, oldest first."""
    found = PositionPoint.objects.filter(account=account, instrument=instrument)
    return [(row.at, short(row.position)) for row in found.order_by("at", "origin", "execution_id")]


def everything(instrument: Instrument) -> list[tuple[object, ...]]:
    """Every point of an instrument, ids included, and its live positions."""
    stored = PositionPoint.objects.filter(instrument=instrument).order_by(
        "account", "at", "origin", "execution_id"
    )
    live = LivePosition.objects.filter(instrument=instrument).order_by("account")
    return [*stored.values_list(), *live.values_list()]


def asked(
    account: TradingAccount | None, instrument: Instrument, at: float | datetime | None = None
) -> str | None:
    """The position at a moment as short text; None: no position."""
    moment = at if at is None or isinstance(at, datetime) else second(at)
    ids = None if account is None else [account.pk]
    found = position_at(instrument_id=instrument.pk, account_ids=ids, at=moment)
    return None if found is None else short(found.standing.quantity)


def lived_history(market: Market) -> TradingAccount:
    """Fills followed, trades told, one too late for a frozen period, one refused; the account they are of."""
    account = market.trader()
    instrument = market.instrument
    follow_books(now=NOW)
    before = NOW - timedelta(hours=1)
    tell_each([told(account, instrument, before, 3, price=49000, fee="1")])
    freeze(
        instrument_id=instrument.pk,
        until=before + timedelta(seconds=1),
        reason="the month is reported",
        actor=ACTOR,
        now=LATER,
    )
    tell_each([told(account, instrument, before - timedelta(seconds=5), -1, price=50000)])
    take([(f"{uuid.uuid4().hex}-0", {"no": "trade"})], now=LATER)
    return account


def make_portfolio(*accounts: TradingAccount, owner: User | None = None, **changes: Any) -> Portfolio:
    """A portfolio of these accounts, in all instruments unless told otherwise."""
    values: dict[str, Any] = {
        "portfolio_id": None, "name": f"P-{tag()}", "owner_id": owner and owner.pk, "instrument_ids": [],
        "account_ids": [account.pk for account in accounts], "reason": "test", "actor": ACTOR, "now": NOW,
    }  # fmt: skip
    return save_portfolio(**values | changes)
