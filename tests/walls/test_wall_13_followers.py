"""Wall 13, crossed: what commits late under lower ids is lost by nobody, applied once, and told by followers.

Several intakes are held open and commit in another order than that of their ids, between drains and looks of
every follower: candles, private events, the history of positions. Some look often, some seldom.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.db.models import Sum

from accounts.models import TradingAccount
from orders.history.models import Timeline
from orders.history.services.following import follow_books
from orders.history.services.regenerating import regenerate
from orders.market.models import Candle
from orders.market.services.following import follow
from orders.models import Command, CommandStatus, Event, EventKind, Fill, PrivateKind, Side, Source, Trade
from orders.private_selectors import private_events
from orders.services.changing import amend_order
from orders.services.private_events import begin, number
from orders.services.requests import Changes
from tests.factories import ACTOR, NOW, Market, fund, make_market, stored
from tests.threads import PATIENCE, elsewhere, start_elsewhere
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.invariants import check_all

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "readonly"])

ROUNDS = 6
AT_ONCE = 4


class OpenIntake:
    """A list of one account's orders, written on another connection and not yet committed."""

    def __init__(self, market: Market, account: TradingAccount, wanted: list[tuple[Side, int, int]]) -> None:
        self._written, self._commit = threading.Event(), threading.Event()
        orders = [market.request(account, side, quantity, price) for side, quantity, price in wanted]

        def work() -> list[int]:
            with transaction.atomic():
                taken = market.send_all(orders)
                self._written.set()
                assert self._commit.wait(PATIENCE)
            return [outcome.order_id for outcome in taken]  # type: ignore[union-attr]

        self._outcome = start_elsewhere(work)
        assert self._written.wait(PATIENCE)

    def commit(self) -> list[int]:
        """Let it commit; the ids of its orders."""
        self._commit.set()
        return self._outcome.result(PATIENCE)


class Readers:
    """All that read behind the drain, each on a connection of its own, one after another or not at all."""

    def __init__(self, accounts: list[TradingAccount], chance: random.Random) -> None:
        self._ids = [account.pk for account in accounts]
        self._chance = chance
        self._all: list[Callable[[], Any]] = [
            lambda: follow(now=NOW),
            lambda: number(self._ids, now=NOW),
            lambda: follow_books(now=NOW),
        ]

    def look(self, *, everybody: bool = False) -> None:
        """Some of them, or each."""
        for reader in self._all:
            if everybody or self._chance.random() < 0.5:
                elsewhere(reader)


def wanted(chance: random.Random) -> list[tuple[Side, int, int]]:
    """A few orders around one price, half of which trade."""
    return [
        (chance.choice(list(Side)), chance.randint(1, 3), 50_000 + chance.randint(-2, 2)) for _ in range(3)
    ]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_wall_13_commits_in_crossed_order_lose_nothing_for_anybody(seed: int) -> None:
    chance, market = random.Random(seed), make_market()
    traders = [market.trader(base=1_000) for _ in range(ROUNDS * AT_ONCE)]
    for trader in traders:
        begin(trader.pk, None, now=NOW)
    readers, sent = Readers(traders, chance), {trader.pk: list[int]() for trader in traders}

    for turn in range(ROUNDS):
        # Of others each time: a drain would wait for an open intake whose account has orders in the book.
        several = traders[turn * AT_ONCE : (turn + 1) * AT_ONCE]
        intakes = [(trader.pk, OpenIntake(market, trader, wanted(chance))) for trader in several]
        chance.shuffle(intakes)
        for account, intake in intakes:
            sent[account] += intake.commit()
            if chance.random() < 0.8:
                market.step(chance.choice([3, 100]))
            readers.look()
    market.drain()
    readers.look(everybody=True)

    applied_once(sent)
    gapless(market)
    candles_have_every_trade(market)
    streams_have_every_event(traders)
    history_has_every_fill(market)
    assert [finding for finding in check_all() if not finding.holds] == []


