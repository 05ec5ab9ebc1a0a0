"""Intake locks money last: funds that move while it writes are counted again before anything commits."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction

from accounts.models import TradingAccount
from accounts.services.posting import Ledger
from orders.models import Command, Order, Side
from orders.services import intake
from orders.services.requests import Accepted, Denied
from orders.services.writing import orders_written
from tests.factories import Market, everything_stored, make_market, money
from tests.system.counting import here, risen
from tests.threads import elsewhere
from tradeplatform.common.errors import Code

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def market() -> Market:
    return make_market(maker_fee=Decimal(0), taker_fee=Decimal(0))


def reserve_meanwhile(
    monkeypatch: pytest.MonkeyPatch, market: Market, trader: TradingAccount, amount: int
) -> list[bool]:
    """While intake writes its orders, another connection takes so much of the quote that is free, once.

    Gives, for each time that intake wrote, whether money was locked already then.
    """
    write, locked = orders_written, list[bool]()

    def beside() -> None:
        with transaction.atomic():
            ledger = Ledger.lock(clients=[(trader.id, market.instrument.quote_id)])
            ledger.reserve(ledger.client(trader.id, market.instrument.quote_id), Decimal(amount))
            ledger.flush()

    def slow(*args: Any, **more: Any) -> Any:
        if not locked:
            elsewhere(beside)
        locked.append(bool(locked))
        return write(*args, **more)

    monkeypatch.setattr(intake, "orders_written", slow)
    return locked


def test_an_order_that_was_covered_when_it_was_counted_and_is_no_more_leaves_no_trace(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    trader = market.trader(base=1, quote=100_000)
    before = everything_stored()
    seen = reserve_meanwhile(monkeypatch, market, trader, 60_000)

    (outcome,) = market.send_all([market.request(trader, Side.BUY, 1, 50_000)])

    assert isinstance(outcome, Denied)
    assert outcome.refusal.code == Code.INSUFFICIENT_FUNDS
    # What the other connection did is all that is left: with that undone, everything is as it was.
    assert (Order.objects.count(), Command.objects.count(), seen) == (0, 0, [False])
    with transaction.atomic():
        ledger = Ledger.lock(clients=[(trader.id, market.instrument.quote_id)])
        ledger.reserve(ledger.client(trader.id, market.instrument.quote_id), Decimal(0))
        ledger.flush()
    assert everything_stored() == before


def test_of_a_list_those_that_are_still_covered_are_taken(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    trader, other = market.trader(base=0, quote=100_000), market.trader(base=0, quote=100_000)
    seen = reserve_meanwhile(monkeypatch, market, trader, 50_000)

    outcomes = market.send_all(
        [
            market.request(trader, Side.BUY, 1, 48_000),
            market.request(trader, Side.BUY, 1, 47_000),
            market.request(other, Side.BUY, 1, 48_000),
        ]
    )

    # It was tried again with money locked from the start.
    assert [type(outcome) for outcome in outcomes] == [Accepted, Denied, Accepted]
    assert seen == [False, True]
    quote = market.instrument.quote
    assert (money(trader, quote)[1], money(other, quote)[1]) == ("48000", "48000")
    assert Order.objects.count() == 2


def test_what_stays_covered_is_taken_at_the_first_try(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    trader = market.trader(base=0, quote=100_000)
    seen = reserve_meanwhile(monkeypatch, market, trader, 50_000)

    (outcome,) = market.send_all([market.request(trader, Side.BUY, 1, 50_000)])

    assert isinstance(outcome, Accepted)
    assert seen == [False]
    assert money(trader, market.instrument.quote)[1] == "50000"


def test_who_is_not_covered_is_counted_once_however_often_the_list_is_tried(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    trader, poor = market.trader(base=0, quote=100_000), market.trader(base=0, quote=1)
    seen = reserve_meanwhile(monkeypatch, market, trader, 60_000)
    before = here()

    outcomes = market.send_all(
        [market.request(poor, Side.BUY, 1, 48_000), market.request(trader, Side.BUY, 1, 48_000)]
    )

    assert [type(outcome) for outcome in outcomes] == [Denied, Denied]
    assert seen == [False]
    figures = risen(before)
    assert figures["hold_failures_total",] == figures["orders_denied_total", "insufficient_funds"] == 2
