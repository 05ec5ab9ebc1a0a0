"""`manage.py replay-journal`: the journal alone gives what is stored, and a difference is named."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pgtrigger
import pytest
from django.core.management import call_command
from django.db.models import F

from orders.models import Book, Command, Event, EventKind, Order
from tests.factories import Market, make_market
from tests.threads import PATIENCE, start_elsewhere

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "readonly"])


@pytest.fixture
def market() -> Market:
    """Twelve orders in two drains: each of six buys meets a sell."""
    market = make_market()
    seller, buyer = market.trader(), market.trader()
    for _drain in range(2):
        for n in range(3):
            market.sell(seller, 1, 50000 + n)
            market.buy(buyer, 1, 50000 + n)
        market.drain()
    return market


def run(*arguments: str) -> tuple[int, str]:
    """Exit code and what was printed."""
    out = StringIO()
    try:
        call_command("replay-journal", *arguments, stdout=out)
    except SystemExit as left:
        return int(str(left.code)), out.getvalue()
    return 0, out.getvalue()


def verified(*arguments: str) -> tuple[int, dict[str, Any]]:
    code, printed = run("--verify", "--json", *arguments)
    return code, json.loads(printed)


def test_the_journal_gives_every_event_and_every_book(market: Market) -> None:
    """B10."""
    code, told = verified()

    book = Book.objects.get(instrument=market.instrument)
    (shard,) = [shard for shard in told["shards"] if shard["shard_id"] == book.shard_id]
    assert (code, told["agrees"]) == (0, True)
    assert (shard["commands"], shard["events"]) == (12, Event.objects.count())
    assert shard["books"] == {market.symbol: {"seq": book.seq, "state_hash": book.state_hash}}


def test_without_verify_it_says_what_the_books_are(market: Market) -> None:
    code, printed = run()

    assert code == 0
    assert Book.objects.get(instrument=market.instrument).state_hash[:8] in printed
    assert "12 commands" in printed
    assert "Add --verify" in printed


def test_an_event_that_was_changed_is_named(market: Market) -> None:
    event = Event.objects.filter(kind=EventKind.TRADE).order_by("id").first()
    assert event is not None
    with pgtrigger.ignore():
        Event.objects.filter(pk=event.pk).update(quantity_lots=F("quantity_lots") + 1)

    code, told = verified()

    assert (code, told["agrees"]) == (1, False)
    (difference,) = [one for shard in told["shards"] for one in shard["differences"]]
    assert difference["event"] == event.pk
    assert difference["replayed"] != difference["stored"]


@pytest.mark.parametrize("place", ["seq", "-seq"])
def test_an_event_that_is_missing_is_named(market: Market, place: str) -> None:
    """The first, or the last."""
    event_id = Event.objects.order_by(place).values_list("id", flat=True)[0]
    with pgtrigger.ignore():
        Event.objects.filter(id=event_id).delete()

    code, told = verified()

    (difference,) = [one for shard in told["shards"] for one in shard["differences"]]
    assert (code, difference["event"], difference["stored"]) == (1, event_id, "no event")


@pytest.mark.parametrize("days", [-1, 1])
def test_an_event_that_is_stored_twice_is_a_difference(market: Market, days: int) -> None:
    """Of two days: one table keeps an id from being given twice in one partition only."""
    event = Event.objects.filter(instrument_id=market.instrument.pk).latest("seq")
    event.at += timedelta(days=days)
    event.save(force_insert=True)

    code, told = verified()

    assert code == 1
    assert [one for shard in told["shards"] for one in shard["differences"]]


def test_an_event_of_which_the_journal_knows_nothing_is_named(market: Market) -> None:
    event = Event.objects.filter(instrument_id=market.instrument.pk).order_by("-seq").first()
    assert event is not None
    event.id, event.seq = event.id + 1, event.seq + 1
    event.save(force_insert=True)

    code, told = verified()

    (difference,) = [one for shard in told["shards"] for one in shard["differences"]]
    assert (code, difference["event"], difference["replayed"]) == (1, event.pk, "no event")


def test_what_lies_before_the_position_is_replayed_and_not_compared(market: Market) -> None:
    half = Command.objects.get(position=6)
    event = Event.objects.filter(command_id=half.pk).order_by("id").first()
    assert event is not None
    with pgtrigger.ignore():
        Event.objects.filter(pk=event.pk).update(quantity_lots=F("quantity_lots") + 1)

    assert verified("--from", "5")[0] == 1
    code, told = verified("--from", "6")
    assert code == 0
    (shard,) = [shard for shard in told["shards"] if shard["commands"]]
    assert shard["commands"] == 12
    assert shard["events"] == Event.objects.filter(command_id__gt=half.pk).count()


def test_where_nothing_came_behind_the_position_it_does_not_say_that_events_agree(market: Market) -> None:
    assert "every stored event" in run("--verify", "--from", "11")[1]
    code, printed = run("--verify", "--from", "12")

    assert code == 0
    assert "there was no event to compare" in printed
    assert "every stored event" not in printed


@pytest.mark.parametrize("change", [{"state_hash": "0" * 32}, {"seq": F("seq") + 1}])
def test_a_book_that_is_not_what_the_journal_gives_is_named(market: Market, change: dict[str, Any]) -> None:
    Book.objects.filter(instrument=market.instrument).update(**change)

    code, told = verified()

    (difference,) = [one for shard in told["shards"] for one in shard["differences"]]
    assert (code, difference["instrument"]) == (1, market.instrument.pk)


@pytest.mark.parametrize(
    "change",
    [
        {"quantity": F("quantity") + 1, "leaves": F("leaves") + 1},
        {"price": Decimal(49997)},
        {"priority": F("priority") + 1},
    ],
)
def test_an_open_order_whose_row_was_changed_is_named(market: Market, change: dict[str, Any]) -> None:
    """The shard would not start with it, and whoever has to put it right must find it."""
    trader = market.trader()
    touched, _other = market.buy(trader, 1, 49999), market.buy(trader, 1, 49998)
    market.drain()
    assert verified()[0] == 0
    with pgtrigger.ignore():
        Order.objects.filter(pk=touched).update(**change)

    code, told = verified()

    (difference,) = [one for shard in told["shards"] for one in shard["differences"]]
    assert (code, difference["instrument"], difference["order"]) == (1, market.symbol, touched)
    assert difference["replayed"] != difference["stored"]


def test_an_open_order_that_is_no_whole_number_of_steps_is_told_of(market: Market) -> None:
    touched = market.buy(market.trader(), 1, 49999)
    market.drain()
    with pgtrigger.ignore():
        Order.objects.filter(pk=touched).update(price=Decimal("49998.0000001"))

    code, told = verified()

    (difference,) = [one for shard in told["shards"] for one in shard["differences"]]
    assert (code, difference["instrument"]) == (1, market.symbol)
    assert "not multiples of its tick" in difference["error"]


def test_it_looks_at_one_moment_of_a_platform_that_goes_on(market: Market) -> None:
    with trading(market) as rounds:
        seen: list[int] = []
        while len(seen) < 3:
            code, told = verified()
            assert (code, told["agrees"]) == (0, True)
            seen.append(told["shards"][0]["commands"])
    assert seen == sorted(seen)
    assert rounds()


class trading:  # noqa: N801 - read as a word: with trading(...)
    """Somebody who sells to another for as long as the block runs; gives how often so far."""

    def __init__(self, market: Market) -> None:
        self._market, self._stop, self._rounds = market, threading.Event(), 0
        self._traders = market.trader(), market.trader()

    def __enter__(self) -> Callable[[], int]:
        self._done = start_elsewhere(self._trade)
        return lambda: self._rounds

    def _trade(self) -> None:
        while not self._stop.is_set():
            seller, buyer = self._traders
            self._market.sell(seller, 1, 50000)
            self._market.buy(buyer, 1, 50000)
            self._market.drain()
            self._rounds += 1

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._done.result(PATIENCE)