def applied_once(sent: dict[int, list[int]]) -> None:
    """Each order has one outcome, and an account's are applied in the order in which it sent them."""
    assert not Command.objects.filter(status=CommandStatus.PENDING).exists()
    places = {order: place or 0 for order, place in Command.objects.values_list("order_id", "position")}
    assert sorted(places.values()) == list(range(1, ROUNDS * AT_ONCE * 3 + 1))
    for orders in sent.values():
        assert [places[order] for order in orders] == sorted(places[order] for order in orders)
    entered = Event.objects.filter(kind__in=[EventKind.ACCEPTED, EventKind.REJECTED])
    assert Counter(entered.values_list("order_id", flat=True)) == Counter(places.keys())


def gapless(market: Market) -> None:
    """And the order of the ids was really crossed, else nothing was shown."""
    seqs = list(Event.objects.order_by("seq").values_list("seq", flat=True))
    assert seqs == list(range(1, market.book().seq + 1))
    ids = list(Command.objects.order_by("position").values_list("id", flat=True))
    assert ids != sorted(ids)


def candles_have_every_trade(market: Market) -> None:
    """Each once."""
    trades = Trade.objects.aggregate(volume=Sum("quantity"))["volume"]
    for interval in ("1m", "1h", "1d"):
        grown = Candle.objects.filter(instrument_id=market.instrument.pk, interval=interval)
        assert grown.aggregate(n=Sum("trades"), v=Sum("volume")) == {"n": Trade.objects.count(), "v": trades}


def streams_have_every_event(traders: list[TradingAccount]) -> None:
    """Numbered from 1 without a gap, each fill and each event of an order once."""
    for trader in traders:
        events = private_events(trader.pk, after=0, limit=10_000).events
        assert [event["number"] for event in events] == list(range(1, len(events) + 1))
        kinds = Counter(event["kind"] for event in events)
        assert kinds[PrivateKind.FILL] == Fill.objects.filter(account=trader).count()
        own = Event.objects.filter(account_id=trader.pk, order_id__gt=0).exclude(kind=EventKind.TRADE)
        assert kinds[PrivateKind.ORDER] == own.count()


def history_has_every_fill(market: Market) -> None:
    """Whoever replays the store finds nothing to add and nothing to take away."""
    assert Timeline.objects.get(pk=market.instrument.pk).book_seq == market.book().seq
    found = regenerate(instrument_id=market.instrument.pk, account_id=None, now=NOW)
    assert (found.removed, found.added) == (0, 0)


@pytest.fixture
def alice() -> tuple[Market, TradingAccount]:
    """A trader who follows her own events, and her market."""
    market = make_market()
    trader = market.trader()
    begin(trader.pk, None, now=NOW)
    return market, trader


def balances(account: TradingAccount) -> list[str]:
    """What she was told of her balances, oldest first."""
    number([account.pk], now=NOW)
    events = private_events(account.pk, after=0, limit=100).events
    return [event["balance"]["balance"] for event in events if event["kind"] == PrivateKind.BALANCE]


def test_wall_13_a_balance_moved_by_a_host_whose_clock_is_behind_is_told(
    alice: tuple[Market, TradingAccount],
) -> None:
    """Time only explains: the newest transfer is the one with the highest id, whatever time it bears."""
    market, trader = alice
    fund(trader, market.instrument.base, 1, now=NOW)
    assert balances(trader) == ["101.00000000"]

    fund(trader, market.instrument.base, 1, now=NOW - timedelta(seconds=2))

    assert balances(trader) == ["101.00000000", "102.00000000"]


def test_wall_13_an_amend_by_a_host_whose_clock_is_behind_is_seen_to_wait(
    alice: tuple[Market, TradingAccount],
) -> None:
    """Or a second would be taken, whose hold counts on the first not being there."""
    market, trader = alice
    order_id = market.buy(trader, 1, 50000)
    behind = NOW - timedelta(seconds=2)

    def amend(price: int, at: datetime) -> None:
        amend_order(
            order_id=order_id,
            account_id=trader.pk,
            changes=Changes(price=Decimal(price)),
            actor=ACTOR,
            source=Source.API,
            now=at,
        )

    amend(50001, behind)
    with pytest.raises(Refusal) as refused:
        amend(50002, NOW)

    assert refused.value.code == Code.AMEND_PENDING
    market.drain()
    assert stored(order_id).price == 50001
