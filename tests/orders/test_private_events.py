"""Private events: each account's own, numbered from 1 without gaps, whoever numbers and however often."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import TradingAccount
from orders.models import PrivateEvent, PrivateStream, PrivateTape
from orders.private_selectors import private_events, private_range
from orders.services import private_events as numbering
from orders.services.private_events import begin, number
from orders.tasks import number_private_events
from tests.factories import NOW, Market, fund, make_market, stored
from tests.feed.flow_of_orders import random_flow
from tests.threads import all_at_once, elsewhere
from tradeplatform.common.errors import Code, Refusal

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice(market: Market) -> TradingAccount:
    account = market.trader()
    begin(account.pk, None, now=NOW)
    return account


def told(account: TradingAccount, after: int = 0) -> list[dict[str, Any]]:
    number([account.pk], now=timezone.now())
    return private_events(account.pk, after=after, limit=1_000).events


def in_short(events: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """(number, kind, what tells it from others of its kind)."""
    names = {"order": "kind", "fill": "quantity", "balance": "balance", "deal": "kind"}
    return [(one["number"], one["kind"], one[one["kind"]][names[one["kind"]]]) for one in events]


def test_an_orders_life_its_fills_and_what_they_left(market: Market, alice: TradingAccount) -> None:
    order_id = market.sell(alice, 2, 50000)
    market.drain()
    bob = market.trader()
    market.buy(bob, 1, 50000)
    market.drain()
    market.cancel(order_id, alice)
    market.drain()

    events = told(alice)

    assert in_short(events) == [
        (1, "order", "accepted"),
        (2, "fill", "1.0000"),
        (3, "order", "cancelled"),
        (4, "balance", "99.00000000"),
        (5, "balance", "10049975.00000000"),
    ]
    assert events[1]["fill"]["order_id"] == events[0]["order"]["order_id"] == str(order_id)
    assert (events[1]["fill"]["liquidity"], events[1]["order"]) == ("maker", None)
    assert told(alice) == events
    # Bob has not asked.
    assert PrivateEvent.objects.filter(account_id=bob.pk).count() == 0


def test_a_stream_begins_with_the_next_that_happens(market: Market) -> None:
    account = market.trader()
    market.buy(account, 1, 49000)
    market.drain()
    assert begin(account.pk, None, now=NOW) == 0
    assert told(account) == []

    market.buy(account, 1, 48000)
    market.drain()
    fund(account, market.instrument.base, 5)

    assert in_short(told(account)) == [(1, "order", "accepted"), (2, "balance", "105.00000000")]


def test_while_nobody_asks_the_books_are_passed_by(market: Market) -> None:
    account = market.trader()
    market.buy(account, 1, 49000)
    market.drain()

    number_private_events()

    assert PrivateTape.objects.get().book_seq == market.book().seq == 1
    assert (PrivateEvent.objects.count(), PrivateStream.objects.count()) == (0, 0)


@pytest.mark.parametrize("step", [1, 7, 20_000])
def test_however_it_is_cut_the_numbers_have_no_gaps_and_add_up(
    monkeypatch: pytest.MonkeyPatch, market: Market, alice: TradingAccount, step: int
) -> None:
    monkeypatch.setattr(numbering, "STEP", step)
    other = make_market(shard=market.shard, base=market.instrument.base, quote=market.instrument.quote)
    bob = market.trader()
    for each in (market, other):
        for _ in random_flow(each, [alice, bob], steps=30, seed=5):
            number_private_events()

    events = told(alice)

    assert [event["number"] for event in events] == list(range(1, len(events) + 1))
    filled: dict[str, Decimal] = {}
    for event in events:
        if event["kind"] == "fill":
            order = event["fill"]["order_id"]
            filled[order] = filled.get(order, Decimal(0)) + Decimal(event["fill"]["quantity"])
    assert len(filled) > 1
    assert filled == {order: stored(int(order)).filled for order in filled}
    seqs = [(e["order"]["symbol"], e["order"]["seq"]) for e in events if e["kind"] == "order"]
    for symbol in (market.symbol, other.symbol):
        mine = [seq for name, seq in seqs if name == symbol]
        assert mine == sorted(set(mine))


@pytest.mark.parametrize("after", [-1, 3, 100])
def test_what_is_not_there_is_refused_and_says_what_is(
    market: Market, alice: TradingAccount, after: int
) -> None:
    for price in (49000, 48000):
        market.buy(alice, 1, price)
    market.drain()
    assert len(told(alice)) == 2

    with pytest.raises(Refusal) as refused:
        private_events(alice.pk, after=after, limit=10)

    assert refused.value.code == Code.EVENT_NUMBER_OUT_OF_RANGE
    assert refused.value.context == {"asked": after + 1, "first": 1, "last": 2}


def test_who_is_too_far_where_nothing_happened_yet_is_told_where_it_begins(alice: TradingAccount) -> None:
    with pytest.raises(Refusal) as refused:
        private_events(alice.pk, after=117, limit=10)

    assert refused.value.message == (
        "No event is there, the next will be 1: go on from there; what was before is in the lists."
    )
    assert refused.value.context == {"asked": 118, "first": 1, "last": 0}


def test_the_end_may_be_asked_after_and_pages_are_cut(market: Market, alice: TradingAccount) -> None:
    for price in (49000, 48000, 47000):
        market.buy(alice, 1, price)
    market.drain()
    number([alice.pk], now=NOW)

    page = private_events(alice.pk, after=1, limit=1)

    assert (page.first, page.last, [event["number"] for event in page.events]) == (1, 3, [2])
    assert private_events(alice.pk, after=3, limit=1).events == []


@pytest.mark.django_db(transaction=True)
def test_many_number_at_once_and_nothing_is_numbered_twice() -> None:
    market = make_market()
    account = market.trader()
    begin(account.pk, None, now=NOW)
    for price in range(49000, 49020):
        market.buy(account, 1, price)
    market.drain()

    results = all_at_once([lambda: number([account.pk], now=NOW)] * 8, threads=8)

    assert sorted(results) == [0] * 7 + [20]  # type: ignore[type-var]
    assert private_range(account.pk) == (1, 20)
    sources = elsewhere(lambda: set(PrivateEvent.objects.values_list("source_id", "order_id")))
    assert len(sources) == 20
